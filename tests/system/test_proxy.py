"""proxy, and the PROXY protocol before it and behind it: curl and nc through pier to a server of the
kernel's, and to pier's own."""
import hashlib
import os
import subprocess
import tempfile

from kit import CLIENT, PierCase, SERVER, wait_for

MORE = f'''
[listen 8001]
handler = proxy
upstream = {CLIENT}:8080

[listen 8002]
handler = proxy
upstream = {CLIENT}:8081
send-proxy = v1

[listen 8003]
handler = proxy
upstream = {CLIENT}:8081
send-proxy = v2
proxy-protocol = require

[listen 8004]
handler = proxy
upstream = {CLIENT}:8099

[listen 8005]
handler = proxy
upstream = {CLIENT}:8099 {CLIENT}:8082
on-failure = close

[listen 8006]
handler = http
body-size = 100
proxy-protocol = accept

[listen 8007]
handler = http
body-size = 100
proxy-protocol = require

[listen 8008]
handler = http
body-size = 100000
proxy-protocol = require
chaos-reset-after = 50000

[listen 8009]
handler = proxy
upstream = {CLIENT}:8083
idle-timeout = 300ms

[listen 8010]
handler = proxy
upstream = 198.18.0.77:80
connect-timeout = 300ms

[listen 8011]
handler = proxy
upstream = {CLIENT}:8083

[listen 8012]
handler = http
proxy-protocol = require
proxy-protocol-timeout = 1s
'''

# What comes on the first connection is answered by a RST.
RESET_ONCE = '''
import socket, struct, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
c, _ = s.accept()
c.recv(100)
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
c.close()
'''

# Exits with 0 if the server resets a connection on which it got a few bytes, or is to get them: the RST may come
# in any of these calls. One that is refused is another error.
RESET_ME = '''
import socket, sys
try:
    c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60)
    c.sendall(sys.argv[3].encode())
    sys.exit(f'got {c.recv(100)}')
except ConnectionResetError:
    pass
'''

# What came on the first connection, up to the client's FIN, and in answer a line.
LISTEN_ONCE = '''
import socket, sys
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
c, _ = s.accept()
got = b''
while part := c.recv(65536):
    got += part
c.sendall(b'answered behind the FIN')
c.close()
sys.stdout.buffer.write(got)
'''

# An echo server for any number of clients, till it is killed.
ECHO = '''
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while part := self.request.recv(65536):
            self.request.sendall(part)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 256
Server((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()
'''

# So many connections at once, each with octets of its own; says how many got them back, and the FIN behind.
MANY = '''
import socket, sys, threading
def one(c, data):
    c.sendall(data)
    c.shutdown(1)
conns = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 60) for _ in range(int(sys.argv[3]))]
parts = [bytes([i & 255, i >> 8]) * 20000 for i in range(len(conns))]
threads = [threading.Thread(target=one, args=pair) for pair in zip(conns, parts)]
for t in threads:
    t.start()
good = 0
for c, data in zip(conns, parts):
    got = b''
    while part := c.recv(65536):
        got += part
    good += got == data
for t in threads:
    t.join()
print(good)
'''


class Proxy(PierCase):
    pier_options = {'more': MORE, 'port_more': 'opens = yes\n'}

    def serve(self, words, port):
        server = self.net.start(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        wait_for('the upstream listens', lambda: f':{port} ' in self.net.run(
            ['ss', '-Hltn', f'sport = :{port}']).stdout)
        return server

    def curl(self, port, *more, **options):
        return self.net.run(['curl', '-sS', '--max-time', '120', *more, f'http://{SERVER}:{port}/'],
                            **options)

    def test_curl_gets_a_file_through_it(self):
        with tempfile.TemporaryDirectory(prefix='pier-test-') as folder:
            data = os.urandom(20 << 20)
            with open(folder + '/index.html', 'wb') as f:
                f.write(data)
            self.serve(['python3', '-m', 'http.server', '8080', '--bind', CLIENT, '-d', folder], 8080)
            before = self.pier.handler_stats(8001)
            got = self.curl(8001, text=False).stdout
            self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(data).digest())
            after = self.pier.handler_stats(8001)
            self.assertGreater(after['bytes_down'] - before['bytes_down'], len(data))
            self.assertEqual(after['connected'] - before['connected'], 1)

    def test_many_at_once(self):
        """All come back, to whichever worker opened the way there: none is refused or falls silent."""
        self.serve(['python3', '-c', ECHO, CLIENT, '8080'], 8080)
        before = self.pier.handler_stats(8001)
        run = self.net.run(['python3', '-c', MANY, SERVER, '8001', '64'])
        self.assertEqual(run.stdout, '64\n')
        after = self.pier.handler_stats(8001)
        self.assertEqual({n: after[n] - before[n] for n in after if after[n] > before[n]},
                         {'connections': 64, 'connected': 64, 'bytes_up': 64 * 40000,
                          'bytes_down': 64 * 40000})

    def through(self, port, upstream, text, before=b''):
        server = self.serve(['python3', '-c', LISTEN_ONCE, CLIENT, str(upstream)], upstream)
        run = self.net.run(['nc', '-N', '-w', '60', SERVER, str(port)], stdin=None,
                           input=before + text, text=False)
        self.assertEqual(run.stdout, b'answered behind the FIN')
        return server.communicate(timeout=240)[0]

    def test_half_close_and_version_1(self):
        got = self.through(8002, 8081, b'to the other side')
        head, _, rest = got.partition(b'\r\n')
        self.assertRegex(head.decode(), f'^PROXY TCP4 {CLIENT} {SERVER} [0-9]+ 8002$')
        self.assertEqual(rest, b'to the other side')

    def test_header_in_header_out(self):
        got = self.through(8003, 8081, b'hello', b'PROXY TCP4 203.0.113.7 203.0.113.8 12345 443\r\n')
        self.assertEqual(got[:16], b'\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c')
        self.assertEqual(got[16:28], bytes([203, 0, 113, 7, 203, 0, 113, 8]) + b'\x30\x39\x01\xbb')
        self.assertEqual(got[28:], b'hello')

    def test_no_upstream_is_reset(self):
        self.reset_by(8004, 'refused')

    def test_next_upstream_stands_in(self):
        self.assertEqual(self.through(8005, 8082, b'a'), b'a')

    def test_no_upstream_is_closed(self):
        run = self.net.run(['nc', '-N', '-w', '60', SERVER, '8005'], stdin=None, input='a')
        self.assertEqual((run.returncode, run.stdout), (0, ''))

    def test_curl_with_a_header(self):
        for port in 8006, 8007:
            before = self.pier.handler_stats(port)['proxy_headers']
            self.assertEqual(len(self.curl(port, '--haproxy-protocol').stdout), 100)
            self.assertEqual(self.pier.handler_stats(port)['proxy_headers'] - before, 1)

    def test_curl_without_a_header(self):
        self.assertEqual(len(self.curl(8006).stdout), 100)
        self.assertNotEqual(self.curl(8007, check=False).returncode, 0)
        self.reset_by(8007, 'proxy_missing', 'GET / HTTP/1.1\r\n\r\n')

    def test_no_header_in_time(self):
        self.reset_by(8012, 'proxy_timeouts', '')

    def reset_by(self, port, stat, text='hello'):
        """A connection on which the client says this is reset, and counted for that reason."""
        before = self.pier.handler_stats(port)
        self.net.run(['python3', '-c', RESET_ME, SERVER, str(port), text])
        after = self.pier.handler_stats(port)
        self.assertEqual(after[stat] - before[stat], 1, (before, after))

    def test_reset_is_passed_on(self):
        self.serve(['python3', '-c', RESET_ONCE, CLIENT, '8083'], 8083)
        self.reset_by(8011, 'resets_passed')

    def test_idle(self):
        self.serve(['python3', '-c', LISTEN_ONCE, CLIENT, '8083'], 8083)
        self.reset_by(8009, 'idle_timeouts')

    def test_upstream_says_nothing(self):
        self.reset_by(8010, 'connect_timeouts')

    def test_misbehaviour_behind_a_header(self):
        """The header counts among the octets."""
        before, resets = self.pier.handler_stats(8008)['proxy_headers'], self.pier.stats()
        run = self.curl(8008, '--haproxy-protocol', check=False)
        self.assertIn(run.returncode, (18, 56), run.stderr)
        self.assertLess(len(run.stdout), 50000)
        self.assertEqual(self.pier.handler_stats(8008)['proxy_headers'] - before, 1)
        self.assertEqual(self.pier.stats()['chaos_resets_octets'] - resets['chaos_resets_octets'], 1)
