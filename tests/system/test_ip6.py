"""IPv6 with the kernel's clients: on a TAP, behind a router that loses and whose next link is narrow, beside a host
that has the address already; and pier-load over it."""
import os
import re
import shutil
import socket
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

import test_proxy
import test_workers
from kit import (CLIENT, CLIENT6, CPUS, Cleanups, HERE, LISTENERS, Namespace, Pier, PierCase, SERVER, SERVER6, wait_for)
from test_load import AgainstPier, Nginx, Run, Segmentation, Veth
from test_stream import echo_file

MAC, LINK_LOCAL = '02:00:c6:12:00:02', 'fe80::c6ff:fe12:2'
BOTH = f'{SERVER}/24, {SERVER6}/64'
ECHO6 = ['nc', '-N', SERVER6, '7']

MORE = f'''
[listen [{SERVER6}]:7000]
handler = echo

[listen 7001]
handler = discard

[listen [{SERVER6}]:7001-7002]
handler = echo

[listen 5201]
handler = iperf3

[listen 8001]
handler = proxy
upstream = {CLIENT}:8080
send-proxy = v1

[listen {SERVER}:8002]
handler = proxy
upstream = [{CLIENT6}]:8081
send-proxy = v2

[listen [{SERVER6}]:8003]
handler = proxy
upstream = [{CLIENT6}]:8082
send-proxy = v2
proxy-protocol = require

[listen 8006]
handler = http
body-size = 100
proxy-protocol = require
'''

# What came on the first connection, up to the client's FIN.
LISTEN_ONCE = '''
import socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
c, _ = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family).accept()
got = b''
while part := c.recv(65536):
    got += part
c.close()
sys.stdout.buffer.write(got)
'''


def tap(owner, net, *more, **options):
    """A pier with both families on a TAP in net, and the kernel's end as well."""
    options.setdefault('address', BOTH)
    options['port_more'] = f'mac = {MAC}\n' + options.get('port_more', '')
    pier = Pier(owner, net, *more, **options)
    pier.link_up('pier0', CLIENT + '/24', CLIENT6 + '/64')
    pier.wait_ready()
    pier.wait_ready(address=SERVER6)
    return pier


class Tap(PierCase):
    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        cls.net = Namespace(owner, six=True)
        cls.pier = tap(owner, cls.net, more=MORE, port_more='opens = yes\n')

    def curl(self, host, *more):
        return self.net.run(['curl', '-gsS', '-m', '60', *more, f'http://{host}/']).stdout

    def nc(self, address, port, said='x', **more):
        return self.net.run(['nc', '-N', '-w', '60', address, str(port)], stdin=None, input=said, **more)

    def test_curl(self):
        self.assertEqual(self.curl(f'[{SERVER6}]', '-o', '/dev/null', '-w', '%{http_code} %{remote_ip}'),
                         f'200 {SERVER6}')
        self.assertEqual(self.curl(f'[{SERVER6}]'), self.curl(SERVER))

    def test_link_local(self):
        self.assertIn(f'link-local address {LINK_LOCAL}', self.pier.log())
        self.assertEqual(self.pier.ask('/pier/info')['port_0_link_local'], LINK_LOCAL)
        self.net.run(['ping', '-c', '2', '-W', '60', LINK_LOCAL + '%pier0'])
        self.assertEqual(self.curl(f'[{LINK_LOCAL}%25pier0]', '-o', '/dev/null', '-w', '%{http_code}'), '200')

    def test_ping(self):
        """Up to what a frame holds, and in fragments."""
        before = self.pier.stats()
        for size in (0, 56, 1452, 1453, 9000):
            self.net.run(['ping', '-6', '-c', '1', '-W', '60', '-s', str(size), SERVER6])
        after = self.pier.stats()
        self.assertEqual(after['icmp_echo_rx'] - before['icmp_echo_rx'], 5)
        self.assertGreaterEqual(after['rx_fragments'] - before['rx_fragments'], 2 + 7)
        self.assertEqual(after['rx_csum_bad'], 0)

    def test_neighbour(self):
        """As the kernel sees it: solicited, answered with the MAC address, and no router."""
        self.net.run(['ip', '-6', 'neigh', 'flush', 'dev', 'pier0'])
        self.curl(f'[{SERVER6}]')
        seen = self.net.run(['ip', '-6', 'neigh', 'show', SERVER6, 'dev', 'pier0']).stdout
        self.assertIn('lladdr ' + MAC, seen)
        self.assertIn('REACHABLE', seen)
        self.assertNotIn('router', seen)

    def test_kernel_finds_the_address_taken(self):
        """The kernel asks whether somebody has the address before it takes it, and pier says so."""
        self.net.sysctl('net.ipv6.conf.pier0.accept_dad', 1)
        self.net.run(['ip', '-6', 'addr', 'add', SERVER6 + '/64', 'dev', 'pier0'])
        try:
            wait_for('the kernel does not take it', lambda: 'dadfailed' in self.net.run(
                ['ip', '-6', 'addr', 'show', 'dev', 'pier0', 'to', SERVER6]).stdout)
        finally:
            self.net.run(['ip', '-6', 'addr', 'del', SERVER6 + '/64', 'dev', 'pier0'])
            self.net.sysctl('net.ipv6.conf.pier0.accept_dad', 0)
        self.curl(f'[{SERVER6}]')

    def test_groups(self):
        """Which groups are joined the switch is told: those of the two addresses' neighbour solicitations."""
        self.assertGreater(self.pier.stats()['mld_reports_tx'], 0)

    def test_echo_file(self):
        echo_file(self, self.net, 10, ECHO6)
        self.assertEqual(self.pier.stats()['rx_csum_bad'], 0)

    def test_echo_connections(self):
        run = self.net.python('echo_client.py', SERVER6, 7, 200, 3000)
        self.assertIn('200 of 200 right', run.stdout)

    def test_wrk(self):
        run = self.net.run(['wrk', '-t1', '-c20', '-d1', '--timeout', '60', f'http://[{SERVER6}]/'])
        self.assertNotIn('Socket errors', run.stdout)
        self.assertGreater(int(re.search(r'(\d+) requests in', run.stdout).group(1)), 0)

    @unittest.skipUnless(shutil.which('iperf3'), 'no iperf3')
    def test_iperf3(self):
        for more in ([], ['-R'], ['--bidir', '-P', '2']):
            run = self.net.run(['iperf3', '-6', '-c', SERVER6, '-n', '8M', '--get-server-output', *more])
            self.assertIn(f'Accepted connection from {CLIENT6}, port ', run.stdout)

    def test_scan(self):
        run = self.net.run(['nmap', '-6', '-n', '-Pn', '--max-retries', '3', '--min-rtt-timeout', '1s', '-sS', '-p',
                            '1-100', '-oX', '-', SERVER6])
        host = ElementTree.fromstring(run.stdout).find('host')
        states = {int(p.get('portid')): p.find('state').get('state') for p in host.iter('port')}
        self.assertEqual({p for p, state in states.items() if state == 'open'}, set(LISTENERS))
        for extra in host.iter('extraports'):
            self.assertEqual(extra.get('state'), 'closed')

    def test_listeners(self):
        """One on an address goes before one on all, and is that address's alone."""
        self.assertEqual(self.nc(SERVER6, 7000).stdout, 'x')
        self.assertNotEqual(self.nc(SERVER, 7000, check=False).returncode, 0)
        self.assertEqual(self.nc(SERVER6, 7001).stdout, 'x')
        self.assertEqual(self.nc(SERVER, 7001).stdout, '')
        self.assertEqual(self.nc(SERVER6, 7002).stdout, 'x')
        for text in (f'[{SERVER6}]:7000', f'[{SERVER6}]:7001-7002', '7001'):
            self.pier.listener(text)

    def test_udp_is_refused(self):
        """By ICMPv6, which the kernel believes only if it quotes what was sent."""
        def ask():
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                s.settimeout(60)
                s.connect((SERVER6, 53))
                s.send(b'who')
                try:
                    return s.recv(10)
                except ConnectionRefusedError:
                    return 'refused'
        self.assertEqual(self.net.inside(ask), 'refused')

    def test_extension_headers(self):
        """A destination option that may be skipped is; one that must be understood is answered by its place."""
        def connect(option):
            with socket.socket(socket.AF_INET6) as s:
                s.settimeout(60)
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 0, option, 4, 0, 0, 0, 0]))
                s.connect((SERVER6, 7))
                s.sendall(b'hello')
                return s.recv(10)
        self.assertEqual(self.net.inside(lambda: connect(0x1e)), b'hello')
        before = self.pier.stats()['icmp_errors_tx']
        self.assertIsInstance(self.net.inside(lambda: self.failure(lambda: connect(0x9e))), OSError)
        self.assertGreater(self.pier.stats()['icmp_errors_tx'], before)

    @staticmethod
    def failure(do):
        try:
            return do()
        except OSError as e: # the kernel ends the attempt when it is told
            return e

    def serve(self, address, port):
        server = self.net.start(['python3', '-c', LISTEN_ONCE, address, str(port)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for clean in (server.stdout.close, server.wait, server.kill):
            self.addCleanup(clean)
        wait_for('the upstream listens', lambda: f':{port} ' in self.net.run(['ss', '-Hltn', f'sport = :{port}']).stdout)
        return server

    def through(self, address, port, upstream, said):
        server = self.serve(*upstream)
        self.nc(address, port, said, text=False)
        return server.communicate(timeout=240)[0]

    def test_proxy_from_six_to_four(self):
        got = self.through(SERVER6, 8001, (CLIENT, 8080), b'hello')
        self.assertRegex(got.decode(), f'^PROXY TCP6 {CLIENT6} {SERVER6} [0-9]+ 8001\r\nhello$')

    def test_proxy_from_four_to_six(self):
        got = self.through(SERVER, 8002, (CLIENT6, 8081), b'hello')
        self.assertEqual(got[12:24], b'\x21\x11\0\x0c' + socket.inet_aton(CLIENT) + socket.inet_aton(SERVER))
        self.assertEqual(got[-5:], b'hello')

    def test_header_in_header_out(self):
        got = self.through(SERVER6, 8003, (CLIENT6, 8082), b'PROXY TCP6 2001:db8::7 2001:db8::8 12345 443\r\nhello')
        self.assertEqual(got[12:16], b'\x21\x21\0\x24')
        self.assertEqual(got[16:48], socket.inet_pton(socket.AF_INET6, '2001:db8::7') +
                         socket.inet_pton(socket.AF_INET6, '2001:db8::8'))
        self.assertEqual(got[48:], b'\x30\x39\x01\xbbhello')

    def test_curl_with_a_header(self):
        self.assertEqual(len(self.curl(f'[{SERVER6}]:8006', '--haproxy-protocol')), 100)


@unittest.skipIf(len(CPUS) < 2, 'one CPU: two workers need two')
class Workers(unittest.TestCase):
    """Two workers that share a TAP: each flow has one owner."""

    def two(self, how, **more):
        net = Namespace(self, six=True)
        pier = tap(self, net, **test_workers.options(more))
        self.assertEqual(pier.ask('/pier/info')['port_0_steering'], how)
        before = [pier.ask(f'/pier/stats,{w}')['conn_opened'] for w in range(2)]
        run = net.python('echo_client.py', SERVER6, 7, 100, 3000)
        self.assertIn('100 of 100 right', run.stdout)
        after = [pier.ask(f'/pier/stats,{w}')['conn_opened'] for w in range(2)]
        self.assertEqual(sum(after) - sum(before), 100)
        for w in range(2):
            self.assertGreater(after[w], before[w])
        net.run(['ping', '-6', '-c', '2', '-W', '60', '-s', '4000', SERVER6])
        self.assertEqual(pier.stop(), 0, pier.log()[-4000:])

    def test_in_software(self):
        self.two('in software', port_more='steering = software\n')

    def test_opens_come_home(self):
        """Connections that pier opens are opened by the worker to which their answers come."""
        net = Namespace(self, six=True)
        pier = tap(self, net, **test_workers.options({'more': f'''
[listen 8001]
handler = proxy
upstream = [{CLIENT6}]:8080
'''}, port_more='opens = yes\n'))
        server = net.start(['python3', '-c', test_proxy.ECHO.replace('socketserver.ThreadingTCPServer):', '''socketserver.ThreadingTCPServer):
    address_family = 10'''), CLIENT6, '8080'], stdin=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        wait_for('the upstream listens', lambda: ':8080 ' in net.run(['ss', '-Hltn', 'sport = :8080']).stdout)
        self.assertEqual(net.run(['python3', '-c', test_proxy.MANY, SERVER6, '8001', '64']).stdout, '64\n')
        for w in range(2):
            self.assertGreater(pier.ask(f'/pier/stats,{w}')['conn_opened'], 0)
        self.assertEqual(pier.stop(), 0, pier.log()[-4000:])

    def test_by_arrival(self):
        self.two('by the queue of arrival')


class Taken(unittest.TestCase):
    """Another host has the address: it is not used, and the port's others are."""

    def test_another_host_has_it(self):
        net = Namespace(self, six=True)
        net.run(['ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'pier0'])
        net.run(['ethtool', '-K', 'veth0', 'tx', 'off'])
        for address in (CLIENT + '/24', CLIENT6 + '/64', SERVER6 + '/64'):
            net.run(['ip', 'addr', 'add', address, 'dev', 'veth0'])
        for name in ('veth0', 'pier0'):
            net.run(['ip', 'link', 'set', name, 'up'])
        net.sysctl('net.ipv6.conf.pier0.disable_ipv6', 1)
        pier = Pier(self, net, 'net_af_packet0,iface=pier0', address=BOTH + ', fd00:18::3/64')
        pier.wait_ready()
        pier.wait_ready(address='fd00:18::3')
        self.assertGreater(pier.stats()['nd_conflicts'], 0)
        told = f'port 0: {SERVER6} is not used: another host has it, '
        wait_for('it is said', lambda: told in pier.log())
        info = pier.ask('/pier/info')
        self.assertEqual(info['port_0_conflicts'], 1)
        self.assertTrue(info['port_0_conflict'].startswith(f'{SERVER6} (not used), '), info)
        # One that is in use stays so.
        net.sysctl('net.ipv4.conf.veth0.arp_notify', 1)
        net.run(['ip', 'addr', 'add', SERVER + '/24', 'dev', 'veth0'])
        net.run(['ip', 'link', 'set', 'veth0', 'down'])
        net.run(['ip', 'link', 'set', 'veth0', 'up'])
        wait_for('it is said', lambda: f'port 0: {SERVER} is claimed by another host, too, ' in pier.log())
        self.assertEqual(pier.log().count(told), 1)
        self.assertEqual(pier.ask('/pier/info')['port_0_conflicts'], 2)
        self.assertEqual(pier.stop(), 0, pier.log()[-4000:])


RULES = '''
table ip6 loss {
  counter to_server { }
  counter to_client { }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "c1" meta l4proto tcp numgen random mod 1000 < 20 counter name to_server drop
    iifname "pier0" meta l4proto tcp numgen random mod 1000 < 20 counter name to_client drop
  }
}
'''


class Router(unittest.TestCase):
    """A client behind a router, which pier knows by its link-local address."""

    def setUp(self):
        self.router, self.client = Namespace(self, 'r', six=True), Namespace(self, 'c', six=True)
        self.router.run(['ip', 'link', 'add', 'c1', 'type', 'veth', 'peer', 'name', 'c0', 'netns', self.client.name])
        self.router.run(['ip', 'addr', 'add', 'fd00:19::1/64', 'dev', 'c1'])
        self.client.run(['ip', 'addr', 'add', 'fd00:19::2/64', 'dev', 'c0'])
        for net, name in ((self.client, 'c0'), (self.router, 'c1')):
            net.run(['ethtool', '-K', name, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'])
            net.run(['ip', 'link', 'set', name, 'up'])
        self.client.run(['ip', 'route', 'add', 'default', 'via', 'fd00:19::1'])
        self.router.sysctl('net.ipv6.conf.all.forwarding', 1)
        self.pier = Pier(self, self.router, address=BOTH, port_more=f'mac = {MAC}\ngateway = fe80::1\n')
        self.pier.link_up('pier0', CLIENT + '/24', CLIENT6 + '/64', 'fe80::1/64')
        self.pier.wait_ready(net=self.client, address=SERVER6)

    def tearDown(self):
        self.assertEqual(self.pier.stop(), 0, self.pier.log()[-4000:])

    def test_loss(self):
        self.router.run(['nft', '-f', '-'], stdin=None, input=RULES)
        echo_file(self, self.client, 6, ECHO6, timeout=400)
        counters = self.router.run(['nft', 'list', 'counters']).stdout
        dropped = dict(re.findall(r'counter (\w+) \{\s*packets (\d+)', counters))
        self.router.run(['nft', 'flush', 'ruleset'])
        self.assertGreater(int(dropped['to_server']), 0, counters)
        self.assertGreater(int(dropped['to_client']), 0, counters)
        self.assertGreater(self.pier.stats()['tx_retransmits'], 0)

    def test_a_narrow_link(self):
        """The client offers an MSS for 1500 octets, and the router's link to it takes 1280: it says so."""
        self.router.run(['ip', 'link', 'set', 'c1', 'mtu', '1280'])
        self.client.run(['curl', '-gsS', '-m', '120', '-o', '/dev/null', f'http://[{SERVER6}]/bytes/3000000'])
        self.assertGreater(self.pier.stats()['pmtu_lowered'], 0)
        self.assertEqual(self.pier.stats()['pmtu_black_holes'], 0)


class Load(unittest.TestCase):
    """pier-load to nginx of the kernel, over both families at once."""

    def test_nginx(self):
        veth = Veth(self, six=True)
        Nginx(self, veth.net, six=True)
        run = Run(self, veth.net, veth.device, [
            '--set', 'server.idle=sleep', 'http', f'{CLIENT},[{CLIENT6}]:80', '--connections', '20', '--duration', '1',
            '--expect', 'errors=0'], address=f'{SERVER}/24,fd00:18::2-fd00:18::5/64')
        self.assertEqual(run.status, 0, run.text)
        self.assertEqual(run.total['opened'], 20)
        run = Run(self, veth.net, veth.device, [
            '--set', 'server.idle=sleep', 'short', f'[{CLIENT6}]:80', '--connections', '5', '--duration', '1',
            '--expect', 'errors=0'], address='fd00:18::2-fd00:18::5/64')
        self.assertEqual(run.status, 0, run.text)
        self.assertGreater(run.total['responses'], 10)


class Segmentation6(Segmentation):
    address, target = CLIENT6 + '/64', f'[{SERVER6}]:7'
    pier_address = BOTH


class Memif(unittest.TestCase):
    """Two DPDK programs, no kernel in between."""

    def test_load(self):
        net = Namespace(self)
        folder = os.path.join('/tmp', net.name)
        os.mkdir(folder)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        pier = Pier(self, net, AgainstPier.memif_at(folder, 'server'), address=BOTH)
        wait_for('pier serves', lambda: pier.alive() and 'serving' in pier.log())
        for words in (['http', f'[{SERVER6}]:80', '--depth', '3'], ['short', f'{SERVER},[{SERVER6}]:80'],
                      ['both', f'[{SERVER6}]:7', '--verify']):
            run = Run(self, net, AgainstPier.memif_at(folder, 'client'), [*words, '--connections', '10', '--duration',
                      '1', '--expect', 'errors=0'], address=f'{CLIENT}/24,fd00:18::20-fd00:18::23/64')
            self.assertEqual(run.status, 0, run.text)
            self.assertGreater(run.counted['rx_bytes'], 0)
        self.assertEqual(pier.stop(), 0, pier.log()[-4000:])
