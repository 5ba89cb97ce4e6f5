"""Byte streams: nc, many connections at once, and the simple services.

PIER_ECHO_MB=200 tests/system/run.py echo_file makes the echoed file larger.
"""
import datetime
import filecmp
import os
import re
import subprocess
import tempfile

from kit import PierCase, SERVER, wait_for

MB = int(os.environ.get('PIER_ECHO_MB', 20))


def echo_file(test, net, megabytes, words, timeout=300):
    """Random bytes to port 7 and back; the test fails unless they are the same. words is the
    client: {sent} and {got} are its files, without them stdin and stdout. Returns its stderr."""
    with tempfile.TemporaryDirectory(prefix='pier-test-') as folder:
        files = {'sent': folder + '/sent', 'got': folder + '/got'}
        with open(files['sent'], 'wb') as f:
            for _ in range(megabytes):
                f.write(os.urandom(1 << 20))
        with open(files['sent'], 'rb') as source, open(files['got'], 'ab') as sink, \
                net.start([w.format(**files) for w in words], stdin=source,
                          stdout=sink if '{got}' not in words else None,
                          stderr=subprocess.PIPE, text=True) as client:
            try:
                said = client.communicate(timeout=timeout)[1]
            except subprocess.TimeoutExpired:
                client.kill()
                raise AssertionError(f'{os.path.getsize(files["got"])} of {megabytes} MB came back '
                                     f'within {timeout} s') from None
        test.assertEqual(client.returncode, 0, said)
        test.assertEqual(os.path.getsize(files['got']), megabytes << 20)
        test.assertTrue(filecmp.cmp(*files.values(), shallow=False), 'bytes differ')
        return said


NC = ['nc', '-N', SERVER, '7']


class Stream(PierCase):
    def nc(self, port, text='', **more):
        return self.net.run(['nc', '-N', '-w', '60', SERVER, port], stdin=None, input=text, **more)

    def test_echo_line(self):
        self.assertEqual(self.nc(7, 'over the pier\n').stdout, 'over the pier\n')

    def test_echo_file(self):
        echo_file(self, self.net, MB, NC)

    def test_echo_1000_connections(self):
        before = self.pier.stats()
        run = self.net.python('echo_client.py', SERVER, 7, 1000, 3000)
        self.assertIn('1000 of 1000 right', run.stdout)
        after = self.pier.stats()
        self.assertEqual(after['conn_opened'] - before['conn_opened'], 1000)
        self.assertEqual(after['rx_csum_bad'], 0)

    def test_discard(self):
        before = self.pier.stats()['rx_payload_bytes']
        run = self.nc(9, 'x' * 100000)
        self.assertEqual(run.stdout, '')
        wait_for('the discarded bytes are counted',
                 lambda: self.pier.stats()['rx_payload_bytes'] - before >= 100000)

    def test_daytime(self):
        text = self.net.run(['nc', '-N', '-w', '60', SERVER, '13'], text=False).stdout.decode()
        year = str(datetime.datetime.now(datetime.timezone.utc).year)
        self.assertIn(year, text)
        self.assertTrue(text.endswith('\r\n'), repr(text))

    def test_chargen(self):
        reader = self.net.start(['sh', '-c', f'nc -d {SERVER} 19 | head -c 200000'],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        got = reader.communicate(timeout=120)[0].decode('ascii')
        lines = got.split('\r\n')[:-1]
        ring = ''.join(chr(c) for c in range(0x21, 0x7f))
        ring = (' ' + ring) if ' ' in lines[0] + lines[40] else ring
        start = ring.index(lines[0][0])
        for n, line in enumerate(lines):
            want = ''.join(ring[(start + n + i) % len(ring)] for i in range(72))
            self.assertEqual(line, want, f'line {n}')
        self.assertGreater(len(lines), 2000)

    def test_closed_port_is_refused(self):
        before = self.pier.stats()
        run = self.net.run(['nc', '-v', '-N', '-w', '60', SERVER, '81'], check=False)
        self.assertRegex(run.stderr, re.compile('refused', re.I))
        after = self.pier.stats()
        # One SYN; more if the answer takes longer than the kernel waits.
        self.assertGreaterEqual(after['rx_closed_port'] - before['rx_closed_port'], 1)
        self.assertEqual(after['tx_rsts'] - before['tx_rsts'], after['rx_closed_port'] - before['rx_closed_port'])

    def test_ping(self):
        before = self.pier.stats()['icmp_echo_rx']
        run = self.net.run(['ping', '-c', '3', '-i', '0.2', '-s', '1000', SERVER])
        self.assertIn(' 0% packet loss', run.stdout)
        self.assertEqual(self.pier.stats()['icmp_echo_rx'] - before, 3)
