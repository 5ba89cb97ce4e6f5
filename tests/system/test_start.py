"""What an earlier process left behind, which it could not remove because it was killed, and starts with little."""
import os
import subprocess
import tempfile
import unittest

from kit import CLIENT_CPU, LOAD, Namespace, PIER, Pier, runtime_folders, wait_for


class Killed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='pier-test-')
        self.addCleanup(folder.cleanup)
        self.folder, self.net = folder.name, Namespace(self)

    def serve(self, device):
        pier = Pier(self, self.net, device)
        wait_for('it serves', lambda: pier.alive() and 'serving on' in pier.log())
        return pier

    def takes_the_place(self, device):
        """The socket of a killed server is in nobody's way; that of one that lives is left alone."""
        path = self.folder + '/socket'
        first = self.serve(device.format(path))
        first.kill()
        self.assertTrue(os.path.exists(path))
        second = self.serve(device.format(path))
        third = Pier(self, self.net, device.format(path))
        self.assertEqual(third.process.wait(240), 2, third.log())
        self.assertIn(f'{path}: another process listens on it', third.log())
        self.assertEqual(second.stop(), 0, second.log())

    def test_memif(self):
        self.takes_the_place('net_memif0,role=server,id=0,socket-abstract=no,socket={}')

    def test_vhost(self):
        self.takes_the_place('net_vhost0,iface={}')

    def load(self):
        """A pier-load under the name it gives itself, which waits for what is not there."""
        load = subprocess.Popen(self.net.words([LOAD, '--device', 'net_ring0', '--address', '198.18.0.2/24', '--lcores',
                                                CLIENT_CPU, '--set', 'server.idle=sleep', 'hold', '198.18.0.1',
                                                '--timeout', '1h']),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(load.communicate)
        self.addCleanup(load.kill)
        while 'opening' not in (line := load.stdout.readline()):
            self.assertTrue(line, 'pier-load ended')
        return load

    def test_load(self):
        """The runtime folder of a killed pier-load goes with the next start; that of one that lives stays."""
        dead = self.load()
        folders = runtime_folders(f'pier-load-{dead.pid}')
        self.assertTrue(folders)
        dead.kill()
        dead.wait()
        alive, again = self.load(), self.load()
        self.assertEqual([f for f in folders if os.path.exists(f)], [])
        self.assertTrue(runtime_folders(f'pier-load-{alive.pid}'))
        for load in (alive, again):
            load.terminate()
            load.communicate(timeout=240)
            self.assertEqual(runtime_folders(f'pier-load-{load.pid}'), [])


class Twice(unittest.TestCase):
    def test_two_under_one_name(self):
        net = Namespace(self)
        first = Pier(self, net, 'net_ring0')
        wait_for('it serves', lambda: first.alive() and 'serving on' in first.log())
        run = net.run([PIER, '-c', first.conf], check=False)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertRegex(run.stderr, f'pier.ini:2: file-prefix: another process runs under the name "{first.prefix}"')
        self.assertEqual(first.stop(), 0, first.log())


class Little(unittest.TestCase):
    def test_least_of_everything(self):
        pier = Pier(self, Namespace(self), server_more='max-connections = 1\nmax-half-open = 1\nmax-time-wait = 1\n'
                                                       'max-next-hops = 1\n')
        pier.link_up()
        pier.wait_ready()
        self.assertEqual(pier.stop(), 0, pier.log())
