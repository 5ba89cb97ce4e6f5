"""What system tests are made of: network namespaces of their own, a pier in one of them, clients
beside it, and telemetry. Everything a test makes is registered for clean-up at once, so that it is
gone when the test ends, also when it fails.

Traffic never leaves the namespaces. pier is pinned to the first CPU, clients to the last.
"""
import contextlib
import ctypes
import errno
import glob
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PIER = os.environ.get('PIER', os.path.join(ROOT, 'build', 'app', 'pier', 'pier'))
LOAD = os.environ.get('PIER_LOAD', os.path.join(os.path.dirname(os.path.dirname(PIER)), 'pier-load',
                                                'pier-load'))
CPUS = sorted(os.sched_getaffinity(0))
PIER_CPU, CLIENT_CPU = str(CPUS[0]), str(CPUS[-1])
SERVER, CLIENT = '198.18.0.2', '198.18.0.1'
SERVER6, CLIENT6 = 'fd00:18::2', 'fd00:18::1'
RUN_FOLDERS = ['/var/run/dpdk', '/tmp/dpdk']
LISTENERS = {7: 'echo', 9: 'discard', 13: 'daytime', 19: 'chargen', 80: 'http'}

numbers = itertools.count(1)


def unique(what='t'):
    return f'pier-test-{what}{os.getpid()}-{next(numbers)}'


def command(words, timeout=300, check=True, **more):
    """Run to the end; the result has stdout and stderr as text. A failure shows them."""
    more.setdefault('stdin', subprocess.DEVNULL)
    more.setdefault('text', True)
    run = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=timeout, **more)
    if check and run.returncode:
        raise AssertionError(f'{" ".join(map(str, words))}: exit status {run.returncode}\n'
                             f'{run.stdout[-2000:]}{run.stderr[-2000:]}')
    return run


def wait_for(what, condition, seconds=240):
    """Poll until condition() is true. A limit for a hang, not a timing that is asserted."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'{what}: not within {seconds} s')
        time.sleep(0.02)


@contextlib.contextmanager
def tcpdump(net, path, *words):
    """Writes what goes over net's pier0 to path, while it is open. Of the length it takes by itself, a TAP's
    receive offloads taken for large packets, its buffer has room for 32."""
    dump = net.start(['tcpdump', '-i', 'pier0', '--immediate-mode', '-U', '-Z', 'root', '-s', '2048',
                      '-B', '16384', '-w', path, *words], stderr=subprocess.PIPE, text=True)
    try:
        while 'listening on' not in dump.stderr.readline():
            if dump.poll() is not None:
                raise AssertionError('tcpdump did not start')
        yield
    finally:
        dump.send_signal(signal.SIGINT)
        dump.communicate(timeout=240)


def all_captured(pier, path, address=SERVER):
    """Wait until the tcpdump that writes path, whose filter lets ICMP through, has all that pier has to say
    to what it was sent: packets are captured in their order, and the answer to a ping is behind it."""
    def pongs():
        return subprocess.run(['tcpdump', '-nn', '-r', path, 'icmp'], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False).stdout.count('ICMP echo reply')
    def written():
        pier.net.run(['ping', '-c', '1', '-W', '60', address])
        return pongs() > before
    before = pongs()
    pier.settle()
    wait_for('it is written', written) # tcpdump may have no room for a packet, and miss it


class Cleanups:
    """Lets what a class sets up register clean-ups where a test would."""

    def __init__(self, cls):
        self.addCleanup = cls.addClassCleanup


class Namespace:
    """six: with IPv6 on what is made in it, and addresses in use at once."""

    def __init__(self, test, what='t', six=False):
        self.name = unique(what)
        command(['ip', 'netns', 'add', self.name])
        test.addCleanup(self.remove)
        self.run(['ip', 'link', 'set', 'lo', 'up'])
        # A client in TIME-WAIT must not use up the ports, nor router solicitations the counters.
        if six:
            for key, value in (('accept_ra', 0), ('router_solicitations', 0), ('accept_dad', 0)):
                self.sysctl(f'net.ipv6.conf.default.{key}', value)
        else:
            self.sysctl('net.ipv6.conf.default.disable_ipv6', 1, check=False)

    def words(self, words, cpu=CLIENT_CPU):
        # What is called python3 may be a script that looks for one, and takes its time each time.
        program = sys.executable if words[0] == 'python3' else words[0]
        return ['ip', 'netns', 'exec', self.name, 'taskset', '-c', cpu, program, *map(str, words[1:])]

    def run(self, words, **more):
        return command(self.words(words), **more)

    def start(self, words, **more):
        return subprocess.Popen(self.words(words), **more)

    def sysctl(self, key, value, check=True):
        self.run(['sysctl', '-qw', f'{key}={value}'], check=check)

    def python(self, script, *arguments, **more):
        return self.run(['python3', os.path.join(HERE, script), *arguments], **more)

    def pids(self):
        run = command(['ip', 'netns', 'pids', self.name], check=False)
        return [int(pid) for pid in run.stdout.split()]

    def inside(self, do):
        """do() in a thread that is in the namespace; returns what it does."""
        results = []

        def enter():
            with open(f'/run/netns/{self.name}', 'rb') as place:
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000): # CLONE_NEWNET
                    raise OSError(ctypes.get_errno(), 'setns')
            results.append(do())
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if not results:
            raise AssertionError(f'not done in {self.name}')
        return results[0]

    def remove(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        command(['ip', 'netns', 'del', self.name], check=False)


def runtime_folders(prefix):
    return [d for d in (os.path.join(f, prefix) for f in RUN_FOLDERS) if os.path.exists(d)]


def huge_files(prefix):
    found = []
    with open('/proc/mounts', encoding='ascii', errors='replace') as f:
        for line in f:
            where, kind = line.split()[1:3]
            if kind == 'hugetlbfs':
                found += glob.glob(f'{where}/{prefix}map_*')
    return found


class Telemetry:
    """One connection to a DPDK telemetry socket: ask('/pier/stats') gives the reply's value."""

    def __init__(self, prefix):
        paths = [f'{d}/dpdk_telemetry.v2' for d in runtime_folders(prefix)]
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        try:
            if not paths:
                raise FileNotFoundError(f'no runtime folder of {prefix}')
            self.socket.connect(paths[0])
            self.size = json.loads(self.socket.recv(1024))['max_output_len']
        except OSError:
            self.socket.close()
            raise

    def ask(self, question):
        self.socket.send(question.encode())
        return json.loads(self.socket.recv(self.size))[question.split(',')[0]]

    def close(self):
        self.socket.close()


def listeners_text(listeners=None):
    return ''.join(f'[listen {port}]\nhandler = {handler}\n\n'
                   for port, handler in (listeners or LISTENERS).items())


class Pier:
    """A running server. device and more are text for [port 0] and for the end of the file."""

    def __init__(self, test, net, device='net_tap0,iface=pier0', more='', port_more='',
                 server_more='', address=SERVER + '/24', listeners=None, cpu=PIER_CPU):
        self.test, self.net, self.prefix, self.telemetry = test, net, unique('p'), None
        self.folder = tempfile.mkdtemp(prefix='pier-test-')
        test.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.conf = os.path.join(self.folder, 'pier.ini')
        if 'max-connections' not in server_more:
            server_more = 'max-connections = 20000\n' + server_more
        with open(self.conf, 'w', encoding='ascii') as f:
            f.write(f'[eal]\nfile-prefix = {self.prefix}\nmemory = 256m\n\n'
                    f'[server]\nidle = sleep\n{server_more}\n'
                    f'[port 0]\ndevice = {device}\naddress = {address}\n{port_more}\n'
                    f'{listeners_text(listeners)}{more}')
        with open(os.path.join(self.folder, 'log'), 'w', encoding='ascii') as log:
            self.process = subprocess.Popen(
                net.words([PIER, '-c', self.conf, '--stats-at-exit'], cpu=cpu),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        test.addCleanup(self.kill)

    def log(self):
        with open(os.path.join(self.folder, 'log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f'pier ended with {self.process.returncode}:\n{self.log()[-4000:]}')
        return True

    def link_up(self, name='pier0', *addresses):
        """Wait for the kernel's end of the TAP and give it an address, or these."""
        wait_for(f'{name} exists', lambda: self.alive() and
                 not self.net.run(['ip', 'link', 'show', name], check=False).returncode)
        for address in addresses or [CLIENT + '/24']:
            self.net.run(['ip', 'addr', 'add', address, 'dev', name])
        self.net.run(['ip', 'link', 'set', name, 'up'])

    def wait_ready(self, net=None, address=SERVER, port=9):
        """Wait until it answers. What asked is counted from its begin, of which the FIN in answer to one tells, to
        its end: it is no part of what comes then."""
        probe = (f'import socket; s = socket.create_connection(("{address}", {port}), 1); s.shutdown(1); s.recv(1)')
        wait_for('pier answers', lambda: self.alive() and not
                 (net or self.net).run(['python3', '-c', probe], check=False).returncode)
        wait_for('the connection is closed', lambda: self.alive() and self.ended())

    def ended(self):
        stats = self.stats()
        return stats['conn_opened'] == sum(stats[n] for n in ('conn_closed', 'conn_reset_rx', 'conn_reset_tx'))

    def settle(self, address=SERVER, port=1):
        """Return when all is done that was sent to it before, from its net: SYNs to a closed port that came
        behind it, for each worker in turn, are answered."""
        def ask():
            for _ in range(32):
                with socket.socket() as s:
                    s.settimeout(60)
                    if s.connect_ex((address, port)) != errno.ECONNREFUSED:
                        return False
            return True
        if not self.net.inside(ask):
            raise AssertionError(f'port {port} is not closed')

    def ask(self, question):
        """By one connection for all questions: it takes no more than ten, and some time to let one go."""
        if not self.telemetry:
            self.telemetry = Telemetry(self.prefix)
        return self.telemetry.ask(question)

    def stats(self):
        return self.ask('/pier/stats')

    def listener(self, port):
        """Its number in telemetry."""
        first = 0
        while page := self.ask(f'/pier/listeners,{first}'):
            for number, listener in page.items():
                if listener['listen'] == str(port):
                    return int(number)
            first += len(page)
        raise AssertionError(f'no listener {port}')

    def handler_stats(self, port):
        return self.ask(f'/pier/handler,{self.listener(port)}')

    def stop(self, how=signal.SIGTERM, seconds=240):
        """Ask it to stop; returns the exit status."""
        self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'pier does not stop:\n{self.log()[-4000:]}') from None

    def kill(self):
        if self.telemetry:
            self.telemetry.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for path in runtime_folders(self.prefix):
            shutil.rmtree(path, ignore_errors=True)
        for path in huge_files(self.prefix):
            os.unlink(path)


class PierCase(unittest.TestCase):
    """A test case with one pier on a TAP, shared by the tests of the class. When the last one is
    done the server is stopped by SIGTERM and must end with 0: everything balanced."""

    pier_options = {}

    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        cls.net = Namespace(owner)
        cls.pier = Pier(owner, cls.net, **cls.pier_options)
        cls.pier.link_up()
        cls.pier.wait_ready()

    def setUp(self):
        self.pier.alive()
        self.pier.settle() # what the test before has sent is none of this one's

    def test_zz_ends_balanced(self):
        """Last by name: nothing may be left of what the other tests did."""
        self.assertEqual(self.pier.stop(), 0, self.pier.log()[-4000:])
