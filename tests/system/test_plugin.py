"""A handler that is built out of the tree, against the installed header and pkg-config, and serves."""
import ast
import os
import shutil
import subprocess
import tempfile
import unittest

import kit
from kit import Cleanups, Namespace, PIER, ROOT, SERVER, command, wait_for

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(PIER))))
SOURCE = os.path.join(ROOT, 'tests', 'plugin', 'flip.c')


class Tree:
    """pier's headers and pkg-config file installed below a folder, and nothing of the source."""

    def __init__(self, test):
        self.folder = tempfile.mkdtemp(prefix='pier-plugin-')
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        command(['meson', 'install', '-C', BUILD, '--no-rebuild', '--tags', 'devel', '--destdir',
                 self.folder])
        found = command(['find', self.folder, '-name', 'pier.pc']).stdout.split()
        self.env = {**os.environ, 'PKG_CONFIG_SYSROOT_DIR': self.folder,
                    'PKG_CONFIG_PATH': os.path.dirname(found[0])}
        shutil.copy(SOURCE, self.folder)

    def compile(self, name, *defines):
        """Returns the plugin's path. A file of that name is replaced, not written into."""
        path = os.path.join(self.folder, name)
        flags = command(['pkg-config', '--cflags', 'pier'], env=self.env).stdout.split()
        command(['cc', '-shared', '-fPIC', '-Wall', '-Werror', '-O2', *flags,
                 *(f'-D{d}' for d in defines), 'flip.c', '-o', path + '.new'], cwd=self.folder)
        os.rename(path + '.new', path)
        return path


def exchange(net, port, data):
    """Send, FIN, and all that comes back."""
    script = (f'import socket; s = socket.create_connection(("{SERVER}", {port}), 60); '
              f's.sendall({data!r}); s.shutdown(1); '
              'b = b""\nwhile True:\n d = s.recv(65536)\n if not d: break\n b += d\n'
              'print(repr(b))')
    out = net.run(['python3', '-c', script]).stdout
    return ast.literal_eval(out)


class Plugin(kit.PierCase):
    BURN = 100_000_000 # cycles of the CPU's counter: more than 10 ms of any
    OLD = 'FLIP_SIZE=offsetof(struct pier_handler, urgent)' # knows no later callbacks

    @classmethod
    def setUpClass(cls):
        cls.tree = Tree(Cleanups(cls))
        cls.path = cls.tree.compile('flip.so')
        cls.pier_options = {'more': f'[listen 4000]\nplugin = {cls.path}\n\n'
                                    f'[listen 4001]\nplugin = {cls.path}\nhandler = flip\nkey = 1\n'
                                    f'greeting = x\n\n'
                                    f'[listen 4002]\nplugin = {cls.path}\nburn = {cls.BURN}\n\n'
                                    f'[listen 4003]\nplugin = {cls.tree.compile("old.so", cls.OLD)}\n'}
        super().setUpClass()

    def test_a_serves(self):
        got = exchange(self.net, 4000, b'abc')
        self.assertEqual(got, b'flip 1: hello\n' + bytes(b ^ 255 for b in b'abc'))
        self.assertEqual(exchange(self.net, 4001, b'@BC'), b'flip 1: x\nACB')

    def test_b_statistics(self):
        entries = self.pier.ask('/pier/listeners')
        number = next(i for i, e in entries.items() if e['listen'] == '4000')
        self.assertEqual(entries[number]['handler'], 'flip')
        self.assertEqual(self.pier.ask(f'/pier/handler,{number}'), {'flip_version': 1})
        self.assertIn('error', self.pier.ask('/pier/handler,9999'))
        self.assertIn('error', self.pier.ask('/pier/handler'))
        self.assertIn('error', self.pier.ask('/pier/handler,x'))
        stats = self.pier.stats()
        self.assertGreater(stats['handler_passes'], 0)
        self.assertGreater(stats['handler_ticks'], stats['handler_passes'])

    def test_b_a_slow_handler_is_seen(self):
        """The time it takes is in the statistics, to the cycle at least, and so is that it was too slow."""
        before = self.pier.stats()
        for n in range(3):
            self.assertEqual(exchange(self.net, 4002, b'\0'), b'flip 1: hello\n\xff')
        after = self.pier.stats()
        rose = {n: after[n] - before[n] for n in after if n.startswith('handler_')}
        self.assertGreaterEqual(rose['handler_ticks'], 3 * self.BURN)
        for name in ('handler_100us', 'handler_1ms', 'handler_10ms'):
            self.assertGreaterEqual(rose[name], 3, rose)

    def test_b_a_shorter_struct_serves(self):
        """What was built when the API had fewer callbacks."""
        self.assertTrue(exchange(self.net, 4003, b'x').startswith(b'flip 1: hello\n'))

    def test_c_new_file_of_the_same_name(self):
        """A reload takes the new file; a connection that was open keeps the old code."""
        old = self.net.start(['python3', '-c',
                              f'import socket, sys; s = socket.create_connection(("{SERVER}", 4000));'
                              'print(s.recv(99), flush=True); sys.stdin.readline(); '
                              's.sendall(b"ab"); print(s.recv(99), flush=True)'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(old.kill)
        self.assertEqual(old.stdout.readline(), "b'flip 1: hello\\n'\n")
        self.tree.compile('flip.so', 'FLIP_VERSION=2')
        self.assertIn('reload', self.pier.ask('/pier/reload'))
        wait_for('the reload', lambda: self.pier.ask('/pier/info')['reloads'] == 1)
        self.assertTrue(exchange(self.net, 4000, b'').startswith(b'flip 2: '))
        self.assertEqual(self.pier.log().count(str(self.path)), 0)
        with open(f'/proc/{self.server_pid()}/maps', encoding='ascii') as maps:
            self.assertGreater(len({line.split()[4] for line in maps if 'flip.so' in line}), 1)
        old.stdin.write('\n')
        old.stdin.flush()
        self.assertEqual(old.stdout.readline(), repr(bytes(b ^ 255 for b in b'ab')) + '\n')
        old.stdin.close()
        old.wait(60)

        def one_left():
            with open(f'/proc/{self.server_pid()}/maps', encoding='ascii') as maps:
                return len({line.split()[4] for line in maps if 'flip.so' in line}) == 1
        wait_for('the old file is closed', one_left, 90)

    def server_pid(self):
        return self.pier.process.pid


class PluginRefused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = Tree(Cleanups(cls))

    def refused(self, text, want):
        path = os.path.join(self.tree.folder, 'pier.ini')
        with open(path, 'w', encoding='ascii') as f:
            f.write('[port 0]\ndevice = net_null0\naddress = 198.18.0.2/24\n[listen 4000]\n' + text)
        run = command([PIER, '--check', '-c', path], check=False)
        self.assertEqual(run.returncode, 2, run.stdout + run.stderr)
        self.assertIn(want, run.stderr)

    def test_refused(self):
        good = self.tree.compile('good.so')
        echo, nameless = 'FLIP_NAME="echo"', 'FLIP_NAME=""'
        self.refused('plugin = /none/such.so\n', 'pier.ini:5: plugin: cannot open /none/such.so')
        self.refused(f'plugin = {SOURCE}\n', 'pier.ini:5: plugin: ')
        self.refused(f'plugin = {self.tree.compile("abi.so", "FLIP_ABI=99")}\n',
                     "abi.so: built for another version of pier's handler API")
        self.refused(f'plugin = {self.tree.compile("none.so", "pier_plugin=another")}\n',
                     'none.so: no handler in it: expected PIER_PLUGIN(HANDLER)')
        short = 'FLIP_SIZE=offsetof(struct pier_handler, urgent)-1'
        self.refused(f'plugin = {self.tree.compile("short.so", short)}\n',
                     'pier.ini:5: plugin: ' + self.tree.folder + '/short.so: handler struct is too short')
        self.refused(f'plugin = {self.tree.compile("long.so", "FLIP_SIZE=sizeof(struct pier_handler)+8")}\n',
                     "long.so: handler struct is longer than this pier's: built for a newer pier")
        self.refused(f'plugin = {self.tree.compile("same.so", echo)}\n',
                     "pier.ini:5: plugin: " + self.tree.folder + "/same.so: its handler's name, echo, is that of "
                     "a handler of pier's own")
        self.refused(f'plugin = {self.tree.compile("nameless.so", nameless)}\n',
                     'nameless.so: handler has no name')
        self.refused(f'plugin = {good}\nhandler = echo\n', 'expected flip')
        self.refused(f'plugin = {good}\nkey = 256\n', 'pier.ini:6: key: expected')
        self.refused(f'plugin = {good}\nbody-size = 1\n', 'pier.ini:6: body-size')
        self.refused(f'plugin = {good}\ngreeting = no\n', 'pier.ini:6: greeting: this word is refused')
