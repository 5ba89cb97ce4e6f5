"""Two workers: the tests of one worker again, on ports that steer in different ways."""
import unittest

import test_chaos
import test_http
import test_iperf3
import test_load
import test_proxy
import test_scan
import test_stream
from kit import CPUS, PIER, PIER_CPU, CLIENT_CPU, Namespace, Pier, command

BOTH = f'{PIER_CPU},{CLIENT_CPU}'
TWO = {'server_more': 'workers = 2\n', 'cpu': BOTH}


def options(*more_of, **more):
    """Those of the class, with two workers."""
    result = dict(TWO)
    for one in more_of:
        result.update(one, server_more=result['server_more'] + one.get('server_more', ''))
    result.update(more)
    return result


@unittest.skipIf(len(CPUS) < 2, 'one CPU: two workers need two')
class TwoWorkers:
    """Mixed into a class of tests: both workers took part, and each packet had one owner."""

    steering = 'by the queue of arrival'

    def test_zy_both_worked(self):
        info = self.pier.ask('/pier/info')
        self.assertEqual(info['workers'], 2)
        self.assertEqual(info['port_0_steering'], self.steering)
        each = [self.pier.ask(f'/pier/stats,{w}') for w in (0, 1)]
        for stats in each:
            self.assertGreater(stats['rx_packets'], 0)
            self.assertEqual(stats['news_lost'], 0)
        total = self.pier.stats()
        self.assertGreaterEqual(total['conn_opened'], sum(s['conn_opened'] for s in each))
        if total['conn_opened'] > 50:
            for stats in each:
                self.assertGreater(stats['conn_opened'], 0)


class StreamByArrival(TwoWorkers, test_stream.Stream):
    pier_options = options()


class HttpByArrival(TwoWorkers, test_http.Http):
    pier_options = options(test_http.Http.pier_options)


class ScanByArrival(TwoWorkers, test_scan.Scan):
    pier_options = options()


class StreamInSoftware(TwoWorkers, test_stream.Stream):
    steering = 'in software'
    pier_options = options(port_more='steering = software\n')


class HttpInSoftware(TwoWorkers, test_http.Http):
    steering = 'in software'
    pier_options = options(test_http.Http.pier_options, port_more='steering = software\n')


class Iperf3InSoftware(TwoWorkers, test_iperf3.Iperf3):
    """The streams of a test are on both workers."""

    steering = 'in software'
    pier_options = options(test_iperf3.Iperf3.pier_options, port_more='steering = software\n')


class ProxyInSoftware(TwoWorkers, test_proxy.Proxy):
    """What a worker opens comes back to it, over a port that steers by the hash."""

    steering = 'in software'
    pier_options = options(test_proxy.Proxy.pier_options,
                           port_more='opens = yes\nsteering = software\n')


class ProxyOverOneQueue(TwoWorkers, test_proxy.Proxy):
    steering = 'in software'
    pier_options = options(test_proxy.Proxy.pier_options, port_more='opens = yes\nqueues = 1\n')

    def test_zy_both_worked(self):
        relayed = self.pier.ask('/pier/stats,1')
        self.assertGreater(relayed['relayed_packets'], 0)
        self.assertGreater(relayed['conn_opened'], 0)


class ChaosInSoftware(TwoWorkers, test_chaos.Chaos):
    steering = 'in software'
    pier_options = options(test_chaos.Chaos.pier_options, port_more='steering = software\n')

    def test_the_same_fate_as_on_one_worker(self):
        net = Namespace(self)
        one = Pier(self, net, **test_chaos.Chaos.pier_options)
        one.link_up()
        one.wait_ready()
        alone = self.fates(net, self.PORTS)
        self.assertEqual(one.stop(), 0, one.log()[-4000:])
        before = [self.pier.ask(f'/pier/stats,{w}')['conn_opened'] for w in (0, 1)]
        self.assertEqual(self.fates(self.net, self.PORTS), alone)
        for w, n in enumerate(before):
            self.assertGreater(self.pier.ask(f'/pier/stats,{w}')['conn_opened'], n)


class HttpOverOneQueue(TwoWorkers, test_http.Http):
    """The second worker has no queue: all of its packets are handed over and relayed."""

    steering = 'in software'
    pier_options = options(test_http.Http.pier_options, port_more='queues = 1\n')

    def test_zy_both_worked(self):
        relayed = self.pier.ask('/pier/stats,1')
        self.assertGreater(relayed['relayed_packets'], 0)
        self.assertEqual(relayed['rx_packets'], 0)
        self.assertGreater(relayed['conn_opened'], 0)


class Memif(test_load.AgainstPier):
    """pier-load over memif, which has no RSS: half of the packets are handed over."""

    server_options = TWO

    def test_zy_both_worked(self):
        each = [self.pier.ask(f'/pier/stats,{w}') for w in (0, 1)]
        self.assertEqual(self.pier.ask('/pier/info')['port_0_steering'], 'in software')
        for stats in each:
            self.assertGreater(stats['conn_opened'], 0)
        # A ring is full when its worker has to wait for a CPU: three poll here on two.
        self.assertGreater(sum(s['handover_packets'] for s in each),
                           sum(s['rx_handover_full'] for s in each))


class Refused(unittest.TestCase):
    def test_more_workers_than_cpus(self):
        run = command(['taskset', '-c', PIER_CPU, PIER, '--check', '--set', 'server.workers=2',
                       '--set', 'port 0.device=net_null0', '--set', 'port 0.address=198.18.0.2/24',
                       '--set', 'listen 7.handler=echo'], check=False)
        self.assertEqual(run.returncode, 2, run.stdout + run.stderr)
        self.assertIn('workers: 2 workers need as many CPUs; there are 1', run.stderr)

    def test_list_takes_the_order(self):
        if len(CPUS) < 2:
            self.skipTest('one CPU')
        run = command([PIER, '--check', '--set', 'server.placement=list', '--set',
                       f'eal.lcores={CPUS[1]},{CPUS[0]}', '--set', 'port 0.device=net_null0', '--set',
                       'port 0.address=198.18.0.2/24', '--set', 'listen 7.handler=echo'])
        self.assertIn(f'worker 0: CPU {CPUS[1]}', run.stdout)
        self.assertIn(f'worker 1: CPU {CPUS[0]}', run.stdout)


class Drain(unittest.TestCase):
    """Connections of both workers are open when the signal comes."""

    @unittest.skipIf(len(CPUS) < 2, 'one CPU: two workers need two')
    def test_resets_what_does_not_end(self):
        net = Namespace(self)
        pier = Pier(self, net, **options(server_more='workers = 2\ndrain = 200ms\n'))
        pier.link_up()
        pier.wait_ready()
        hold = ('import socket, time\n'
                's = [socket.create_connection(("198.18.0.2", 9), 60) for _ in range(40)]\n'
                'print("open", flush=True)\n'
                'ended = 0\n'
                'for c in s:\n'
                '    try:\n'
                '        c.settimeout(60); c.send(b"x"); ended += c.recv(1) == b""\n'
                '    except (ConnectionResetError, BrokenPipeError): ended += 1\n'
                'print(ended)\n')
        with net.start(['python3', '-c', hold], stdout=-1, text=True) as client:
            self.assertEqual(client.stdout.readline(), 'open\n')
            self.assertEqual(pier.stop(), 0, pier.log()[-4000:])
            self.assertEqual(client.communicate(timeout=240)[0], '40\n')
