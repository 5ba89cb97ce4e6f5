"""A tester's session against each fault of conf/chaos.ini, as tcpdump shows it and the statistics count it."""
import contextlib
import os
import re
import subprocess
import tempfile

from kit import PierCase, ROOT, SERVER, all_captured, tcpdump, wait_for

SEGMENT = re.compile(r'([\d.]+) IP \((.*?)\)(.*?)\n\s+([\d.]+)\.(\d+) > [\d.]+: Flags \[(.*?)\], '
                     r'cksum 0x[\da-f]+ \((correct|incorrect)[^)]*\)(?:, seq (\d+)(?::(\d+))?)?'
                     r'(?:, ack (\d+))?, win (\d+).*?length (\d+)')


class Segment:
    def __init__(self, m):
        self.time, self.ours, self.flags = float(m[1]), m[4] == SERVER, m[6]
        self.bad_ip, self.bad_tcp = 'bad cksum' in m[2] + m[3], m[7] == 'incorrect'
        self.seq, self.ack = int(m[8] or 0), int(m[10] or 0)
        if 'S' in self.flags: # tcpdump says these in full, all others relative to them
            self.seq, self.ack = 0, 1
        self.win, self.len = int(m[11]), int(m[12])


class Capture:
    """What went over the wire while it was open: text, and segs of the server and of the client."""

    def __init__(self, path):
        self.path = path

    def read(self):
        """What is there so far; the last packet may just be written."""
        self.text = subprocess.run(['tcpdump', '-nn', '-vv', '-tt', '-r', self.path], capture_output=True,
                                   text=True, check=False).stdout
        segs = [Segment(m) for m in SEGMENT.finditer(self.text)]
        self.server = [s for s in segs if s.ours]
        self.client = [s for s in segs if not s.ours]
        self.data = [s for s in self.server if s.len]
        # But for what was sent again, as anything is that is not acknowledged in time.
        self.fresh = [s for i, s in enumerate(self.data) if not any(s.seq < e.seq + e.len for e in self.data[:i])]

    def wait(self, what, seen):
        """Until seen(self)."""
        def look():
            self.read()
            return seen(self)
        wait_for(what, look)

    def flags(self):
        return [s.flags for s in self.server]


class Chaos(PierCase):
    # The draw's late SYN-ACKs come long after anybody looked: what is late is so on any machine.
    # Many of these connections never end by themselves.
    with open(f'{ROOT}/conf/chaos.ini', encoding='ascii') as f:
        pier_options = {'more': '\n[listen 8101]' + f.read().split('[listen 8101]', 1)[1].replace(
            'chaos-synack-delay = 3s 5%', 'chaos-synack-delay = 60s 5%'), 'server_more': 'drain = 300ms\n'}

    @contextlib.contextmanager
    def capture(self, port, counter, least=1):
        """The counter rises by as much at least; and that of no other fault does. What it counts is in the
        capture, and the other way round."""
        self.pier.settle()
        before = self.pier.stats()
        with tempfile.TemporaryDirectory(prefix='pier-chaos-') as folder:
            cap = Capture(os.path.join(folder, 'pcap'))
            with tcpdump(self.net, cap.path, f'tcp port {port} or icmp'):
                yield cap

                def nothing_comes():
                    now = self.pier.stats()[counter]
                    cap.count = now - before[counter]
                    all_captured(self.pier, cap.path)
                    cap.read()
                    return self.pier.stats()[counter] == now
                wait_for('all that was counted is captured', nothing_comes)
        after = self.pier.stats()
        rose = {n: after[n] - before[n] for n in after if n.startswith('chaos_') and after[n] > before[n]}
        # FINs of earlier tests are sent again and again to a server that does not hear them.
        self.assertEqual(set(rose) - {'chaos_fins_ignored'}, {counter} - {'chaos_fins_ignored'}, cap.text)
        self.assertGreaterEqual(cap.count, least)

    def closed(self):
        """Connections whose last segment is behind them."""
        return self.pier.stats()['conn_closed']

    def curl(self, port, *options, seconds=20):
        return self.net.run(['curl', '-sS', '-m', seconds, '-o', '/dev/null', '-w',
                             '%{http_code} %{size_download}', *options,
                             f'http://{SERVER}:{port}/'], check=False, timeout=240)

    def python(self, port, text, seen=None):
        """What it prints. While seen is not true yet, the client's readline() waits."""
        script = (f'import select, socket, sys; s = socket.create_connection(("{SERVER}", {port}), 60)\n'
                  f'{text}')
        client = self.net.start(['python3', '-c', script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True)
        try:
            if seen:
                seen()
            said = client.communicate('\n', timeout=120)[0]
        finally:
            client.kill()
            client.wait()
        self.assertEqual(client.returncode, 0)
        return said

    # ---- the handshake

    def test_refuse_by_rst(self):
        with self.capture(8101, 'chaos_refused_rst') as cap:
            self.assertEqual(self.curl(8101).returncode, 7)
        self.assertEqual(cap.flags(), ['R.'])

    def test_refuse_by_silence(self):
        with self.capture(8102, 'chaos_refused_drop', 2) as cap:
            self.assertEqual(self.curl(8102, seconds=3).returncode, 28)
        self.assertEqual(cap.server, [])
        self.assertEqual({s.flags for s in cap.client}, {'S'})

    def test_refuse_by_icmp(self):
        with self.capture(8103, 'chaos_refused_icmp') as cap:
            self.assertIn(self.curl(8103, seconds=5).returncode, (7, 28))
        self.assertEqual(cap.server, [])
        self.assertRegex(cap.text, r'ICMP host [\d.]+ unreachable - admin prohibited')

    def test_synack_delay(self):
        with self.capture(8104, 'chaos_synacks_delayed') as cap:
            self.assertEqual(self.curl(8104).stdout[:4], '200 ')
        self.assertEqual(cap.flags()[0], 'S.')
        self.assertGreaterEqual(len([s for s in cap.client if s.flags == 'S']), 2)
        self.assertGreater(cap.server[0].time - cap.client[0].time, 1.9)

    # ---- slow or silent

    def test_silent(self):
        with self.capture(8105, 'chaos_silent') as cap:
            out = self.python(8105, 's.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); sys.stdin.readline()\n'
                              's.setblocking(False)\ntry: print(s.recv(9))\nexcept BlockingIOError: print("open")',
                              lambda: cap.wait('the request is taken', lambda c: [
                                  s for s in c.server if s.ack > 1]))
        self.assertEqual(out, 'open\n')
        self.assertEqual(cap.flags()[:2], ['S.', '.'])
        self.assertEqual(cap.data, [])
        self.assertGreater(cap.server[1].ack, 1) # the request was taken

    def test_closed_window(self):
        with self.capture(8106, 'chaos_windows') as cap:
            self.python(8106, 's.setblocking(False); s.send(b"x" * 1000); sys.stdin.readline()',
                        lambda: cap.wait('probes are answered', lambda c: len(c.server) >= 3))
        self.assertEqual({s.win for s in cap.server}, {0})
        self.assertEqual({s.ack for s in cap.server[1:]}, {1})

    def test_tiny_window(self):
        with self.capture(8107, 'chaos_windows') as cap:
            self.python(8107, 's.sendall(b"x" * 2000); s.shutdown(1); s.recv(1)')
        self.assertEqual({s.win for s in cap.server if 'S' in s.flags}, {100})
        self.assertLessEqual(max(s.win for s in cap.server), 100)
        self.assertLessEqual(max(s.len for s in cap.client), 100)
        self.assertGreaterEqual(max(s.ack for s in cap.server), 2001)

    def test_slow_read(self):
        with self.capture(8108, 'chaos_slow_readers') as cap:
            self.python(8108, 's.setblocking(False)\n'
                        'while not select.select([sys.stdin], [], [], .05)[0]:\n'
                        ' try: s.send(b"x" * 100000)\n'
                        ' except BlockingIOError: pass',
                        lambda: cap.wait('the window closes and opens', lambda c: [
                            1 for a, b in zip(c.server[1:], c.server[2:]) if b.win > a.win]))
        self.assertGreater(max(s.win for s in cap.server[1:]), min(s.win for s in cap.server[1:]))
        # What there was room for, and what was read since.
        read = (cap.server[-1].time - cap.server[0].time) / .1 * 1024
        self.assertLess(max(s.ack for s in cap.server), 2 * 16384 + read)

    def test_slow_write(self):
        with self.capture(8109, 'chaos_slow_writers') as cap:
            self.assertEqual(self.curl(8109).stdout, '200 10')
        self.assertGreater(len(cap.fresh), 1)
        self.assertEqual({s.len for s in cap.fresh[:-1]}, {100}, cap.text)
        self.assertLessEqual(max(s.len for s in cap.data), 100)
        for a, b in zip(cap.fresh, cap.fresh[1:]): # one at a time
            self.assertTrue([s for s in cap.client if a.time <= s.time <= b.time and s.ack >= b.seq], cap.text)

    # ---- the end

    def test_reset_after(self):
        with self.capture(8110, 'chaos_resets_octets') as cap:
            self.assertEqual(self.curl(8110).returncode, 56)
        # Octets, also if some of them were sent twice.
        up, down = (max(s.seq + s.len for s in side if s.len) - 1 for side in (cap.client, cap.server))
        self.assertEqual(up + down, 5000)
        self.assertIn('R', cap.server[-1].flags)

    def test_reset_time(self):
        with self.capture(8111, 'chaos_resets_time') as cap:
            out = self.python(8111, 'try:\n while s.recv(65536): pass\n'
                              'except ConnectionResetError: print("reset")')
        self.assertEqual(out, 'reset\n')
        rst = next(s for s in cap.server if 'R' in s.flags)
        self.assertGreater(rst.time - cap.server[0].time, .49)

    def test_half_close(self):
        with self.capture(8112, 'chaos_half_closes') as cap:
            out = self.python(8112, 'print(s.recv(1)); s.sendall(b"x" * 500); s.close()')
        self.assertEqual(out, "b''\n")
        fin = next(s for s in cap.server if 'F' in s.flags)
        self.assertLess(fin.time, next(s for s in cap.client if s.len).time)
        self.assertGreaterEqual(max(s.ack for s in cap.server), 501)

    def test_never_close(self):
        with self.capture(8113, 'chaos_closes_held') as cap:
            held = self.pier.stats()['chaos_closes_held']
            out = self.python(8113, 's.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")\n'
                              'print(s.recv(9)); sys.stdin.readline(); s.setblocking(False)\n'
                              'try:\n while s.recv(65536): pass\n print("eof")\n'
                              'except BlockingIOError: print("open")', self.answered(held))
        self.assertEqual(out, "b'HTTP/1.1 '\nopen\n")
        self.assertFalse([s for s in cap.server if 'F' in s.flags])

    def answered(self, held):
        """What waits until the server has ended, as far as it does."""
        def wait():
            wait_for('the FIN is held', lambda: self.pier.stats()['chaos_closes_held'] > held)
            self.pier.settle()
        return wait

    def test_ignore_fin(self):
        with self.capture(8114, 'chaos_fins_ignored', 2) as cap:
            out = self.python(8114, 's.sendall(b"hello"); print(s.recv(9)); s.shutdown(1)\n'
                              'sys.stdin.readline(); s.setblocking(False)\ntry: print(s.recv(9))\n'
                              'except BlockingIOError: print("open")',
                              lambda: cap.wait('the FIN comes again', lambda c: len(
                                  [s for s in c.client if 'F' in s.flags]) >= 2))
        self.assertEqual(out, "b'hello'\nopen\n")
        self.assertEqual(max(s.ack for s in cap.server), 6)

    def test_garbage(self):
        with self.capture(8115, 'chaos_garbage') as cap:
            self.assertEqual(self.curl(8115).stdout[:4], '200 ')
        fin = next(s for s in cap.server if 'F' in s.flags)
        behind = [s for s in cap.data if s.seq > fin.seq + fin.len]
        self.assertEqual([s.len for s in behind], [100])
        self.assertEqual(behind[0].seq, fin.seq + fin.len + 1)

    # ---- segments

    def test_bad_tcp_sum(self):
        before = self.closed()
        with self.capture(8116, 'chaos_bad_tcp_sums') as cap:
            self.assertEqual(self.curl(8116).stdout, '200 10000')
            wait_for('it is over', lambda: self.closed() > before)
        self.assertEqual(len([s for s in cap.server if s.bad_tcp]), cap.count)
        self.assertFalse([s for s in cap.server if s.bad_ip])

    def test_bad_ip_sum(self):
        before = self.closed()
        with self.capture(8117, 'chaos_bad_ip_sums') as cap:
            self.assertEqual(self.curl(8117).stdout, '200 10000')
            wait_for('it is over', lambda: self.closed() > before)
        self.assertEqual(len([s for s in cap.server if s.bad_ip]), cap.count)
        self.assertFalse([s for s in cap.server if s.bad_tcp])

    def test_duplicate(self):
        before = self.closed()
        with self.capture(8118, 'chaos_duplicates') as cap:
            self.assertEqual(self.curl(8118).stdout, '200 10000')
            wait_for('it is over', lambda: self.closed() > before)
        # One behind the other: what is sent again comes later, and is counted elsewhere.
        segs = [(s.seq, s.ack, s.len, s.flags) for s in cap.server]
        self.assertEqual(len([1 for a, b in zip(segs, segs[1:]) if a == b]), cap.count, cap.text)

    def test_reorder(self):
        with self.capture(8119, 'chaos_reordered') as cap:
            self.assertEqual(self.curl(8119).stdout, '200 10000')
        seqs = [s.seq for s in cap.data]
        self.assertNotEqual(seqs, sorted(seqs))

    def test_shrink_window(self):
        with self.capture(8120, 'chaos_shrunk') as cap:
            def shrinks(c):
                wins = [s.win for s in c.server if s.flags == '.']
                return [1 for a, b in zip(wins, wins[1:]) if abs(b - a // 2) <= 2]
            self.python(8120, 'while not select.select([sys.stdin], [], [], .02)[0]: s.sendall(b"x" * 100)',
                        lambda: cap.wait('the window shrinks', shrinks))
        self.assertTrue(shrinks(cap))

    # ---- the draw

    PORTS = [str(p) for p in range(20000, 20100)]

    @staticmethod
    def fates(net, ports):
        """What happens to a connection from each of the ports; all are opened in this order, at once. What is not
        answered when SYNs to a closed port are, which came behind, of each worker some, is late."""
        script = ('import errno, select, socket, sys\nwaiting, fate = {}, {}\n'
                  'for port in map(int, sys.argv[1:]):\n'
                  ' s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("", port)); s.setblocking(False)\n'
                  ' s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")\n'
                  f' s.connect_ex(("{SERVER}", 8200)); waiting[s] = port\n'
                  'for _ in range(32):\n'
                  f' with socket.socket() as s: assert s.connect_ex(("{SERVER}", 1)) == errno.ECONNREFUSED\n'
                  'for s in select.select([], waiting, [], 0)[1]:\n'
                  '  e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)\n'
                  '  fate[waiting[s]] = "refused" if e == errno.ECONNREFUSED else e or "open"\n'
                  '  s.close()\n'
                  'for port in map(int, sys.argv[1:]): print(port, fate.get(port, "late"))')
        return dict(line.split() for line in
                    net.run(['python3', '-c', script, *ports]).stdout.splitlines())

    def test_the_same_ports_have_the_same_fate(self):
        """All ports of two rounds, the second one backwards: what each sees does not change."""
        rounds = [self.fates(self.net, order) for order in (self.PORTS, self.PORTS[::-1])]
        self.assertEqual(rounds[0], rounds[1])
        fates = list(rounds[0].values())
        self.assertGreater(fates.count('open'), 70)
        self.assertIn('refused', fates)
        self.assertIn('late', fates)
