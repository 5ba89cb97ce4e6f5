"""The kernel's TCP and pier over a path that loses, reorders and duplicates: see path.py. Each test
has its own rate of loss, in each direction, and sends up, down and both ways at once, byte-exact.

PIER_LOSS_MB=50 tests/system/run.py test_loss makes the transfers larger.
"""
import json
import os
import subprocess
import tempfile
import unittest

from kit import Cleanups, HERE
from path import client_address, Path, PIER_ADDRESS

SIZE = int(os.environ.get('PIER_LOSS_MB', 2)) << 20
SERVICES = {'up': 9, 'down': 80, 'echo': 7}
LOSSES = [0.01, 0.05, 0.01]
DISTURBED = 2  # the one of them that is reordered and duplicated as well
WIRE = ['--reorder', 2, '--duplicate', 1, '--hold', 10, '--only', client_address(DISTURBED)]


class Loss(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        folder = tempfile.TemporaryDirectory(prefix='pier-test-')
        owner.addCleanup(folder.cleanup)
        cls.file = folder.name + '/sent'
        with open(cls.file, 'wb') as f:
            f.write(os.urandom(SIZE))
        cls.path = Path(owner, LOSSES, delay=10, wire=WIRE)
        cls.pier = cls.path.start_pier({7: 'echo', 9: 'discard', 80: f'http\nfile = {cls.file}'})
        cls.path.lose()

    def start(self, n, what):
        """A transfer from the client's n-th address."""
        client = self.path.client.start(
            ['python3', os.path.join(HERE, 'transfer.py'), what, client_address(n), PIER_ADDRESS,
             SERVICES[what], self.file, SIZE],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        return client

    def transfers(self, n):
        before = self.pier.stats()
        clients = {what: self.start(n, what) for what in SERVICES}
        for what, client in clients.items():
            said, trouble = client.communicate(timeout=600)
            self.assertEqual(client.returncode, 0, f'{what}: {trouble}')
            self.assertEqual(json.loads(said)['congestion'], 'cubic')
        drops = self.path.drops()
        for counter in (f'pier_up_{n}', f'pier_down_{n}'):
            packets, size = drops[counter]
            self.assertGreater(packets, 0, counter)
            self.assertLessEqual(size, 1500 * packets, f'{counter}: a drop is more than a packet')
        after = self.pier.stats()
        for counter in ('tx_retransmits', 'rx_out_of_order'):
            self.assertGreater(after[counter], before[counter], counter)
        self.assertEqual(after['rx_csum_bad'], 0)

    def test_one_percent(self):
        self.transfers(0)

    def test_five_percent(self):
        self.transfers(1)

    def test_one_percent_reordered_and_duplicated(self):
        self.transfers(DISTURBED)

    def test_zz_ends_balanced(self):
        """Last by name: the wire did what was asked of it, and nothing is left."""
        self.path.stop_losing()
        self.assertEqual(self.pier.stop(), 0, self.pier.log()[-4000:])
        ends = self.path.cut()
        for end in ('c0', 'c1'):
            self.assertGreater(ends[end]['out'], 0, ends)
            self.assertGreater(ends[end]['late'], 0, ends)
            self.assertGreater(ends[end]['twice'], 0, ends)
