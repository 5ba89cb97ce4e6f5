"""What a reload changes, on both of two workers: new connections are served by the new listeners whichever
worker has them, and the old ones stay whole for a connection of either."""
import os
import shutil
import signal
import socket
import tempfile
import unittest

from kit import CLIENT, CPUS, Cleanups, PierCase, SERVER, wait_for
from test_plugin import Tree
from test_workers import options

CROWD = 16 # ports in a row: the key of a port has half of them on either worker


@unittest.skipIf(len(CPUS) < 2, 'one CPU: two workers need two')
class Reload(PierCase):
    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        cls.tree = Tree(owner)
        cls.root = tempfile.mkdtemp(prefix='pier-test-root-')
        owner.addCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        cls.write_file(b'old')
        cls.pier_options = options(
            port_more='steering = software\n',
            more=f'[listen 4000]\nplugin = {cls.tree.compile("flip.so")}\n\n'
                 f'[listen 8000]\nhandler = http\nroot = {cls.root}\n\n')
        super().setUpClass()
        with open(cls.pier.conf, encoding='ascii') as f:
            cls.text = f.read()
        cls.first_port, cls.reloads, cls.sockets = 20000, 0, []

    @classmethod
    def write_file(cls, data):
        with open(os.path.join(cls.root, 'index.html'), 'wb') as f:
            f.write(data)

    def tearDown(self):
        while self.sockets:
            self.sockets.pop().close()

    # ---- clients ----

    def connect(self, port):
        """From the next of our ports; they begin with a multiple of CROWD. None: refused."""
        here, cls = (CLIENT, self.first_port), type(self)
        cls.first_port += 1
        s = self.net.inside(socket.socket)
        self.sockets.append(s)
        s.settimeout(60)
        s.bind(here)
        try:
            s.connect((SERVER, port))
        except ConnectionRefusedError:
            return None
        return s

    def opened(self):
        return [self.pier.ask(f'/pier/stats,{w}')['conn_opened'] for w in (0, 1)]

    def crowd(self, port, ask):
        """CROWD connections, half of them on either worker: [worker][...]. ask(socket) gives what each is
        answered first; all are answered the same. Returns that, too."""
        workers, answers = ([], []), set()
        for _ in range(CROWD):
            before = self.opened()
            s = self.connect(port)
            answers.add(ask(s))
            after = self.opened()
            workers[after[1] - before[1]].append(s)
            self.assertEqual(sum(after), sum(before) + 1)
        self.assertEqual([len(w) for w in workers], [CROWD // 2] * 2)
        self.assertEqual(len(answers), 1, answers)
        return workers, answers.pop()

    def assert_refused(self, port):
        self.assertEqual({self.connect(port) for _ in range(CROWD)}, {None})

    def let_go(self, sockets):
        for s in sockets:
            s.close()

    @staticmethod
    def get(s):
        s.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        got = b''
        while b'\r\n\r\n' not in got:
            got += s.recv(65536)
        head, body = got.split(b'\r\n\r\n', 1)
        length = next(int(line.split(b':')[1]) for line in head.split(b'\r\n')
                      if line.lower().startswith(b'content-length:'))
        while len(body) < length:
            body += s.recv(65536)
        return body

    @staticmethod
    def greeting(s):
        return s.recv(99)

    @staticmethod
    def echo(s):
        s.sendall(b'abc')
        return s.recv(99)

    @staticmethod
    def flipped(s):
        return bytes(b ^ 255 for b in Reload.echo(s))

    # ---- the server ----

    def reload(self, text):
        with open(self.pier.conf, 'w', encoding='ascii') as f:
            f.write(text)
        self.pier.process.send_signal(signal.SIGHUP)
        type(self).reloads += 1
        wait_for('the reload', lambda: self.pier.ask('/pier/info')['reloads'] == self.reloads)

    def files(self):
        """Which of the plugin's files are mapped, by inode."""
        with open(f'/proc/{self.pier.process.pid}/maps', encoding='ascii') as maps:
            return {line.split()[4] for line in maps if 'flip.so' in line}

    def new_file(self, version):
        """The file of the same name, compiled anew, served from now on. Returns its inode."""
        path = self.tree.compile('flip.so', f'FLIP_VERSION={version}')
        self.reload(self.text)
        return str(os.stat(path).st_ino)

    # ---- tests ----

    def test_a_of_whichever_worker_is_the_last(self):
        """A plugin is unloaded when its last connection is over, on one worker or the other."""
        first = self.files()
        held = []
        for version in (1, 2):
            workers, hello = self.crowd(4000, self.greeting)
            self.assertEqual(hello, f'flip {version}: hello\n'.encode())
            self.let_go(workers[version - 1])
            held.append(workers[2 - version])
            file = self.new_file(version + 1)
        last = self.new_file(4) # the third has no connection
        wait_for('what nobody uses is unloaded', lambda: file not in self.files(), 90)
        self.assertEqual(len(self.files()), 3)
        for s in held[0] + held[1]:
            self.assertEqual(self.flipped(s), b'abc')
        self.assertEqual(self.pier.ask('/pier/info')['replaced_in_use'], 2)
        self.assertLess(first, self.files())
        self.assertEqual(self.crowd(4000, self.greeting)[1], b'flip 4: hello\n')
        self.let_go(held[0] + held[1])
        wait_for('the old files are unloaded', lambda: self.files() == {last}, 90)

    def test_b_listeners_come_change_and_go(self):
        self.assert_refused(4100)
        self.reload(self.text + '[listen 4100]\nhandler = echo\n')
        old, said = self.crowd(4100, self.echo)
        self.assertEqual(said, b'abc')
        self.reload(self.text + '[listen 4100]\nhandler = http\nbody-size = 300\n')
        new, said = self.crowd(4100, self.get)
        self.assertEqual(len(said), 300)
        self.reload(self.text)
        self.assert_refused(4100)
        for w in (0, 1):
            self.assertEqual({self.echo(s) for s in old[w]}, {b'abc'})
            self.assertEqual({len(self.get(s)) for s in new[w]}, {300})
        self.reload(self.text + '[listen 4100]\nhandler = http\nbody-size = 20\n')
        self.assertEqual(len(self.crowd(4100, self.get)[1]), 20)
        self.reload(self.text)
        self.assert_refused(4100)
        self.assertEqual({self.echo(s) for s in old[0] + old[1]}, {b'abc'})
        self.let_go(old[0] + old[1] + new[0] + new[1])

    def test_c_files(self):
        """Of a root that was read again: the new contents for the new, the old ones for the old."""
        old, said = self.crowd(8000, self.get)
        self.assertEqual(said, b'old')
        self.write_file(b'brand new')
        self.reload(self.text)
        self.assertEqual(self.crowd(8000, self.get)[1], b'brand new')
        self.write_file(b'newer still')
        self.reload(self.text)
        for w in (0, 1):
            self.assertEqual({self.get(s) for s in old[w]}, {b'old'})
        self.assertEqual(self.crowd(8000, self.get)[1], b'newer still')
        self.let_go(old[0])
        self.assertEqual({self.get(s) for s in old[1]}, {b'old'})

    def test_zy_nothing_is_kept(self):
        wait_for('the old ones are given back',
                 lambda: self.pier.ask('/pier/info')['replaced_in_use'] == 0, 90)
