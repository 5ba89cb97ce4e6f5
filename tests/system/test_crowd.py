"""A crowd of real connections over a memif, from bench_crowd, which remembers nothing of them."""
import json
import os
import re
import subprocess
import tempfile
import unittest

from kit import CLIENT_CPU, Namespace, Pier, wait_for
from path import BUILD

CROWD = os.environ.get('CROWD', os.path.join(BUILD, 'bench', 'bench_crowd'))
RING = 1024  # packets that the link holds
REST = 144  # bytes of a connection at rest, all in


def process_bytes(pid):
    """What the process has in memory, huge pages included, which RSS does not count."""
    total = 0
    with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as f:
        for line in f:
            if line.startswith(('VmRSS:', 'HugetlbPages:')):
                total += int(line.split()[1]) * 1024
    return total


class Crowd(unittest.TestCase):
    def start(self, room, more='drain = 0s\n'):
        folder = tempfile.TemporaryDirectory(prefix='pier-test-')
        self.addCleanup(folder.cleanup)
        self.socket = os.path.join(folder.name, 'memif')
        device = f'net_memif0,role=server,id=0,socket={self.socket},socket-abstract=no,rsize=10,bsize=2048'
        self.pier = Pier(self, Namespace(self), device, address='10.0.0.1/8',
                         port_more='mac = 02:00:00:00:00:02\nneighbor = reflect\n',
                         server_more=f'max-connections = {room}\nmax-half-open = 4096\n'
                                     f'max-time-wait = 1000\n{more}', listeners={7: 'echo'})
        wait_for('pier serves', lambda: self.pier.alive() and 'serving on' in self.pier.log())

    def crowd(self, *numbers):
        process = subprocess.Popen(['taskset', '-c', CLIENT_CPU, CROWD, self.socket, *map(str, numbers)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    def ended(self, crowd):
        """It goes in order, also when the server has left the link before."""
        said = crowd.communicate('\n', timeout=60)[1]
        self.assertEqual(crowd.returncode, 0, said)
        self.assertNotIn('Error', said)

    def phase(self, process, name, n):
        said = json.loads(process.stdout.readline())
        self.assertEqual(said[name], n, said)
        for error in ('resets', 'wrong', 'strange'):
            self.assertEqual(said[error], 0, said)

    def opened(self, n):
        """The crowd has sent the last handshake's ACK; the server is about to take it."""
        wait_for(f'{n} are open', lambda: self.pier.stats()['conn_opened'] >= n)
        self.assertEqual(self.pier.stats()['conn_opened'], n)

    def test_a_connection_at_rest_is_its_record(self):
        n = 100000
        self.start(n)
        before = process_bytes(self.pier.process.pid)
        crowd = self.crowd(n, n // 100)
        self.phase(crowd, 'opened', n)
        self.opened(n)
        each = (process_bytes(self.pier.process.pid) - before) / n
        # What is touched once and not for each connection, rounded to huge pages, comes on top.
        self.assertLess(each, REST + (16 << 20) / n, 'bytes a connection')
        self.assertGreater(each, 128, 'bytes a connection: is this the process that has them?')
        crowd.stdin.write('\n')
        crowd.stdin.flush()
        self.phase(crowd, 'answered', n // 100)
        stats = self.pier.stats()
        self.assertEqual(stats['rx_payload_bytes'], n // 100 * 64)
        self.ended(crowd)
        self.assertEqual(self.pier.stop(seconds=60), 0, self.pier.log()[-4000:])

    def told(self, n, more, told):
        """Opened; the server stops by SIGTERM while the crowd looks on. Returns what both say. told: how many
        hear of it, or what says so of the log."""
        self.start(n, more)
        crowd = self.crowd(n)
        self.phase(crowd, 'opened', n)
        self.opened(n)
        crowd.stdin.write('told\n')
        crowd.stdin.flush()
        self.assertEqual(self.pier.stop(seconds=120), 0, self.pier.log()[-4000:])
        said = json.loads(crowd.stdout.readline())
        told = told if isinstance(told, int) else told(self.pier.log())
        # What stands in the link's ring when its end is closed is lost with it: the server waits, not for ever.
        self.assertTrue(told - RING <= said['told'] <= told, (said, self.pier.log()[-4000:]))
        self.assertEqual(said['of'], n)
        self.assertEqual((said['wrong'], said['strange']), (0, 0), said)
        self.ended(crowd)
        return said, self.pier.log()

    def test_a_server_that_stops_tells_everyone(self):
        """Far more than any queue holds, and without time to end in order."""
        _, log = self.told(150000, 'drain = 0s\n', 150000)
        self.assertIn('150000 connections did not end in time and are reset', log)
        self.assertNotIn('conn_untold', log)
        self.assertRegex(log, r'tx_rsts +150000 ')

    def test_and_after_a_drain_that_few_end_in(self):
        """Each FIN takes a block as long as the peer does not answer: most are closed by no FIN at all."""
        said, log = self.told(120000, 'drain = 1s\nmemory = 4m\n', 120000)
        self.assertGreater(said['fins'], 0)
        self.assertLess(said['fins'], 60000)
        self.assertIn('connections did not end in time and are reset', log)
        # A FIN that the link does not take in time may be given up in the drain: the RST is not.
        self.assertNotIn('conn_untold', log)
        self.assertRegex(log, r'tx_rsts +120000 ')

    def test_no_time_to_tell_anyone(self):
        def orphans(log):
            """Those beyond max-orphans are reset while it drains: how many, is a matter of when that is over."""
            return int((re.search(r'(?m)^orphans_reset +(\d+) ', log) or [0, 0])[1])
        _, log = self.told(100000, 'drain = 0s\nreset-time = 0s\n', orphans)
        untold = 100000 - orphans(log)
        self.assertGreater(untold, 50000)
        self.assertIn(f'not all peers were told: {untold} were not reset', log)
        self.assertRegex(log, rf'conn_untold +{untold} ')

    def test_more_than_there_is_room_for(self):
        """The last SYNs are answered by cookies, which promise nothing: some of those who complete them
        find no room, and hear so when they ask. Nobody who is in is troubled."""
        room, n = 5000, 6000
        self.start(room)
        crowd = self.crowd(n, n)
        said = json.loads(crowd.stdout.readline())
        self.assertGreaterEqual(said['opened'], room, said)
        self.opened(room)
        stats = self.pier.stats()
        self.assertGreater(stats['rx_syn_no_conn'], 0)
        crowd.stdin.write('\n')
        crowd.stdin.flush()
        said = json.loads(crowd.stdout.readline())
        self.assertEqual((said['answered'], said['wrong']), (room, 0), said)
        self.ended(crowd)
        self.assertEqual(self.pier.stop(seconds=60), 0, self.pier.log()[-4000:])


if __name__ == '__main__':
    unittest.main()
