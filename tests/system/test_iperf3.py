"""The real iperf3 client against the iperf3 handler; test_workers.py does the same on two workers."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import kit
from kit import SERVER, wait_for

IPERF3 = shutil.which('iperf3')
OPTIONS = {'more': '[listen 5201]\nhandler = iperf3\nmax-tests = 3\nsetup-timeout = 60s\n\n'
                   '[listen 5202]\nhandler = iperf3\nrcvbuf = 64k\nsndbuf = 64k\n'}

# In a second there may be nothing that either side had the time for.
SOME = ['-n', '16M']

# A client whose stream comes when it is told to.
SLOW_STREAM = f'''
import socket, sys
cookie = b"c" * 36 + bytes(1)
def connect():
    s = socket.create_connection(("{SERVER}", 5201), 60)
    s.sendall(cookie)
    return s
control = connect()
control.recv(1)
control.sendall(b"\\0\\0\\0\\x17" + b\'{{"tcp":true,"time":100}}\')
print(control.recv(1)[0], flush=True)
sys.stdin.readline()
stream = connect()
print(control.recv(1)[0], flush=True)
'''


@unittest.skipUnless(IPERF3, 'no iperf3')
class Iperf3(kit.PierCase):
    pier_options = OPTIONS

    def words(self, *options):
        return [IPERF3, '-c', SERVER, '-J', *options]

    def iperf3(self, *options):
        """The client's report of a test that must succeed."""
        run = self.net.run(self.words(*options), check=False)
        said = json.loads(run.stdout)
        self.assertEqual(said.get('error'), None)
        self.assertEqual(run.returncode, 0)
        return said['end']

    def error(self, *options):
        run = self.net.run([IPERF3, '-c', SERVER, *options], check=False)
        self.assertNotEqual(run.returncode, 0, run.stdout)
        return run.stderr

    def stat(self, name):
        entries = self.pier.ask('/pier/listeners')
        number = next(i for i, e in entries.items() if e['listen'] == '5201')
        return self.pier.ask(f'/pier/handler,{number}')[name]

    def test_forward(self):
        end = self.iperf3('-n', '32M')
        self.assertEqual(end['sum_received']['bytes'], end['sum_sent']['bytes'])
        self.assertEqual(end['receiver_tcp_congestion'], 'cubic')
        self.assertGreater(end['cpu_utilization_percent']['remote_total'], 0)

    def test_reverse(self):
        end = self.iperf3('-R', *SOME)
        self.assertGreater(end['sum_received']['bytes'], 0)
        self.assertGreaterEqual(end['sum_sent']['retransmits'], 0)
        self.assertEqual(end['sender_tcp_congestion'], 'cubic')

    def test_parallel(self):
        for direction in [], ['-R']:
            end = self.iperf3('-P', '8', '-t', '1', *direction)
            self.assertEqual(len(end['streams']), 8)
            for stream in end['streams']:
                self.assertGreater(stream['sender']['bytes'], 0)

    def test_both_directions(self):
        end = self.iperf3('--bidir', '-P', '3', '-n', '32M')
        self.assertEqual(len(end['streams']), 6)
        for kind in 'sum_sent', 'sum_received', 'sum_sent_bidir_reverse', 'sum_received_bidir_reverse':
            self.assertGreater(end[kind]['bytes'], 0, kind)

    def test_most_streams(self):
        self.assertEqual(len(self.iperf3('-P', '128', '-n', '1M')['streams']), 128)

    def test_file(self):
        """One that is shorter than the test: its end comes with the first segment."""
        end = self.iperf3('-F', __file__)
        self.assertEqual(end['sum_received']['bytes'], os.path.getsize(__file__))

    def test_amounts(self):
        self.assertGreaterEqual(self.iperf3('-n', '3M')['sum_sent']['bytes'], 3 << 20)
        self.assertGreaterEqual(self.iperf3('-n', '3M', '-R')['sum_received']['bytes'], 3 << 20)
        self.assertGreaterEqual(self.iperf3('-k', '20', '-l', '16k')['sum_sent']['bytes'], 20 << 14)

    def test_pace(self):
        """Sent by the server: no more than was asked for; a block is 128 KB."""
        sent = self.iperf3('-R', '-b', '8M', '-t', '2')['sum_sent']
        self.assertLessEqual(sent['bytes'], sent['seconds'] * 1.1e6 + (256 << 10))
        self.assertGreater(sent['bytes'], 0)

    def test_options(self):
        for options in (['-O', '1'], ['-w', '64k'], ['-M', '500'], ['-l', '100'], ['-N'], ['-S', '0x28'],
                        ['-Z'], ['-i', '0.2'], ['--cport', '7777'], ['-C', 'reno'], ['-R', '-O', '1'],
                        ['-R', '--repeating-payload'], ['--get-server-output']):
            with self.subTest(options):
                # What came while it was omitted counts for the amount, and for nothing else: time, and enough of it.
                amount = ['-t', '3'] if '-O' in options else SOME
                self.assertGreater(self.iperf3(*amount, *options)['sum_received']['bytes'], 0)

    def sizes(self, *options):
        """What pier's data segments and its windows were at most, as a client's test saw them on the wire."""
        with tempfile.TemporaryDirectory(prefix='pier-iperf3-') as folder:
            path = os.path.join(folder, 'pcap')
            with kit.tcpdump(self.net, path, 'src', SERVER):
                self.iperf3(*SOME, *options)
                kit.all_captured(self.pier, path)
            text = subprocess.run(['tcpdump', '-nn', '-r', path], capture_output=True, text=True, check=True).stdout
        # beyond the first octets of a connection: what was offered before the cookie came stays offered
        late = [line for line in text.splitlines() if '[S' not in line and
                (m := re.search(r'ack (\d+), win', line)) and
                int(m[1]) > 1000000]
        scale = 1 << int(re.search(r'wscale (\d+)', text)[1])
        lengths = [int(n) for n in re.findall(r'length (\d+)', text)]
        return max(lengths), max((int(re.search(r'win (\d+)', line)[1]) * scale for line in late), default=0)

    def test_window(self):
        self.assertGreater(self.sizes()[1], 200000)
        self.assertLessEqual(self.sizes('-w', '32k')[1], 32768)
        self.assertIn('socket buffer size not set correctly', self.error('-p', '5202', '-w', '100k'))
        self.iperf3('-p', '5202', '-w', '64k', '-t', '1')

    def test_segment_size(self):
        self.assertGreater(self.sizes('-R')[0], 1400)
        self.assertLessEqual(self.sizes('-R', '-M', '500')[0], 500)

    def test_reload(self):
        """In the middle of a test, which goes on; and between a control connection and its stream."""
        client = self.net.start(self.words('-t', '3', '--bidir'), stdout=-1, text=True)
        self.addCleanup(client.kill)
        wait_for('it runs', lambda: self.stat('tests_open') == 1)
        before = self.pier.ask('/pier/info')['reloads']
        self.pier.ask('/pier/reload')
        wait_for('the reload', lambda: self.pier.ask('/pier/info')['reloads'] == before + 1)
        self.assertEqual(json.loads(client.communicate(timeout=240)[0]).get('error'), None)
        slow = self.net.start(['python3', '-c', SLOW_STREAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
        self.addCleanup(slow.kill)
        self.assertEqual(slow.stdout.readline(), '10\n') # CREATE_STREAMS
        self.pier.ask('/pier/reload')
        wait_for('the reload', lambda: self.pier.ask('/pier/info')['reloads'] == before + 2)
        self.assertEqual(slow.communicate('\n', timeout=240)[0], '1\n') # TEST_START

    def test_server_output(self):
        text = self.net.run([IPERF3, '-c', SERVER, '-t', '1', '-P', '2', '--get-server-output']).stdout
        self.assertIn('Server output:', text)
        self.assertIn('Accepted connection from 198.18.0.1', text)
        self.assertRegex(text.split('Server output:')[1], r'\[SUM\].* receiver')

    def test_what_is_not_there(self):
        self.assertIn('protocol does not exist', self.error('-u'))
        self.assertIn('unable to set CPU affinity', self.error('-A', '0,0'))

    def test_several_clients(self):
        """At a time; and one beyond max-tests is told so."""
        clients = [self.net.start(self.words('-t', '6', *d), stdout=-1, text=True)
                   for d in ([], ['-R'], ['--bidir'])]
        for client in clients:
            self.addCleanup(client.kill)
        wait_for('they run', lambda: self.stat('tests_open') == 3)
        self.assertIn('the server is busy', self.error('-t', '1'))
        for client in clients:
            self.assertEqual(json.loads(client.communicate(timeout=240)[0]).get('error'), None)

    def test_vanish(self):
        """Clients that are killed, and one whose host is gone, leave nothing."""
        for options in ['-t', '30'], ['-t', '30', '-R', '-P', '4'], ['-t', '30', '--bidir']:
            client = self.net.start(self.words(*options), stdout=-1)
            self.addCleanup(client.communicate)
            wait_for('it runs', lambda: self.stat('tests_open') == 1)
            time.sleep(0.3)
            client.send_signal(signal.SIGKILL)
            client.wait()
            wait_for('it is cleaned up', lambda: self.stat('tests_open') == 0)
        self.iperf3('-t', '1')

    def test_interrupt(self):
        client = self.net.start([IPERF3, '-c', SERVER, '-t', '30'], stdout=-1, stderr=-1)
        self.addCleanup(client.kill)
        wait_for('it runs', lambda: self.stat('tests_open') == 1)
        time.sleep(0.3)
        # the words of Namespace.start end in exec: the client has the process id
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=240)
        wait_for('it is cleaned up', lambda: self.stat('tests_open') == 0)

    def test_bad_clients(self):
        script = ('import socket, sys; s = socket.create_connection(("%s", 5201), 60); '
                  's.sendall(b"x" * 36 + b"\\0"); s.recv(1); s.sendall(%r); '
                  'print(list(s.recv(99) + s.recv(99)))')
        for text in b'\xff\xff\xff\xff{', b'\0\0\0\0', b'\0\0\0\2{{', b'\0\0\x20\1' + b'[' * 9000:
            said = self.net.run(['python3', '-c', script % (SERVER, text)]).stdout
            self.assertEqual(said, '[254, 0, 0, 0, 114, 0, 0, 0, 0]\n')
        wait_for('all are gone', lambda: self.stat('tests_open') == 0)


@unittest.skipUnless(IPERF3, 'no iperf3')
class Stop(unittest.TestCase):
    """A server that stops says so in iperf3's words, in either direction, and its books balance."""

    def test_drain(self):
        for direction in [], ['-R'], ['--bidir', '-P', '2']:
            with self.subTest(direction):
                net = kit.Namespace(self)
                pier = kit.Pier(self, net, server_more='drain = 60s\n', **OPTIONS)
                pier.link_up()
                pier.wait_ready()
                client = net.start([IPERF3, '-c', SERVER, '-t', '60', *direction], stdout=-1, stderr=-1,
                                   text=True)
                self.addCleanup(client.kill)
                # One that is still being set up ends in other words.
                wait_for('it runs', lambda: pier.alive() and client.poll() is None and
                         pier.stats()['rx_payload_bytes'] + pier.stats()['tx_payload_bytes'] > 1 << 20)
                self.assertEqual(pier.stop(seconds=150), 0, pier.log()[-4000:])
                self.assertIn('the server has terminated', ''.join(client.communicate(timeout=240)))
                self.assertNotIn('are reset', pier.log())
