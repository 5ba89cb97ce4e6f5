"""The http handler with curl and wrk."""
import re
import sys

from kit import PierCase, SERVER, wait_for

URL = f'http://{SERVER}/'

# A head of 200 kB, sent to its end whatever is answered; then what was answered, and how it ended.
LONG_HEAD = """
import socket, sys
s = socket.create_connection((sys.argv[1], 80), 60)
s.sendall(b"GET / HTTP/1.1\\r\\nX: " + b"x" * 200000 + b"\\r\\n\\r\\n")
s.shutdown(socket.SHUT_WR)
answer = b""
while got := s.recv(65536):
    answer += got
print(answer.split(b"\\r\\n")[0].decode(), "and the end")
"""


class Http(PierCase):
    pier_options = {'more': '[listen 8080]\nhandler = http\nbody-size = 100000\n'}

    def test_page(self):
        run = self.net.run(['curl', '-sS', '-m', '60', '-w', '\n%{http_code} %{size_download}', URL])
        body, status = run.stdout.rsplit('\n', 1)
        code, size = status.split()
        self.assertEqual(code, '200')
        self.assertEqual(int(size), len(body.encode()))
        self.assertGreater(int(size), 0)

    def test_head(self):
        got = self.net.run(['curl', '-sS', '-m', '60', '-D', '-', URL]).stdout
        length = re.search(r'(?im)^content-length: (\d+)\r?$', got).group(1)
        head = self.net.run(['curl', '-sS', '-m', '60', '-I', URL]).stdout
        self.assertRegex(head, r'^HTTP/1\.1 200 ')
        self.assertRegex(head, rf'(?im)^content-length: {length}\r?$')
        self.assertTrue(head.replace('\r', '').endswith('\n\n'), head)

    def test_keep_alive(self):
        run = self.net.run(['curl', '-sS', '-m', '60', '-o', '/dev/null', '-o', '/dev/null', '-o',
                            '/dev/null', '-w', '%{http_code} %{num_connects} %{local_port}\n',
                            URL, URL, URL])
        lines = [line.split() for line in run.stdout.splitlines()]
        self.assertEqual([line[:2] for line in lines], [['200', '1'], ['200', '0'], ['200', '0']])
        self.assertEqual(len({line[2] for line in lines}), 1)

    def test_connection_close(self):
        run = self.net.run(['curl', '-sS', '-m', '60', '-H', 'Connection: close', '-D', '-', '-o',
                            '/dev/null', '-o', '/dev/null', '-w', 'connects %{num_connects}\n',
                            URL, URL])
        self.assertEqual(run.stdout.count('connects 1'), 2)
        self.assertRegex(run.stdout, r'(?im)^connection: close\r?$')

    def test_large_body(self):
        run = self.net.run(['curl', '-sS', '-m', '60', '-o', '/dev/null', '-w',
                            '%{http_code} %{size_download}', f'http://{SERVER}:8080/'])
        self.assertEqual(run.stdout, '200 100000')

    def test_garbage(self):
        run = self.net.run(['nc', '-N', '-w', '60', SERVER, '80'], stdin=None,
                           input='no request at all\r\n\r\n')
        self.assertRegex(run.stdout, r'^HTTP/1\.1 400 ')

    def test_error_answer_is_not_lost_to_a_reset(self):
        """CLS-19 with a kernel that is still sending: a RST would fail it at sendall or recv."""
        before = self.pier.stats()['conn_reset_tx']
        for _ in range(10):
            run = self.net.run([sys.executable, '-c', LONG_HEAD, SERVER])
            self.assertRegex(run.stdout, r'^HTTP/1\.1 431 .* and the end$')
        self.assertEqual(self.pier.stats()['conn_reset_tx'], before)

    def test_wrk(self):
        """Without an error for as long as there are few answers, however slow the machine."""
        answers = []

        def enough():
            run = self.net.run(['wrk', '-t1', '-c200', '-d1', '--timeout', '60', URL])
            self.assertNotIn('Socket errors', run.stdout)
            self.assertNotIn('Non-2xx', run.stdout)
            answers.append(int(re.search(r'(\d+) requests in', run.stdout).group(1)))
            return sum(answers) >= 200
        wait_for('200 answers', enough, 60)
        stats = self.pier.stats()
        self.assertEqual(stats['rx_csum_bad'], 0)
        self.assertEqual(stats['conn_reset_tx'], 0)
