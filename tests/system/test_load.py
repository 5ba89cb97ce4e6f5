"""pier-load against servers of the kernel over a veth, and against pier over memif."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from kit import (CLIENT6, CLIENT_CPU, CPUS, Cleanups, HERE, LOAD, Namespace, Pier, PIER_CPU, command,
                 huge_files, runtime_folders, unique, wait_for)

KERNEL, OURS = '198.18.0.1', '198.18.0.2'

NGINX = '''
daemon off; user root; worker_processes 1; pid {0}/pid; error_log {0}/error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path {0}/b; proxy_temp_path {0}/p;
  fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
  server {{
    listen {1}:80 backlog=4096; listen {1}:81; keepalive_timeout 60;
    location / {{ return 200 "hello"; }}
    location /missing {{ return 404; }}
    location /few {{ keepalive_requests 3; return 200 "few"; }}
  }}
}}
'''


class Run:
    """One run of pier-load: its exit status, what it said, and its JSON, if it came to that."""

    def __init__(self, test, net, device, words, address=OURS + '/24', cpu=CLIENT_CPU, meanwhile=None):
        self.prefix = unique('l')
        self.folder = tempfile.mkdtemp(prefix='pier-test-')
        test.addCleanup(self.remove)
        out = os.path.join(self.folder, 'json')
        process = subprocess.Popen(
            # Who runs the tests may have SIGHUP ignored, and pier-load would let that be.
            net.words(['env', '--default-signal=HUP', LOAD, '--device', device, '--address', address,
                       '--file-prefix', self.prefix, '--lcores', cpu, '--quiet', '--json', out, *words],
                      cpu=cpu),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            if meanwhile:
                meanwhile(process)
            self.text, _ = process.communicate(timeout=240)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.status = process.returncode
        with open(out, encoding='ascii') as f:
            text = f.read()
        self.json = json.loads(text) if text else None

    def __getattr__(self, name):
        if not self.json:
            raise AssertionError(f'exit status {self.status}, no result:\n{self.text[-4000:]}')
        return self.json[name]

    def error_kinds(self):
        return {kind for kind, n in self.errors.items() if n}

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in runtime_folders(self.prefix):
            shutil.rmtree(path, ignore_errors=True)
        for path in huge_files(self.prefix):
            os.unlink(path)


class Veth:
    """A namespace with a veth: the kernel at one end, pier-load at the other by af_packet."""

    device = 'net_af_packet0,iface=load0'

    def __init__(self, owner, six=False):
        self.net = Namespace(owner, six=six)
        self.net.run(['ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'load0'])
        for address in [KERNEL + '/24'] + six * [CLIENT6 + '/64']:
            self.net.run(['ip', 'addr', 'add', address, 'dev', 'veth0'])
        self.net.run(['ethtool', '-K', 'veth0', 'tx', 'off'])
        for name in ('veth0', 'load0'):
            self.net.run(['ip', 'link', 'set', name, 'up'])


def listening(net, port):
    return net.run(['ss', '-Hltn', f'sport = :{port}']).stdout.strip()


class Nginx:
    def __init__(self, owner, net, text=NGINX, six=False):
        if six:
            text = text.replace('listen {1}:81;', f'listen {{1}}:81; listen [{CLIENT6}]:80;')
        self.folder = tempfile.mkdtemp(prefix='pier-test-')
        owner.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        conf = os.path.join(self.folder, 'conf')
        with open(conf, 'w', encoding='ascii') as f:
            f.write(text.format(self.folder, KERNEL))
        self.process = subprocess.Popen(net.words(['nginx', '-c', conf, '-e', self.folder + '/error'],
                                                  cpu=PIER_CPU),
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        owner.addCleanup(self.stop)
        wait_for('nginx listens', lambda: listening(net, 80))

    def stop(self):
        """Both of its processes, at once: the kernel resets what is open."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self.process.wait()


class AgainstNginx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        cls.veth = Veth(owner)
        cls.nginx = Nginx(owner, cls.veth.net)

    def load(self, *words, **more):
        return Run(self, self.veth.net, self.veth.device, ['--set', 'server.idle=sleep', *words], **more)

    def good(self, *words, **more):
        run = self.load(*words, '--expect', 'errors=0', **more)
        self.assertEqual(run.status, 0, run.text)
        return run

    def test_http(self):
        run = self.good('http', KERNEL, '--connections', '20', '--duration', '1')
        self.assertGreater(run.total['responses'], 100)
        self.assertEqual(run.total['opened'], 20)
        self.assertEqual(run.open, 20)
        self.assertEqual(run.latency_us['complete']['n'], run.latency_us['first']['n'])
        self.assertIn('latency', run.text)
        self.assertIn('pier-load: 1 worker serving on 1 port', run.text) # what pier says of itself, too

    def test_pipelined(self):
        run = self.good('http', KERNEL, '--connections', '4', '--depth', '16', '--duration', '1')
        self.assertEqual(run.total['opened'], 4)
        self.assertGreater(run.total['responses'], 64)

    def test_short(self):
        run = self.good('short', KERNEL + ':80-81', '--connections', '10', '--duration', '1')
        total = run.total
        self.assertGreater(total['opened'], 10)
        self.assertEqual(total['opened'], total['requests'])
        self.assertEqual(run.latency_us['connect']['n'], run.latency_us['complete']['n'])

    def test_client_closes(self):
        for how in ('client', 'reset'):
            run = self.good('short', KERNEL, '--connections', '5', '--duration', '1', '--close', how)
            self.assertGreater(run.total['opened'], 5)

    def test_server_ends_keep_alive(self):
        """After three answers nginx closes: that is no error, another connection takes over."""
        run = self.good('http', KERNEL, '--path', '/few', '--connections', '5', '--duration', '1')
        self.assertGreaterEqual(run.total['opened'] * 3 + 15, run.total['responses'])
        self.assertGreater(run.total['opened'], 5)

    def test_requests_of_a_connection(self):
        run = self.good('http', KERNEL, '--requests', '7', '--connections', '5', '--duration', '1')
        self.assertGreater(run.total['opened'], 5)
        self.assertLessEqual(run.total['responses'], 7 * run.total['opened'])

    def test_rate(self):
        run = self.good('http', KERNEL, '--rps', '400', '--connections', '10', '--duration', '2',
                        '--ramp', '1')
        self.assertLessEqual(run.counted['requests'], 801)
        counted = run.latency_us['complete']['n']
        self.assertGreaterEqual(counted, 799)  # each one that was due is there, answered or not
        self.assertLessEqual(counted, 801)

    def test_connection_rate(self):
        run = self.good('short', KERNEL, '--cps', '300', '--duration', '1')
        self.assertIn(run.latency_us['complete']['n'], range(299, 302))

    def test_hold(self):
        run = self.good('hold', KERNEL, '--connections', '500', '--cps', '2k', '--duration', '1',
                        '--expect', 'open=500')
        self.assertEqual(run.total['opened'], 500)
        self.assertEqual(run.total['tx_bytes'], 0)

    def test_status(self):
        run = self.load('http', KERNEL, '--path', '/missing', '--connections', '5', '--duration', '1')
        self.assertEqual(run.status, 0, run.text)
        self.assertEqual(run.error_kinds(), {'status'})
        self.assertEqual(run.total['responses'], 0)
        # It costs the request, not the connection.
        self.assertEqual(run.total['opened'], 5)
        self.assertGreater(run.errors['status'], 5)
        self.assertEqual(run.errors['status'], run.total['failed'])
        self.assertNotIn('p50', run.latency_us['complete'])
        self.good('http', KERNEL, '--path', '/missing', '--status', '404', '--duration', '1')

    def test_refused(self):
        run = self.load('http', KERNEL + ':90', '--connections', '5', '--duration', '1',
                        '--timeout', '10', '--expect', 'errors.refused>=5', '--expect', 'opened=0')
        self.assertEqual(run.status, 0, run.text)
        self.assertEqual(run.error_kinds(), {'refused'})
        # In a closed loop who was refused tries again, but not as fast as it can.
        self.assertLess(run.total['connects'], 2000)
        self.assertEqual(run.limit['bound'], 'errors')

    def test_nobody_there(self):
        run = self.load('short', '198.18.0.77', '--cps', '100', '--duration', '1', '--timeout', '0.4')
        self.assertEqual(run.status, 0, run.text)
        self.assertEqual(run.total['opened'], 0)
        self.assertLessEqual(run.error_kinds(), {'connect_timeout', 'unreachable'})
        self.assertGreater(sum(run.errors.values()), 10)

    def test_no_local_port(self):
        """Three ports for ten connections: the others are missing, and said to be."""
        run = self.load('http', KERNEL, '--connections', '10', '--local-port-low', '5000',
                        '--local-port-high', '5002', '--duration', '1', '--timeout', '10')
        self.assertEqual(run.error_kinds(), {'no_port'}, run.text)
        self.assertEqual(run.open, 3)

    def test_expectation_fails(self):
        run = self.load('http', KERNEL, '--duration', '1', '--expect', 'rps>=1g', '--expect',
                        'errors=0')
        self.assertEqual(run.status, 1, run.text)
        self.assertIn('rps>=1g: NO, it is ', run.text)
        self.assertEqual([e['holds'] for e in run.expected], [False, True])

    def test_source_addresses(self):
        """Connections come from all of them, whoever has to answer ARP for them."""
        run = self.good('hold', KERNEL, '--connections', '8', '--duration', '60',
                        address='198.18.0.2-198.18.0.5/24', meanwhile=self.see_sources)
        self.assertEqual(run.open, 8)
        self.assertEqual(self.sources, {f'198.18.0.{i}' for i in range(2, 6)})

    def see_sources(self, process):
        def established():
            lines = self.veth.net.run(['ss', '-Htn', 'state', 'established']).stdout.splitlines()
            return [line.split()[3].rsplit(':', 1)[0] for line in lines]

        def all_there():
            self.sources = established()
            return len(self.sources) >= 8 or process.poll() is not None
        wait_for('8 connections', all_there)
        self.sources = set(self.sources)
        process.terminate()

    def test_interrupted(self):
        """A signal, a terminal's that goes among them, ends the run, and the result is that of the time
        until then."""
        def interrupt(process):
            wait_for('connections', lambda: self.veth.net.run(
                ['ss', '-Htn', 'state', 'established']).stdout.strip())
            process.send_signal(number)
        for number in (signal.SIGTERM, signal.SIGHUP):
            run = self.good('http', KERNEL, '--duration', '60', meanwhile=interrupt)
            self.assertTrue(run.early)
            self.assertLess(run.seconds, 50)
            self.assertEqual(runtime_folders(run.prefix), [])

    def test_json_is_documented(self):
        """Every field of it, and every word for who was the limit, stands in the README."""
        with open(os.path.join(os.path.dirname(os.path.dirname(HERE)), 'README.md'), encoding='utf-8') as f:
            section = f.read().partition('## pier-load')[2].partition('\n## ')[0]
        run = self.good('http', KERNEL, '--duration', '0.2')

        def fields(value):
            if isinstance(value, list):
                value = value[0]
            if not isinstance(value, dict):
                return set()
            return set(value).union(*map(fields, value.values()))
        words = fields(run.json) | {'schedule', 'client', 'server', 'unclear', 'ports', 'errors', 'nothing'}
        self.assertEqual({w for w in words if f'`{w}`' not in section}, set())

    def test_json_on_stdout(self):
        prefix = unique('l')
        run = self.veth.net.run([LOAD, '--device', self.veth.device, '--address', OURS + '/24',
                                 '--file-prefix', prefix, '--lcores', CLIENT_CPU, 'http', KERNEL,
                                 '--duration', '0.2', '--json', '-'])
        self.assertEqual(json.loads(run.stdout)['mode'], 'http')
        self.assertIn('latency', run.stderr)
        self.assertEqual(runtime_folders(prefix), [])


class ServerDies(unittest.TestCase):
    def test_errors_by_kind(self):
        veth = Veth(self)
        nginx = Nginx(self, veth.net)

        def kill(process):
            wait_for('connections', lambda: process.poll() is not None or veth.net.run(
                ['ss', '-Htn', 'state', 'established']).stdout.strip())
            nginx.stop()
        run = Run(self, veth.net, veth.device,
                  ['--set', 'server.idle=sleep', 'http', KERNEL, '--connections', '20', '--rps', '500',
                   '--duration', '3', '--timeout', '1'], meanwhile=kill)
        self.assertEqual(run.status, 0, run.text)
        kinds = run.error_kinds()
        # Connections that were idle when the server went end without an error.
        self.assertIn('refused', kinds)
        self.assertLessEqual(kinds, {'refused', 'reset', 'short'})
        # What was due when nobody answered any more is not forgotten.
        self.assertGreater(run.unfinished, 100)


@unittest.skipIf(len(CPUS) < 2, 'needs two CPUs')
class TwoWorkers(unittest.TestCase):
    """Each runs its share: of the connections, of the rate, of the tuples."""

    def test_shares(self):
        net = Namespace(self)

        def link(process):
            wait_for('the TAP', lambda: process.poll() is not None or not net.run(
                ['ip', 'link', 'show', 'load0'], check=False).returncode)
            net.run(['ip', 'addr', 'add', KERNEL + '/24', 'dev', 'load0'])
            net.run(['ip', 'link', 'set', 'load0', 'up'])
        nginx = NGINX.replace('listen {1}', 'listen 0.0.0.0')
        Nginx(self, net, nginx)
        cpus = ','.join(map(str, CPUS[:2]))
        # A busy pool of few ports: what one worker takes is not the other's.
        run = Run(self, net, 'net_tap0,iface=load0',
                  ['--set', 'server.idle=sleep', '--lcores', cpus, 'short', KERNEL, '--cps', '301',
                   '--connections', '20', '--duration', '2', '--warmup', '1', '--local-port-low', '5000',
                   '--local-port-high', '5099', '--expect', 'errors=0'], cpu=cpus, meanwhile=link)
        self.assertEqual(run.status, 0, run.text)
        self.assertEqual(run.workers, 2)
        self.assertIn(run.latency_us['complete']['n'], range(600, 605))


class Misbehaving(unittest.TestCase):
    """A server of a few lines that does one thing wrong."""

    def load(self, how, *words):
        veth = Veth(self)
        server = veth.net.start(['python3', os.path.join(HERE, 'load_server.py'), KERNEL, how])
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        wait_for('the server listens', lambda: listening(veth.net, 80))
        return Run(self, veth.net, veth.device, ['--set', 'server.idle=sleep', *words])

    def test_latency_counts_from_when_it_was_due(self):
        """The server stops for a second and a half in three: those who would have come then, about
        half of all, waited, although few requests were under way."""
        run = self.load('stall', 'http', KERNEL, '--connections', '2', '--rps', '200', '--duration', '3',
                        '--expect', 'complete.p99>1s', '--expect', 'complete.p75>300ms')
        self.assertEqual(run.status, 0, run.text)
        self.assertGreater(run.latency_us['complete']['n'], 590)
        self.assertLess(run.limit['late'], 600)

    def test_no_answer(self):
        run = self.load('silent', 'http', KERNEL, '--connections', '3', '--duration', '3', '--timeout',
                        '1')
        self.assertEqual(run.error_kinds(), {'timeout'}, run.text)

    def test_no_answer_on_schedule(self):
        """What was given up is in the latencies, as old as it was then: all that was due is."""
        run = self.load('silent', 'http', KERNEL, '--connections', '3', '--duration', '3', '--timeout', '1',
                        '--rps', '20', '--expect', 'complete.p50>500ms')
        self.assertEqual(run.status, 0, run.text)
        self.assertEqual(run.error_kinds(), {'timeout'}, run.text)
        self.assertGreater(run.total['failed'], 0)
        self.assertIn(run.latency_us['complete']['n'], range(59, 62))
        self.assertEqual(run.latency_us['first']['n'], run.latency_us['complete']['n'])

    def test_cut_answer(self):
        run = self.load('cut', 'http', KERNEL, '--connections', '3', '--duration', '1')
        self.assertEqual(run.error_kinds(), {'short'}, run.text)

    def test_nonsense(self):
        run = self.load('nonsense', 'http', KERNEL, '--connections', '3', '--duration', '1')
        self.assertEqual(run.error_kinds(), {'wrong'}, run.text)

    def test_unasked_answer(self):
        run = self.load('twice', 'http', KERNEL, '--connections', '3', '--duration', '1')
        self.assertEqual(run.error_kinds(), {'wrong'}, run.text)

    def test_what_a_server_leaves_is_asked_again(self):
        """A server that closes need not answer what was pipelined behind its last answer: no error, and no answer."""
        for rate in ([], ['--rps', '100']):
            run = self.load('leave', 'http', KERNEL, '--connections', '3', '--depth', '4', '--duration', '2', *rate)
            self.assertEqual(run.error_kinds(), set(), run.text)
            self.assertGreater(run.total['opened'], 3)
            self.assertEqual(run.total['failed'], 0)
            self.assertIn('asked again' if run.total['again'] else 'errors', run.text)
            if rate:
                self.assertIn(run.latency_us['complete']['n'], range(199, 202)) # when they were due is not forgotten
            else:
                self.assertGreater(run.total['again'], 0)

    def test_slow_reader(self):
        """TCP may have all that it takes for a long time: what goes out slowly does not stand still."""
        run = self.load('sip', 'up', KERNEL + ':80', '--connections', '1', '--duration', '7', '--timeout', '3')
        self.assertEqual(run.error_kinds(), set(), run.text)
        self.assertEqual(run.total['opened'], 1)

    def test_never_closes(self):
        run = self.load('open', 'short', KERNEL, '--connections', '3', '--duration', '5', '--timeout',
                        '2')
        self.assertEqual(run.error_kinds(), {'not_closed'}, run.text)
        self.assertGreater(run.total['responses'], 2)

    def test_wrong_echo(self):
        run = self.load('garble', 'echo', KERNEL + ':80', '--size', '1000', '--duration', '1',
                        '--connections', '2', '--verify')
        self.assertEqual(run.error_kinds(), {'mismatch'}, run.text)

    def test_request_and_response(self):
        run = self.load('thrice', 'rr', KERNEL + ':80', '--size', '10', '--response-size', '30',
                        '--depth', '4', '--connections', '3', '--duration', '1')
        self.assertEqual(run.error_kinds(), set(), run.text)
        self.assertGreater(run.total['responses'], 10)
        self.assertEqual(run.total['tx_bytes'], 10 * run.total['requests'])

    def test_head_in_pieces(self):
        run = self.load('slow', 'http', KERNEL, '--connections', '2', '--duration', '1')
        self.assertEqual(run.error_kinds(), set(), run.text)
        self.assertGreater(run.total['responses'], 2)


class Segmentation(unittest.TestCase):
    """A virtio port cuts segments, and vhost hands them on uncut: pier-load gets what is longer than its MTU."""

    address, target, pier_address = KERNEL + '/24', OURS, OURS + '/24'

    def test_every_byte(self):
        net, folder = Namespace(self), tempfile.mkdtemp(prefix='pier-test-')
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        socket = os.path.join(folder, 'vhost')

        def serve(process):
            wait_for('the socket is there', lambda: process.poll() is not None or os.path.exists(socket))
            self.pier = Pier(self, net, f'net_virtio_user0,path={socket},queue_size=1024', address=self.pier_address)

        run = Run(self, net, f'net_vhost0,iface={socket},tso=1', ['both', self.target, '--connections', '2', '--verify',
                  '--duration', '2', '--expect', 'errors=0'], address=self.address, meanwhile=serve)
        self.assertEqual(run.status, 0, run.text)
        self.assertGreater(run.counted['rx_bytes'], 0)
        self.assertIn('segmentation by the port', self.pier.log())
        stats = self.pier.stats()
        self.assertGreater(stats['tx_tso'], 0)
        self.assertGreater(stats['tx_bytes'], 1600 * stats['tx_tso'])
        self.assertEqual(self.pier.stop(), 0, self.pier.log()[-4000:])


class AgainstPier(unittest.TestCase):
    """Over memif: two DPDK programs, no kernel in between."""

    server_options = {}

    @classmethod
    def setUpClass(cls):
        owner = Cleanups(cls)
        cls.net = Namespace(owner)
        cls.folder = tempfile.mkdtemp(prefix='pier-test-')
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.pier = Pier(owner, cls.net, cls.memif('server'), **cls.server_options)
        wait_for('pier serves', lambda: cls.pier.alive() and 'serving' in cls.pier.log())

    @staticmethod
    def memif_at(folder, role):
        return f'net_memif0,role={role},id=0,socket={folder}/memif,socket-abstract=no'

    @classmethod
    def memif(cls, role):
        return cls.memif_at(cls.folder, role)

    def good(self, *words, address=KERNEL + '/24'):
        before = self.pier.stats()
        run = Run(self, self.net, self.memif('client'), [*words, '--expect', 'errors=0'], address=address)
        self.assertEqual(run.status, 0, run.text)
        wait_for('as many are counted', lambda: self.pier.stats()['conn_opened'] - before['conn_opened'] ==
                 run.total['opened'], 60)
        return run

    def test_http(self):
        run = self.good('http', OURS, '--connections', '30', '--depth', '3', '--duration', '1')
        self.assertGreater(run.total['responses'], 90)

    def test_server_asks_for_each_source(self):
        """One connection of each address comes first: what else the server has for it does not wait for ARP."""
        before = self.pier.stats()['tx_no_neighbor']
        self.good('http', OURS, '--connections', '200', '--duration', '1', address='198.18.0.20-198.18.0.23/24')
        self.assertEqual(self.pier.stats()['tx_no_neighbor'], before)

    def test_short(self):
        run = self.good('short', OURS, '--connections', '30', '--duration', '1')
        self.assertGreater(run.total['responses'], 30)

    def test_again_at_once(self):
        """The tuples of one run are in TIME-WAIT at the server in the next: its SYNs are later."""
        few = ['--local-port-low', '5000', '--local-port-high', '5049']
        for _ in range(2):
            run = self.good('short', OURS, '--connections', '10', '--duration', '3', *few)
            self.assertGreater(run.total['opened'], 20)

    def test_echo(self):
        run = self.good('echo', OURS, '--connections', '10', '--size', '3000', '--depth', '4',
                        '--verify', '--duration', '1')
        self.assertGreaterEqual(run.total['rx_bytes'], 3000 * run.total['responses'])

    def test_bulk(self):
        for mode, up, down in (('up', True, False), ('down', False, True), ('both', True, True)):
            run = self.good(mode, OURS, '--connections', '3', '--duration', '1',
                            *(['--verify'] if mode == 'both' else []))
            self.assertEqual(run.counted['tx_bytes'] > 0, up, run.text)
            self.assertEqual(run.counted['rx_bytes'] > 0, down, run.text)

    def test_transfers(self):
        for mode in ('up', 'down', 'both'):
            run = self.good(mode, OURS, '--connections', '3', '--duration', '4', '--bytes', '100k')
            self.assertGreater(run.total['responses'], 3, mode)

    def test_ports_in_time_wait(self):
        """The client closes: each of fifty ports rests, and the next connection waits for one."""
        run = self.good('up', OURS, '--connections', '3', '--duration', '3', '--bytes', '1k',
                        '--local-port-low', '5000', '--local-port-high', '5049')
        self.assertGreaterEqual(run.total['opened'], 50)
        self.assertGreater(run.limit['port_waits'], 0, run.text)
        self.assertEqual(run.limit['bound'], 'ports', run.text)

    def test_hold(self):
        run = self.good('hold', OURS, '--connections', '5k', '--duration', '1', '--expect',
                        'open=5k')
        self.assertEqual(run.total['opened'], 5000)
        self.assertEqual(run.limit['bound'], 'schedule')

    def test_zz_ends_balanced(self):
        self.assertEqual(self.pier.stop(), 0, self.pier.log()[-4000:])


class CommandLine(unittest.TestCase):
    def refused(self, *words):
        run = command([LOAD, *words], check=False)
        self.assertEqual(run.returncode, 2, run.stdout + run.stderr)
        return run.stderr

    def test_bad(self):
        port = ['--device', 'net_tap0,iface=nobody', '--address', OURS + '/24']
        self.assertIn('--help', self.refused())
        self.assertIn('expected --device and --address', self.refused('http', KERNEL))
        self.assertIn('expected --device and --address', self.refused(*port[:2], 'http', KERNEL))
        self.assertIn('no gateway leads there', self.refused(*port, 'http', '203.0.113.1'))
        self.assertIn('expected http, short', self.refused(*port, 'htp', KERNEL))
        self.assertIn('fd00::1 is IPv6, and no address of [port 0] is', self.refused(*port, 'http', 'fd00::1'))
        self.assertIn('--duration', self.refused(*port, 'http', KERNEL, '--duration', 'long'))
        self.assertIn('METRIC', self.refused(*port, 'http', KERNEL, '--expect', 'nothing=0'))
        self.assertIn('cannot write', self.refused(*port, 'http', KERNEL, '--json', '/nowhere/x'))

    def test_check(self):
        run = command([LOAD, '--check', '--device', 'net_tap0,iface=nobody', '--address', OURS + '/24',
                       'http', KERNEL])
        self.assertIn('the configuration is good', run.stdout)

    def test_configuration(self):
        """Everything may stand in a file."""
        with tempfile.NamedTemporaryFile('w', suffix='.ini') as f:
            f.write(f'[port 0]\ndevice = net_tap0,iface=nobody\naddress = {OURS}/24\n[load]\n'
                    f'mode = short\ntarget = {KERNEL}:80-89\ncps = 10k\nexpect = errors=0\n')
            f.flush()
            command([LOAD, '--check', '-c', f.name])
            self.assertIn('rps or cps', self.refused('--check', '-c', f.name, '--rps', '5'))

    def test_help(self):
        text = command([LOAD, '--help']).stdout
        for word in ('short', '--set', 'connections', 'expect', 'complete'):
            self.assertIn(word, text)
