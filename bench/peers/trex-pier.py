"""TRex, ASTF profile, client side only: GETs to a pier that listens on port 80. Not tried.

trex> start -f bench/peers/trex-pier.py -m 100000 -d 30     # -m times cps
trex> stats -a ; pier: requests = 1 in [listen 80], so that it closes as the program below expects"""

from trex.astf.api import (ASTFAssociationRule, ASTFIPGen, ASTFIPGenDist, ASTFIPGenGlobal, ASTFProfile,
                           ASTFProgram, ASTFTCPClientTemplate, ASTFTCPServerTemplate, ASTFTemplate)

GET = "GET / HTTP/1.1\r\nHost: 198.18.0.2\r\n\r\n"
ANSWER = 94     # bytes of head and body: what `curl -si http://198.18.0.2/ | wc -c` says


class Pier:
    def get_profile(self, tunables=(), **kwargs):
        client = ASTFProgram()
        client.send(GET)
        client.recv(ANSWER)
        server = ASTFProgram()      # TRex wants one, though pier is the server
        server.recv(len(GET))
        server.send("x" * ANSWER)
        addresses = ASTFIPGen(
            glob=ASTFIPGenGlobal(ip_offset="0.0.0.0"),
            dist_client=ASTFIPGenDist(ip_range=["198.18.1.0", "198.18.1.255"], distribution="seq"),
            dist_server=ASTFIPGenDist(ip_range=["198.18.0.2", "198.18.0.2"], distribution="seq"))
        template = ASTFTemplate(
            client_template=ASTFTCPClientTemplate(program=client, ip_gen=addresses, cps=1, port=80),
            server_template=ASTFTCPServerTemplate(program=server, assoc=ASTFAssociationRule(port=80)))
        return ASTFProfile(default_ip_gen=addresses, templates=template)


def register():
    return Pier()
