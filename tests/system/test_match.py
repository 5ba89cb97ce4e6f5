"""match with real clients: what rules do, reload, and the handler behind it."""
import os
import shutil
import tempfile
import unittest

import kit
from kit import Cleanups, PIER, ROOT, SERVER, command, wait_for
from test_plugin import exchange

RULES = '1:/needle/\n2:/^GET \\S+ HTTP/\n3:/evil/i\n4:/bye/\n'


@unittest.skipUnless('match' in command([PIER, '--help'], check=False).stdout, 'built without match')
class Match(kit.PierCase):
    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        cls.folder = tempfile.mkdtemp(prefix='pier-match-')
        owner.addCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.rules = os.path.join(cls.folder, 'test.rules')
        cls.write_rules(RULES)
        common = f'handler = match\nrules = {cls.rules}\ncache = {cls.folder}/cache\n'
        cls.pier_options = {'more': f'[listen 9000]\n{common}action = * report\n\n'
                                    f'[listen 9001]\n{common}action = 3 reset\naction = 4 close\n'
                                    'action = 1 answer found\\n\n\n'
                                    f'[listen 9002]\n{common}then = http\nthen-option = body-size=77\n'
                                    'action = 2 then\naction = 3 reset\n\n'
                                    f'[listen 9003]\n{common}then = echo\nthen-from = open\n'
                                    'direction = both\naction = 1 tag seen\n\n'
                                    f'[listen 9004]\nhandler = match\naction = * report\n'
                                    f'rules = {ROOT}/conf/example.rules\n'}
        super().setUpClass()

    @classmethod
    def write_rules(cls, text):
        with open(cls.rules, 'w', encoding='ascii') as f:
            f.write(text)

    def stat(self, port, name):
        return self.pier.handler_stats(port).get(name, 0)

    def test_reports_over_many_segments(self):
        text = b'.' * 100000 + b'needle' + b'.' * 5000 + b'EVIL'
        got = exchange(self.net, 9000, text)
        self.assertEqual(got, b'1 100006\n3 105010\n')
        self.assertGreaterEqual(self.stat(9000, 'rule_1'), 1)

    def test_example_rules(self):
        got = exchange(self.net, 9004, b'GET /../x?PASSWORD=1 HTTP/1.1\r\n')
        self.assertEqual({line.split()[0] for line in got.split(b'\n') if line}, {b'1', b'3', b'12'})

    def test_answers_and_closes(self):
        self.assertEqual(exchange(self.net, 9001, b'needle needle bye needle'),
                         b'found\nfound\n')

    def test_resets(self):
        script = (f'import socket; s = socket.create_connection(("{SERVER}", 9001), 60); '
                  's.sendall(b"ev"); s.sendall(b"il")\n'
                  'try:\n s.recv(9); print("open")\nexcept ConnectionResetError: print("reset")')
        self.assertEqual(self.net.run(['python3', '-c', script]).stdout, 'reset\n')

    def test_then_http(self):
        got = self.net.run(['curl', '-sS', '-m', '60', '-w', '\n%{http_code} %{size_download}',
                            f'http://{SERVER}:9002/']).stdout
        self.assertTrue(got.endswith('\n200 77'), got)
        run = self.net.run(['curl', '-sS', '-m', '60', f'http://{SERVER}:9002/evil'], check=False)
        self.assertIn(run.returncode, (0, 56))

    def test_looks_on_in_both_directions(self):
        before = self.stat(9003, 'rule_1')
        self.assertEqual(exchange(self.net, 9003, b'a needle in hay'), b'a needle in hay')
        self.assertEqual(self.stat(9003, 'rule_1') - before, 2)
        self.assertGreaterEqual(self.stat(9003, 'tag_seen'), 1)

    def test_y_reload(self):
        """Open connections keep the old rules, new ones have the new; an error changes nothing."""
        old = self.net.start(['python3', '-c',
                              f'import socket, sys; s = socket.create_connection(("{SERVER}", 9000));'
                              's.sendall(b"needle"); print(s.recv(99), flush=True); '
                              'sys.stdin.readline(); s.sendall(b"needle pin"); '
                              'print(s.recv(99), flush=True)'], stdin=-1, stdout=-1, text=True)
        self.addCleanup(old.kill)
        self.assertEqual(old.stdout.readline(), "b'1 6\\n'\n")
        self.assertEqual(self.stat(9001, 'rules_from_cache'), 1)
        self.write_rules('7:/pin/\n1:/ba(d/\n')
        self.pier.ask('/pier/reload')
        wait_for('it is refused', lambda: self.pier.ask('/pier/info')['reload_failures'] == 1)
        self.assertIn('test.rules:2:', self.pier.log())
        self.assertEqual(exchange(self.net, 9000, b'needle pin'), b'1 6\n')
        self.write_rules('7:/pin/\n2:/two/\n3:/3/\n4:/4/\n1:/one/\n')
        self.pier.ask('/pier/reload')
        wait_for('it is done', lambda: self.pier.ask('/pier/info')['reloads'] == 1)
        self.assertEqual(exchange(self.net, 9000, b'needle pin'), b'7 10\n')
        self.assertEqual(self.pier.ask('/pier/info')['replaced_in_use'], 1)
        old.stdin.write('\n')
        old.stdin.flush()
        self.assertEqual(old.stdout.readline(), "b'1 12\\n'\n")
        old.stdin.close()
        old.wait(60)
        wait_for('what was replaced is released', lambda: self.pier.ask('/pier/info')['replaced_in_use'] == 0)

    def test_a_proxy_to_itself_is_refused(self):
        path = os.path.join(self.folder, 'loop.ini')
        with open(path, 'w', encoding='ascii') as f:
            f.write('[port 0]\ndevice = net_null0\naddress = 198.18.0.2/24\n[listen 9000]\n'
                    f'handler = match\nrules = {ROOT}/conf/example.rules\nthen = proxy\n'
                    'then-option = upstream = 198.18.0.2:9000\n')
        run = command([PIER, '--check', '-c', path], check=False)
        self.assertEqual(run.returncode, 2, run.stdout + run.stderr)
        self.assertIn('loop.ini:8: then-option: expected another host: 198.18.0.2:9000 is this listener '
                      'itself, a loop', run.stderr)

    def test_a_bad_action_is_named_by_its_line(self):
        path = os.path.join(self.folder, 'action.ini')
        with open(path, 'w', encoding='ascii') as f:
            f.write('[port 0]\ndevice = net_null0\naddress = 198.18.0.2/24\n[listen 9000]\nhandler = match\n'
                    f'rules = {ROOT}/conf/example.rules\naction = 1 close\naction = 2 explode\naction = 3 reset\n')
        run = command([PIER, '--check', '-c', path], check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn('action.ini:8: action: "2 explode": expected count, report', run.stderr)

    def test_bad_rules_are_refused_at_start(self):
        path = os.path.join(self.folder, 'bad.ini')
        bad = os.path.join(self.folder, 'bad.rules')
        with open(bad, 'w', encoding='ascii') as f:
            f.write('1:/good/\n\n2:/ba(d/\n')
        with open(path, 'w', encoding='ascii') as f:
            f.write('[port 0]\ndevice = net_null0\naddress = 198.18.0.2/24\n[listen 9000]\n'
                    f'handler = match\nrules = {bad}\n')
        run = command([PIER, '--check', '-c', path], check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn(f'bad.ini:6: rules: {bad}:3:6: rule 2: Missing close parenthesis', run.stderr)
