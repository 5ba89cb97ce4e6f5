"""TRex, ASTF profile, client side only: GETs to a pier that listens on port 80, over connections of --requests
requests each, --cps a second or --flows at a time.
An answer is --answer bytes, head and body.

trex> start -f bench/peers/trex-pier.py -m 1 -d 30 -t --cps 100000
pier: requests = 1 in [listen 80] for --requests 1, so that it closes as the program below expects"""

import argparse

from trex.astf.api import (ASTFAssociationRule, ASTFIPGen, ASTFIPGenDist, ASTFIPGenGlobal, ASTFProfile,
                           ASTFProgram, ASTFTCPClientTemplate, ASTFTCPServerTemplate, ASTFTemplate)

GET = "GET / HTTP/1.1\r\nHost: 198.18.0.2\r\n\r\n"


def requests(n, answer):
    program = ASTFProgram()
    if n > 1:
        program.set_var("left", n)
        program.set_label("again:")
    program.send(GET)
    program.recv(answer, clear=True)
    if n > 1:
        program.jmp_nz("left", "again:")
    return program


class Pier:
    def get_profile(self, tunables=(), **_):
        p = argparse.ArgumentParser(description=__doc__)
        p.add_argument("--requests", type=int, default=1, help="of a connection")
        p.add_argument("--flows", type=int, default=0, help="connections at a time, 0: as many as there are")
        p.add_argument("--answer", type=int, default=135, help="bytes: what `curl -si http://198.18.0.2/ | wc -c` says")
        p.add_argument("--cps", type=float, default=2e6, help="connections a second, at most")
        a = p.parse_args(tunables)
        server = ASTFProgram()      # TRex wants one, though pier is the server
        server.recv(len(GET))
        addresses = ASTFIPGen(
            glob=ASTFIPGenGlobal(ip_offset="0.0.0.0"),
            dist_client=ASTFIPGenDist(ip_range=["198.18.1.0", "198.18.1.255"], distribution="seq"),
            dist_server=ASTFIPGenDist(ip_range=["198.18.0.2", "198.18.0.2"], distribution="seq"))
        client = ASTFTCPClientTemplate(program=requests(a.requests, a.answer), ip_gen=addresses, port=80, cps=a.cps,
                                       limit=a.flows or None, cont=bool(a.flows))
        template = ASTFTemplate(client_template=client, server_template=ASTFTCPServerTemplate(
            program=server, assoc=ASTFAssociationRule(port=80)))
        return ASTFProfile(default_ip_gen=addresses, templates=template)


def register():
    return Pier()
