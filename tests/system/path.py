"""A path that loses, delays, reorders and duplicates: three network namespaces.

    client  c0 ==== wire ==== c1  router  s0 ------ s1  server: bridge br0, and pier0, pier's TAP

The wire is bench/wire.c: a program between two TAPs, which gives the path its round-trip time. Losses
are on the router's forward hook, in both directions: dropped on the way out of a sender, its kernel
would notice and simply send again. The client has an address for each rate of loss, so that several
rates share a path without being measured on different ones. In the server's namespace pier and
the kernel have an address each on one bridge, so that a client can compare them.

No interface hands out segments larger than the MTU, or one drop would be the loss of many.
"""
import contextlib
import json
import os
import re
import subprocess

from kit import CLIENT_CPU, Namespace, PIER, Pier, wait_for

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(PIER)))
WIRE = os.environ.get('WIRE', os.path.join(BUILD, 'bench', 'bench_wire'))
PIER_ADDRESS, KERNEL_ADDRESS = '198.18.0.2', '198.18.0.3'
GATEWAY, CLIENT_GATEWAY = '198.18.0.1', '198.19.0.1'
PIER_MAC = '02:00:c6:12:00:02'
SERVERS = {'pier': PIER_ADDRESS, 'kernel': KERNEL_ADDRESS}
OFFLOADS = ['tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off']
PARTS = 10000  # of which a rate of loss is a whole number


def client_address(n):
    return f'198.19.0.{n + 2}'


def rules(losses):
    """For the n-th rate, the client's n-th address: each server and direction with a counter."""
    counters, drops = [], []
    for n, loss in enumerate(losses):
        lot = f'numgen random mod {PARTS} < {round(loss * PARTS)}'
        for server, address in SERVERS.items():
            for way, ends in (('up', (client_address(n), address)),
                              ('down', (address, client_address(n)))):
                counters.append(f'counter {server}_{way}_{n} {{ }}')
                drops.append(f'ip saddr {ends[0]} ip daddr {ends[1]} {lot} '
                             f'counter name "{server}_{way}_{n}" drop')
    return ('table ip loss {\n' + '\n'.join(counters) + '\nchain forward {\n'
            'type filter hook forward priority 0; policy accept;\n' + '\n'.join(drops) + '\n}\n}\n')


class Path:
    """test has addCleanup(); delay is one way, in ms; wire is further arguments of bench_wire."""

    def __init__(self, test, losses, delay, wire=()):
        self.test, self.losses, self.report = test, losses, None
        self.client, self.router, self.server = (Namespace(test, what) for what in 'crs')
        if not os.path.exists(WIRE):
            raise AssertionError(f'{WIRE} is not there: build with -Dbench=true, or say WIRE=')
        self.join(delay, wire)
        self.router.run(['ip', 'link', 'add', 's0', 'type', 'veth', 'peer', 'name', 's1',
                         'netns', self.server.name])
        self.server.run(['ip', 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0'])
        self.server.run(['ip', 'link', 'set', 's1', 'master', 'br0'])
        for n in range(len(losses)):
            self.client.run(['ip', 'addr', 'add', client_address(n) + '/24', 'dev', 'c0'])
        self.router.run(['ip', 'addr', 'add', CLIENT_GATEWAY + '/24', 'dev', 'c1'])
        self.router.run(['ip', 'addr', 'add', GATEWAY + '/24', 'dev', 's0'])
        self.server.run(['ip', 'addr', 'add', KERNEL_ADDRESS + '/24', 'dev', 'br0'])
        for net, name in ((self.client, 'c0'), (self.router, 'c1'), (self.router, 's0'),
                          (self.server, 's1'), (self.server, 'br0')):
            net.run(['ethtool', '-K', name, *OFFLOADS])
            net.run(['ip', 'link', 'set', name, 'up'])
        self.client.run(['ip', 'route', 'add', 'default', 'via', CLIENT_GATEWAY])
        self.server.run(['ip', 'route', 'add', 'default', 'via', GATEWAY])
        self.router.sysctl('net.ipv4.ip_forward', 1)
        for net in (self.client, self.server):  # what one connection learned is not the next one's
            net.sysctl('net.ipv4.tcp_no_metrics_save', 1)

    def join(self, delay, wire):
        words = ['taskset', '-c', CLIENT_CPU, WIRE, '--delay', str(delay), *map(str, wire),
                 f'{self.client.name}:c0', f'{self.router.name}:c1']
        self.wire = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.test.addCleanup(self.cut)
        if self.wire.stdout.readline() != 'ready\n':
            raise AssertionError('the wire was not made')

    def cut(self):
        """End the wire; returns what it says of its two ends."""
        if self.report is None:
            self.wire.terminate()
            try:
                said = self.wire.communicate(timeout=240)[0]
            except subprocess.TimeoutExpired:
                self.wire.kill()
                said = self.wire.communicate()[0]
            self.report = json.loads(said) if said.strip() else {}
        return self.report

    def start_pier(self, listeners, **more):
        more.setdefault('port_more', f'mac = {PIER_MAC}\ngateway = {GATEWAY}\n')
        pier = Pier(self.test, self.server, listeners=listeners, **more)
        wait_for('pier0 exists', lambda: pier.alive() and
                 not self.server.run(['ip', 'link', 'show', 'pier0'], check=False).returncode)
        self.server.run(['ip', 'link', 'set', 'pier0', 'txqueuelen', 10000, 'master', 'br0', 'up'])
        pier.wait_ready(net=self.client)
        return pier

    def lose(self):
        """From now on, as the rates say."""
        self.router.run(['nft', '-f', '-'], stdin=None, input=rules(self.losses))

    def stop_losing(self):
        self.router.run(['nft', 'flush', 'ruleset'])

    def drops(self):
        """{counter: (packets, bytes)}; counters are SERVER_up_N and SERVER_down_N."""
        said = self.router.run(['nft', 'list', 'counters']).stdout
        found = re.findall(r'counter (\w+) \{\s*packets (\d+) bytes (\d+)', said)
        return {name: (int(packets), int(size)) for name, packets, size in found}

    def overflows(self):
        """Packets that the interfaces themselves dropped: 0, or the path was not what it is said
        to be."""
        lost = 0
        for net in (self.client, self.router, self.server):
            for link in json.loads(net.run(['ip', '-s', '-j', 'link', 'show']).stdout):
                lost += link['stats64']['tx']['dropped'] if link['ifname'] != 'lo' else 0
        return lost


@contextlib.contextmanager
def owner():
    """Something with addCleanup(), for those who are no test."""
    with contextlib.ExitStack() as stack:
        stack.addCleanup = stack.callback
        yield stack
