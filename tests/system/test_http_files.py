"""The http handler's files, ranges, uploads and tester's paths with curl, wrk and the kernel's TCP."""
import hashlib
import os
import re
import signal
import sys
import tempfile
import shutil

from kit import Cleanups, PierCase, SERVER, wait_for

URL = f'http://{SERVER}:8080'
BIG = 64 << 20

# A delayed request, and two behind it in the same packet: the order of their answers.
PIPELINE = """
import socket, sys
s = socket.create_connection((sys.argv[1], 8080), 60)
s.sendall(b"GET /delay/200/status/201 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
          b"PUT /up HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
          b"5;x=y\\r\\nhello\\r\\n0\\r\\nTrailer: z\\r\\n\\r\\n"
          b"GET /small.txt HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
answer = b""
while got := s.recv(65536):
    answer += got
print(answer.decode())
"""

# Whatever is written, then what is answered up to the end.
RAW = """
import socket, sys
s = socket.create_connection((sys.argv[1], 8080), 60)
s.sendall(eval(sys.argv[2]))
answer = b""
while got := s.recv(65536):
    answer += got
print(answer.decode())
"""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def tester_bytes(count):
    """What /bytes/N is said to be."""
    tail = '0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmno\n'
    page = ''.join(f'pier {i:04} {tail}' for i in range(1024)).encode()
    return (page * (count // len(page) + 1))[:count]


class HttpFiles(PierCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix='pier-test-root-')
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        cls.big = os.urandom(1 << 20) * (BIG >> 20)
        cls.write('big.bin', cls.big)
        cls.write('small.txt', b'a small file\n')
        cls.write('index.html', b'<p>index</p>\n')
        cls.write('dir/index.html', b'<p>deeper</p>\n')
        cls.write('with space \xc3\xa9.json'.encode('latin-1').decode(), b'{}\n')
        cls.write('.secret', b'secret\n')
        os.symlink('/etc/passwd', os.path.join(cls.root, 'link'))
        cls.pier_options = {'more': '[listen 8080]\nhandler = http\nmax-body = 100m\n'
                                    f'root = {cls.root}\n'}
        super().setUpClass()

    @classmethod
    def write(cls, name, data):
        path = os.path.join(cls.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data)

    def curl(self, *words, **more):
        return self.net.run(['curl', '-sS', '-m', '240', *words], **more)

    def status(self, *words):
        return self.curl('-o', '/dev/null', '-w', '%{http_code}', *words).stdout

    def raw(self, text):
        return self.net.run([sys.executable, '-c', RAW, SERVER, repr(text)]).stdout

    def fetch(self, *words):
        """The bytes that curl writes into a file."""
        path = os.path.join(self.pier.folder, 'got')
        self.curl('-o', path, *words)
        with open(path, 'rb') as f:
            data = f.read()
        os.unlink(path)
        return data

    def test_large_file(self):
        self.assertEqual(digest(self.fetch(f'{URL}/big.bin')), digest(self.big))

    def test_names(self):
        for path, code in {'/small.txt': '200', '/small%2etxt?x=y': '200', '/': '200', '/dir/': '200',
                           '/dir': '301', '/with%20space%20%C3%A9.json': '200', '/nothing': '404',
                           '/.secret': '404', '/link': '404', '/dir/../small.txt': '404',
                           '/../../etc/passwd': '404', '/%2e%2e/%2e%2e/etc/passwd': '404',
                           '/..%2f..%2fetc%2fpasswd': '404', '//etc/passwd': '404',
                           '/small.txt%00': '400', '/%zz': '400', '/dir/nothing': '404'}.items():
            self.assertEqual(self.status('--path-as-is', URL + path), code, path)
        self.assertEqual(self.curl('-L', f'{URL}/dir').stdout, '<p>deeper</p>\n')
        self.assertRegex(self.curl('-I', f'{URL}/dir/').stdout, r'(?im)^content-type: text/html\r?$')

    def test_ranges(self):
        for words, want in {('0-0',): self.big[:1], ('1000000-3000000',): self.big[1000000:3000001],
                            ('-12345',): self.big[-12345:], (f'{BIG - 5}-',): self.big[-5:],
                            ('0-0,5-9',): self.big}.items():
            self.assertEqual(digest(self.fetch('-r', words[0], f'{URL}/big.bin')), digest(want), words)
        got = self.curl('-o', '/dev/null', '-D', '-', '-r', f'{BIG}-', f'{URL}/big.bin').stdout
        self.assertRegex(got, rf'^HTTP/1.1 416 [\s\S]*(?i:content-range): bytes \*/{BIG}\r?\n')

    def test_resume(self):
        path = os.path.join(self.pier.folder, 'part')
        with open(path, 'wb') as f:
            f.write(self.big[:BIG // 3])
        self.curl('-C', '-', '-o', path, f'{URL}/big.bin')
        with open(path, 'rb') as f:
            self.assertEqual(digest(f.read()), digest(self.big))

    def test_conditions(self):
        head = self.curl('-I', f'{URL}/small.txt').stdout
        etag = re.search(r'(?im)^etag: (\S+)', head).group(1)
        date = re.search(r'(?im)^last-modified: (.*?)\r?$', head).group(1)
        for field, code in {f'If-None-Match: {etag}': '304', f'If-None-Match: "x", W/{etag}': '304',
                            'If-None-Match: "x"': '200', f'If-Modified-Since: {date}': '304',
                            'If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT': '200',
                            f'If-Match: {etag}': '200', 'If-Match: "x"': '412',
                            'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT': '412'}.items():
            self.assertEqual(self.status('-H', field, f'{URL}/small.txt'), code, field)
        for tag, code in {etag: '206', date: '206', '"x"': '200'}.items():
            self.assertEqual(self.status('-H', f'If-Range: {tag}', '-r', '0-3', f'{URL}/small.txt'),
                             code, tag)

    def test_uploads(self):
        path = os.path.join(self.pier.folder, 'up')
        with open(path, 'wb') as f:
            f.write(self.big)
        want = f'{BIG} bytes received\n'
        self.assertEqual(self.curl('-T', path, f'{URL}/any').stdout, want)
        self.assertEqual(self.curl('-T', path, '-H', 'Transfer-Encoding: chunked', URL + '/').stdout,
                         want)
        self.assertEqual(self.curl('-T', path, '-H', 'Expect: 100-continue', '--expect100-timeout', '9',
                                   f'{URL}/x').stdout, want)
        self.assertEqual(self.curl('-F', f'f=@{path}', '-w', '%{http_code}', '-o', '/dev/null',
                                   f'{URL}/form').stdout, '200')
        self.assertEqual(self.curl('-d', 'abc', f'{URL}/x').stdout, '3 bytes received\n')
        # One connection: an upload, and what comes after it.
        run = self.curl('-w', '%{num_connects}\n', '-T', path, f'{URL}/x', '--next', '-sS', '-w',
                        '%{num_connects}\n', f'{URL}/small.txt')
        self.assertEqual(run.stdout, want + '1\na small file\n0\n')

    def test_upload_too_long(self):
        self.assertEqual(self.status('-X', 'PUT', '-H', 'Content-Length: 104857601', f'{URL}/x'), '413')
        self.assertRegex(self.raw(b'PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
                                  b'6400001\r\n'), '^HTTP/1.1 413 ')

    def test_smuggling(self):
        for fields in (b'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n',
                       b'Content-Length: 3\r\nContent-Length: 3\r\n', b'Content-Length: 3, 3\r\n',
                       b'Transfer-Encoding: chunked, chunked\r\n', b'Transfer-Encoding : chunked\r\n'):
            got = self.raw(b'POST / HTTP/1.1\r\nHost: a\r\n' + fields + b'\r\n0\r\n\r\n'
                           b'GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n')
            self.assertRegex(got, r'^HTTP/1.1 400 [\s\S]*Connection: close', fields)
            self.assertNotIn('a small file', got)

    def test_expectation(self):
        self.assertEqual(self.status('-H', 'Expect: miracles', f'{URL}/small.txt'), '417')

    def test_tester_paths(self):
        count = 10_000_019
        self.assertEqual(digest(self.fetch(f'{URL}/bytes/{count}')), digest(tester_bytes(count)))
        self.assertEqual(digest(self.fetch('-r', '65000-200000', f'{URL}/bytes/{count}')),
                         digest(tester_bytes(count)[65000:200001]))
        self.assertEqual(self.status(f'{URL}/status/503'), '503')
        self.assertEqual(self.status(f'{URL}/status/204'), '204')
        self.assertEqual(self.status('-d', 'x', f'{URL}/status/418'), '418')
        self.assertEqual(self.curl(f'{URL}/delay/20/small.txt').stdout, 'a small file\n')

    def test_bytes_without_memory(self):
        """A terabyte is begun and left; what is queued for it is bounded by the send buffer."""
        count = 30_000_000
        get = f'curl -sS -m 240 {{}} {URL}/bytes/1000000000000 | head -c {count}'
        self.assertEqual(self.net.run(['sh', '-c', get.format('') + ' | wc -c']).stdout.strip(), str(count))
        run = self.net.run(['sh', '-c', get.format('-r 999000000000-') + ' | sha256sum'])
        first = 999000000000 % 65536
        want = tester_bytes(count + 65536)[first:first + count]
        self.assertEqual(run.stdout.split()[0], digest(want), run.stderr)

    def test_order_behind_a_delay(self):
        got = self.net.run([sys.executable, '-c', PIPELINE, SERVER]).stdout
        self.assertEqual(re.findall(r'HTTP/1\.1 (\d+)', got), ['201', '200', '200'])
        self.assertIn('5 bytes received\n', got)
        self.assertTrue(got.rstrip().endswith('a small file'))

    def test_reload(self):
        self.write('changing.txt', b'x' * 3_000_000)
        self.pier.process.send_signal(signal.SIGHUP)
        wait_for('the new file', lambda: self.status(f'{URL}/changing.txt') == '200')
        old = self.curl('-I', f'{URL}/changing.txt').stdout
        # Cut short under the server: what it read stays.
        self.write('changing.txt', b'')
        self.assertEqual(self.fetch(f'{URL}/changing.txt'), b'x' * 3_000_000)
        self.write('changing.txt', b'new\n')
        reloads = self.pier.ask('/pier/info')['reloads']
        self.pier.process.send_signal(signal.SIGHUP)
        wait_for('the reload', lambda: self.pier.ask('/pier/info')['reloads'] > reloads)
        wait_for('the new contents', lambda: self.curl(f'{URL}/changing.txt').stdout == 'new\n')
        etag = re.search(r'(?im)^etag: (\S+)', old).group(1)
        self.assertEqual(self.status('-H', f'If-None-Match: {etag}', f'{URL}/changing.txt'), '200')

    def test_wrk(self):
        run = self.net.run(['wrk', '-t1', '-c50', '-d2', '--timeout', '60', f'{URL}/small.txt'])
        self.assertNotIn('Socket errors', run.stdout)
        self.assertNotIn('Non-2xx', run.stdout)
        self.assertEqual(self.pier.stats()['rx_csum_bad'], 0)
