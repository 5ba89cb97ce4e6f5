"""What a port scanner sees: the configured ports are open, all others closed, none filtered."""
import xml.etree.ElementTree as ElementTree

from kit import LISTENERS, PierCase, SERVER, wait_for


class Scan(PierCase):
    def scan(self, *options, others='closed', listening='open'):
        run = self.net.run(['nmap', '-n', '-Pn', '--max-retries', '3', '--min-rtt-timeout', '1s', *options, '-p', '1-100',
                            '-oX', '-', SERVER])
        host = ElementTree.fromstring(run.stdout).find('host')
        states = {int(port.get('portid')): port.find('state').get('state')
                  for port in host.iter('port')}
        for extra in host.iter('extraports'):
            self.assertEqual(extra.get('state'), others)
            self.assertEqual(int(extra.get('count')), 100 - len(states))
        self.assertEqual({p for p, s in states.items() if s == listening and s != others},
                         set(LISTENERS) if listening != others else set())
        self.assertEqual({s for p, s in states.items() if p not in LISTENERS} - {others}, set())

    def test_syn_scan(self):
        self.scan('-sS')

    def test_connect_scan(self):
        self.scan('-sT')

    def test_fin_null_and_xmas_scans(self):
        """RFC 9293 3.10.7.1 and 3.10.7.2: closed answers RST, a listener drops silently."""
        for option in ('-sF', '-sN', '-sX'):
            self.scan(option, listening='open|filtered')

    def test_ack_scan(self):
        """RST from every port, open or closed."""
        self.scan('-sA', others='unfiltered', listening='unfiltered')

    def test_syn_scan_leaves_nothing_half_open(self):
        before = self.pier.stats()
        self.scan('-sS')

        def all_gone():
            after = self.pier.stats()
            gone = sum(after[name] - before[name] for name in ('half_open_reset', 'half_open_expired'))
            return gone == after['syn_received'] - before['syn_received'] > 0
        wait_for('each is reset by the kernel, or expires', all_gone)
