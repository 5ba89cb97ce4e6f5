"""Other links than a TAP: veth with net_af_packet, and loss on the way."""
import os
import re
import unittest

from kit import CLIENT, HERE, Namespace, Pier, SERVER, wait_for
from test_stream import NC, echo_file

DEVICE = 'net_af_packet0,iface=pier0'


class AfPacket(unittest.TestCase):
    def start(self, tx_offload):
        net = Namespace(self)
        net.run(['ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'pier0'])
        net.run(['ip', 'addr', 'add', CLIENT + '/24', 'dev', 'veth0'])
        net.run(['ethtool', '-K', 'veth0', 'tx', 'on' if tx_offload else 'off'])
        for name in ('veth0', 'pier0'):
            net.run(['ip', 'link', 'set', name, 'up'])
        return net, Pier(self, net, DEVICE)

    def test_finished_sums(self):
        net, pier = self.start(tx_offload=False)
        pier.wait_ready()
        run = net.run(['curl', '-sS', '-m', '60', '-o', '/dev/null', '-w', '%{http_code}',
                       f'http://{SERVER}/'])
        self.assertEqual(run.stdout, '200')
        echo_file(self, net, 5, NC)
        self.assertEqual(pier.stats()['rx_csum_partial'], 0)
        self.assertEqual(pier.stop(), 0, pier.log()[-4000:])

    def test_unfinished_sums_are_explained(self):
        net, pier = self.start(tx_offload=True)
        # ICMP sums are always finished: the server is there, TCP alone is dropped.
        for _ in range(50):
            if not net.run(['ping', '-c', '1', '-W', '1', SERVER], check=False).returncode:
                break
            pier.alive()
        run = net.run(['curl', '-sS', '-m', '3', f'http://{SERVER}/'], check=False)
        self.assertEqual(run.returncode, 28, 'curl was expected to time out: ' + run.stderr)
        wait_for('it is counted', lambda: pier.stats()['rx_csum_partial'] > 0)
        self.assertEqual(pier.stats()['rx_csum_bad'], 0)
        self.assertIn('ethtool -K', pier.ask('/pier/help,rx_csum_partial')['rx_csum_partial'])
        self.assertEqual(pier.stop(), 0, pier.log()[-4000:])


RULES = '''
table ip loss {
  counter to_server { }
  counter to_client { }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "c1" numgen random mod 1000 < 20 counter name to_server drop
    iifname "pier0" numgen random mod 1000 < 20 counter name to_client drop
  }
}
'''


class Loss(unittest.TestCase):
    """A client behind a router that loses 2 % each way. The loss is on the router's forward hook:
    dropped on the way out of the client its kernel would notice and simply send again."""

    def test_echo_survives_loss(self):
        router, client = Namespace(self, 'r'), Namespace(self, 'c')
        router.run(['ip', 'link', 'add', 'c1', 'type', 'veth', 'peer', 'name', 'c0',
                    'netns', client.name])
        router.run(['ip', 'addr', 'add', '198.19.0.1/24', 'dev', 'c1'])
        router.run(['ip', 'link', 'set', 'c1', 'up'])
        client.run(['ip', 'addr', 'add', '198.19.0.2/24', 'dev', 'c0'])
        client.run(['ip', 'link', 'set', 'c0', 'up'])
        client.run(['ip', 'route', 'add', 'default', 'via', '198.19.0.1'])
        for net, name in ((client, 'c0'), (router, 'c1')):
            net.run(['ethtool', '-K', name, 'tx', 'off', 'tso', 'off', 'gso', 'off', 'gro', 'off'])
        router.sysctl('net.ipv4.ip_forward', 1)
        pier = Pier(self, router, port_more=f'gateway = {CLIENT}\n')
        pier.link_up()
        pier.wait_ready(net=client)
        router.run(['nft', '-f', '-'], stdin=None, input=RULES)
        said = echo_file(self, client, 8, ['python3', os.path.join(HERE, 'stream_client.py'), SERVER,
                                            '7', 'cubic', '{sent}', '{got}'], timeout=400)
        self.assertEqual(said, 'congestion control: cubic\n')
        counters = router.run(['nft', 'list', 'counters']).stdout
        dropped = dict(re.findall(r'counter (\w+) \{\s*packets (\d+)', counters))
        self.assertGreater(int(dropped['to_server']), 0, counters)
        self.assertGreater(int(dropped['to_client']), 0, counters)
        self.assertGreater(pier.stats()['tx_retransmits'], 0)
        self.assertGreater(pier.stats()['rx_out_of_order'], 0)
        router.run(['nft', 'flush', 'ruleset'])
        self.assertEqual(pier.stop(), 0, pier.log()[-4000:])
