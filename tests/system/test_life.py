"""A pier's life: telemetry while it runs, the memory contract, the end in order, rest when idle."""
import contextlib
import os
import shutil
import signal
import subprocess
import time
import unittest

from kit import (LOAD, PIER, PIER_CPU, Namespace, Pier, PierCase, SERVER, command, runtime_folders, unique,
                 wait_for)

# Holds a connection to echo; each line on stdin is one round trip, the end of stdin closes.
HOLD = f'''
import socket, sys
s = socket.create_connection(("{SERVER}", 7), 60)
print("open", flush=True)
for line in sys.stdin:
    s.sendall(line.encode())
    print(s.recv(100).decode().strip(), flush=True)
'''


def cpu_seconds(pid):
    """User and system time of a process, all threads."""
    with open(f'/proc/{pid}/stat', encoding='ascii') as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def assert_sleeps(test, pid):
    """A loop that spins takes all of three seconds: this tells it from one that sleeps."""
    before = cpu_seconds(pid)
    time.sleep(3)
    test.assertLess(cpu_seconds(pid) - before, 0.3)


class Telemetry(PierCase):
    def test_dpdk_telemetry_script(self):
        run = command(['dpdk-telemetry.py', '-f', self.pier.prefix], stdin=None,
                      input='/pier/stats\n/pier/info\n')
        self.assertIn('"/pier/stats"', run.stdout)
        self.assertIn('"rx_packets"', run.stdout)
        self.assertIn('"version"', run.stdout)

    def test_stats_count(self):
        before = self.pier.stats()
        self.net.run(['curl', '-sS', '-m', '60', '-o', '/dev/null', f'http://{SERVER}/'])
        after = self.pier.stats()
        self.assertEqual(after['conn_opened'] - before['conn_opened'], 1)
        self.assertGreater(after['rx_packets'], before['rx_packets'])
        self.assertGreater(after['tx_payload_bytes'], before['tx_payload_bytes'])

    def test_connections_open_now(self):
        def opened():
            return self.pier.stats()['conn_open']
        wait_for('none is open', lambda: opened() == 0)
        client = self.net.start(['python3', '-c', 'import socket, sys\n'
                                 f's = [socket.create_connection(("{SERVER}", 80), 60) for _ in range(5)]\n'
                                 'sys.stdin.readline(); s.pop().close(); sys.stdin.readline()'],
                                stdin=-1, text=True)
        self.addCleanup(client.kill)
        wait_for('five are open', lambda: opened() == 5)
        client.stdin.write('\n')
        client.stdin.flush()
        wait_for('one less', lambda: opened() == 4)
        client.stdin.close()
        client.wait(60)
        wait_for('none is left', lambda: opened() == 0)

    def test_every_counter_has_help(self):
        names = self.pier.ask('/pier/help')
        self.assertEqual(sorted(names), sorted(self.pier.stats()))
        for name in names:
            self.assertTrue(self.pier.ask('/pier/help,' + name)[name])

    def test_listeners(self):
        listeners = self.pier.ask('/pier/listeners')
        self.assertEqual(sorted(l['handler'] for l in listeners.values()),
                         ['chargen', 'daytime', 'discard', 'echo', 'http'])

    def test_contract(self):
        contract = self.pier.ask('/pier/contract')
        self.assertLessEqual(contract['idle_connection_bytes'], 144)
        self.assertGreaterEqual(contract['idle_connection_bytes'], 128)
        self.assertEqual(contract['max_connections'], 20000)

    def test_sleeps_when_idle(self):
        assert_sleeps(self, self.pier.process.pid)

    def test_sleeps_with_connections_open(self):
        holder = self.net.start(['python3', '-c', HOLD], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        with holder:
            self.assertEqual(holder.stdout.readline(), 'open\n')
            assert_sleeps(self, self.pier.process.pid)
            holder.communicate('x\n', timeout=240)


def end(process):
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if not stream.closed:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


class Start(unittest.TestCase):
    """A signal comes while all is being started, here before anything was."""

    def ended(self, *words):
        def pending():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            os.kill(os.getpid(), signal.SIGTERM)
        prefix = unique('s')
        process = subprocess.Popen(
            ['taskset', '-c', PIER_CPU, *words, '--set', f'eal.file-prefix={prefix}', '--set', 'eal.huge=no',
             '--set', 'port 0.device=net_ring0', '--set', 'port 0.address=198.18.0.2/24'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=pending)
        try:
            text, _ = process.communicate(timeout=120)
        finally:
            process.kill()
            process.communicate()
            for folder in runtime_folders(prefix):
                shutil.rmtree(folder, ignore_errors=True)
        self.assertEqual(process.returncode, 0, text[-4000:])
        return text

    def test_server(self):
        self.assertIn('SIGTERM: stopping', self.ended(PIER, '--set', 'listen 80.handler=http'))

    def test_load(self):
        self.assertIn('ended by a signal', self.ended(LOAD, 'http', '198.18.0.1'))


class End(unittest.TestCase):
    def start(self, drain):
        net = Namespace(self)
        pier = Pier(self, net, server_more=f'drain = {drain}\n')
        pier.link_up()
        pier.wait_ready()
        holder = net.start(['python3', '-c', HOLD], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(end, holder)
        self.assertEqual(holder.stdout.readline(), 'open\n')
        return net, pier, holder

    def ended_well(self, pier):
        self.assertEqual(pier.process.wait(120), 0, pier.log()[-4000:])
        self.assertNotIn('do not balance', pier.log())
        self.assertRegex(pier.log(), r'(?m)^conn_opened +\d+ ')
        self.assertEqual(runtime_folders(pier.prefix), [])

    def test_drains(self):
        """An open connection is closed from this end and waited for, a new one is not taken."""
        net, pier, holder = self.start('60s')
        pier.process.send_signal(signal.SIGTERM)
        wait_for('it stops', lambda: 'stopping' in pier.log())
        run = net.run(['nc', '-N', '-w', '2', SERVER, '7'], check=False)
        self.assertNotEqual(run.returncode, 0)
        pier.alive()
        holder.stdin.close()
        self.ended_well(pier)
        self.assertRegex(pier.log(), r'(?m)^rx_syn_drain +[1-9]')
        self.assertNotIn('are reset', pier.log())
        holder.wait(60)
        self.assertEqual(holder.returncode, 0)

    def test_resets_what_does_not_end(self):
        _, pier, holder = self.start('200ms')
        pier.process.send_signal(signal.SIGTERM)
        self.ended_well(pier)
        self.assertIn('1 connections did not end in time and are reset', pier.log())
        said = holder.communicate('too late\n', timeout=240)[1]
        self.assertRegex(said, 'ConnectionResetError|BrokenPipeError')

    def test_second_signal_ends_the_waiting(self):
        _, pier, _ = self.start('60s')
        pier.process.send_signal(signal.SIGINT)
        wait_for('it stops', lambda: 'SIGINT: stopping' in pier.log())
        pier.process.send_signal(signal.SIGINT)
        self.ended_well(pier)

    def test_telemetry_socket_of_a_killed_pier_is_no_obstacle(self):
        net, pier, _ = self.start('1s')
        pier.process.kill()
        pier.process.wait()
        again = Pier(self, net, device='net_tap0,iface=pier1')
        again.link_up('pier1')
        again.wait_ready()
        self.assertIn('version', again.ask('/pier/info'))
        self.assertEqual(again.stop(), 0, again.log()[-4000:])
