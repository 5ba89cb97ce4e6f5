"""Another stack than the kernel's at the other end: libslirp's, a BSD TCP of 1995 without SACK, timestamps and window
scaling, in slirp4netns; in both roles, over a bridge that loses.

    near: clients and servers of the kernel  --  slirp4netns: libslirp  --  tap0 == br0 == pier0  pier or pier-load

slirp4netns ends the kernel's connections in one namespace and opens its own to pier in the other; what pier-load opens to
its gateway it ends, and opens one to the other namespace's loopback. Losses are on the bridge's forward hook.
"""
import json
import os
import re
import socket
import subprocess
import tempfile
import unittest

from kit import Cleanups, HERE, Namespace, Pier, wait_for
from test_load import Run, listening

SIZE = 1 << 20
GATEWAY, PIER_ADDRESS = '10.0.2.2', '10.0.2.15'
PORTS = {'up': 9, 'down': 80, 'echo': 7}
PERCENT = 2     # lost, each way
ECHO = '''
import asyncio
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def main():
    await (await asyncio.start_server(echo, "127.0.0.1", 7, backlog=1000)).serve_forever()
asyncio.run(main())
'''


def rules(device):
    return ('table bridge loss {\ncounter in {}\ncounter out {}\nchain forward {\n'
            'type filter hook forward priority 0; policy accept;\n' +
            ''.join(f'iifname {device} ip protocol tcp numgen random mod 100 < {PERCENT} counter name {name} drop\n'
                    for device, name in (('tap0', 'in'), (device, 'out'))) + '}\n}\n')


class Slirp:
    """Two namespaces, and slirp4netns between them."""

    def __init__(self, test):
        self.near, self.far = Namespace(test, 'n'), Namespace(test, 'f')
        folder = tempfile.TemporaryDirectory(prefix='pier-test-')
        test.addCleanup(folder.cleanup)
        self.api = folder.name + '/api'
        process = self.near.start(['slirp4netns', '--netns-type=path', '--mtu=1500', '--disable-dns', '--api-socket',
                                   self.api, f'/run/netns/{self.far.name}', 'tap0'],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        test.addCleanup(process.wait)
        test.addCleanup(process.kill)
        wait_for('tap0 exists', lambda: not self.far.run(['ip', 'link', 'show', 'tap0'], check=False).returncode and
                 os.path.exists(self.api))
        self.far.run(['ip', 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0'])
        self.join('tap0')
        self.far.run(['ip', 'link', 'set', 'br0', 'up'])

    def join(self, device):
        self.far.run(['ip', 'link', 'set', device, 'master', 'br0', 'up'])

    def forward(self, host_port, port):
        """What connects to the near side's loopback at host_port comes to pier's port."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.api)
            s.sendall(json.dumps({'execute': 'add_hostfwd', 'arguments': {
                'proto': 'tcp', 'host_addr': '127.0.0.1', 'host_port': host_port, 'guest_addr': PIER_ADDRESS,
                'guest_port': port}}).encode())
            s.shutdown(socket.SHUT_WR)
            answer = json.loads(s.recv(4096))
        if 'return' not in answer:
            raise AssertionError(answer)

    def lose(self, test, device):
        self.far.run(['nft', '-f', '-'], stdin=None, input=rules(device))
        test.addCleanup(self.far.run, ['nft', 'flush', 'ruleset'])

    def drops(self):
        said = self.far.run(['nft', 'list', 'counters']).stdout
        return {name: int(n) for name, n in re.findall(r'counter (\w+) \{\s*packets (\d+)', said)}


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        folder = tempfile.TemporaryDirectory(prefix='pier-test-')
        owner.addCleanup(folder.cleanup)
        cls.file = folder.name + '/sent'
        with open(cls.file, 'wb') as f:
            f.write(os.urandom(SIZE))
        cls.slirp = Slirp(owner)
        cls.pier = Pier(owner, cls.slirp.far, listeners={7: 'echo', 9: 'discard', 80: f'http\nfile = {cls.file}'},
                        address=PIER_ADDRESS + '/24', port_more=f'gateway = {GATEWAY}\n')
        wait_for('pier0 exists', lambda: cls.pier.alive() and
                 not cls.slirp.far.run(['ip', 'link', 'show', 'pier0'], check=False).returncode)
        cls.slirp.join('pier0')
        for port in PORTS.values():
            cls.slirp.forward(8000 + port, port)
        cls.pier.wait_ready(net=cls.slirp.near, address='127.0.0.1', port=8009)

    def transfers(self):
        before = self.pier.stats()
        clients = {what: self.slirp.near.start(
            ['python3', os.path.join(HERE, 'transfer.py'), what, '127.0.0.1', '127.0.0.1', 8000 + port, self.file, SIZE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                   for what, port in PORTS.items()}
        for client in clients.values():
            self.addCleanup(client.wait)
            self.addCleanup(client.kill)
        for what, client in clients.items():
            trouble = client.communicate(timeout=600)[1]
            self.assertEqual(client.returncode, 0, f'{what}: {trouble}')
        wait_for('all is closed', self.pier.ended)
        after = self.pier.stats()
        self.assertEqual(after['conn_opened'] - before['conn_opened'], len(PORTS))
        return {k: after[k] - before[k] for k in after}

    def test_transfers(self):
        found = self.transfers()
        self.assertEqual((found['tx_retransmits'], found['rx_csum_bad']), (0, 0))

    def test_transfers_with_loss(self):
        self.slirp.lose(self, 'pier0')
        found = self.transfers()
        drops = self.slirp.drops()
        self.assertTrue(drops['in'] and drops['out'], drops)
        self.assertTrue(found['tx_retransmits'] and found['rx_out_of_order'], found)

    def test_zz_ends_balanced(self):
        self.assertEqual(self.pier.stop(), 0, self.pier.log()[-4000:])


class Opened(unittest.TestCase):
    """pier-load opens, libslirp answers."""

    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        cls.slirp = Slirp(owner)
        echo = cls.slirp.near.start(['python3', '-c', ECHO], stdin=subprocess.DEVNULL)
        owner.addCleanup(echo.wait)
        owner.addCleanup(echo.kill)
        wait_for('the echo listens', lambda: listening(cls.slirp.near, 7))

    def load(self, *words):
        def join(process):
            wait_for('load0 exists', lambda: process.poll() is not None or
                     not self.slirp.far.run(['ip', 'link', 'show', 'load0'], check=False).returncode)
            self.slirp.join('load0')
        return Run(self, self.slirp.far, 'net_tap0,iface=load0',
                   ['--set', 'server.idle=sleep', 'echo', GATEWAY + ':7', '--timeout', '120s', '--expect', 'errors=0', *words],
                   address=PIER_ADDRESS + '/24', meanwhile=join)

    def test_echo(self):
        run = self.load('--connections', '20', '--size', '20000', '--requests', '5', '--duration', '2')
        self.assertEqual(run.status, 0, run.text)
        self.assertGreater(run.total['opened'], 20)
        self.assertGreater(run.total['responses'], 100)

    def test_echo_with_loss(self):
        self.slirp.lose(self, 'load0')
        run = self.load('--connections', '20', '--size', '20000', '--duration', '5')
        self.assertEqual(run.status, 0, run.text)
        drops = self.slirp.drops()
        self.assertTrue(drops['in'] and drops['out'] and run.total['responses'], (drops, run.total))


if __name__ == '__main__':
    unittest.main()
