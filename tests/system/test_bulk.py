"""rr, sink and source with clients of the kernel's: nc, and sockets of this process's language."""
import subprocess

from kit import PierCase, SERVER, wait_for

LISTENERS = '''
[listen 5001]
handler = sink
pace = 4m

[listen 5002]
handler = source
bytes = 3m
pattern = count
pace-core = 4m

[listen 5003]
handler = rr
framing = ask
delay-distribution = uniform
delay = 1ms
delay-max = 20ms

[listen 5004]
handler = rr
request-size = 100
response-size = 5000
'''

ASK = '''
import socket, struct, sys
s = socket.create_connection((sys.argv[1], 5003))
sizes = [(n * 37 % 900, n * 101 % 4000) for n in range(200)]
s.sendall(b''.join(struct.pack('!II', a, b) + bytes(a) for a, b in sizes))
s.shutdown(socket.SHUT_WR)
got = b''
while part := s.recv(65536):
    got += part
for _, b in sizes:
    want = bytes(ord('a') + i % 26 for i in range(b))
    assert got[:b] == want
    got = got[b:]
print('right', len(got))
'''

HUGE = '''
import socket, struct, sys
s = socket.create_connection((sys.argv[1], 5003))
s.sendall(struct.pack('!II', 1, 1) + b'x')
assert s.recv(1) == b'a'
s.sendall(struct.pack('!II', 1 << 30, 1))
try:
    print('got', s.recv(1))
except ConnectionResetError:
    print('reset')
'''


class Bulk(PierCase):
    pier_options = {'more': LISTENERS}

    def test_source_sends_all_and_ends(self):
        before = self.pier.handler_stats(5002)
        got = self.net.run(['nc', '-d', '-w', '60', SERVER, '5002'], text=False).stdout
        self.assertEqual(len(got), 3 << 20)
        self.assertEqual(got, bytes(range(256)) * (len(got) // 256))
        after = self.pier.handler_stats(5002)
        self.assertEqual(after['bytes'] - before['bytes'], 3 << 20)
        self.assertEqual(after['completed'] - before['completed'], 1)

    def test_sink_takes_and_counts(self):
        before = self.pier.handler_stats(5001)['bytes']
        self.net.run(['sh', '-c', f'head -c 2000000 /dev/zero | nc -N -w 60 {SERVER} 5001'],
                     stdin=subprocess.DEVNULL)
        wait_for('all is counted',
                 lambda: self.pier.handler_stats(5001)['bytes'] - before == 2000000)

    def test_rr_pipelined_in_order(self):
        run = self.net.run(['python3', '-c', ASK, SERVER])
        self.assertEqual(run.stdout, 'right 0\n')

    def test_rr_too_long_is_reset(self):
        before = self.pier.handler_stats(5003)['bad_lengths']
        run = self.net.run(['python3', '-c', HUGE, SERVER])
        self.assertEqual(run.stdout, 'reset\n')
        self.assertEqual(self.pier.handler_stats(5003)['bad_lengths'] - before, 1)

    def test_rr_fixed(self):
        run = self.net.run(['nc', '-N', '-w', '60', SERVER, '5004'], stdin=None, input='x' * 350)
        self.assertEqual(len(run.stdout), 15000)
