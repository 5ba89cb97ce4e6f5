"""Configurations with mistakes: file, line, key, what was expected; exit status 2, nothing started."""
import glob
import os
import re
import tempfile
import unittest

from kit import LOAD, PIER, ROOT, command, listeners_text, runtime_folders, unique

GOOD = '[port 0]\ndevice = net_ring0\naddress = 198.18.0.2/24\n\n[listen 80]\nhandler = http\n'
GOOD6 = GOOD.replace('/24', '/24, fd00:18::2/64')

# A name, the file, and what the first line of the message has to match; {f} is the file's name.
MISTAKES = [
    ('unknown key', '[tcp]\nno-such-key = 1\n' + GOOD, r'{f}:2: no-such-key: '),
    ('misspelt key', '[server]\nidel = sleep\n' + GOOD, r'{f}:2: idel: .*idle'),
    ('unknown section', '[sever]\n' + GOOD, r'{f}:1: '),
    ('bad word', '[server]\nidle = sometimes\n' + GOOD,
     r'{f}:2: idle: expected poll or sleep'),
    ('bad number', '[server]\nworkers = many\n' + GOOD, r'{f}:2: workers: expected a number'),
    ('number out of range', '[server]\nworkers = 65\n' + GOOD,
     r'{f}:2: workers: expected a number from 0 to 64'),
    ('bad size', '[eal]\nmemory = 1x\n' + GOOD, r'{f}:2: memory: expected a size'),
    ('duration without unit', '[server]\ndrain = 5\n' + GOOD,
     r'{f}:2: drain: expected a duration'),
    ('bad cpu list', '[eal]\nlcores = 0-\n' + GOOD, r'{f}:2: lcores: '),
    ('no value', '[server]\nidle\n' + GOOD, r'{f}:2: expected key = value'),
    ('key before a section', 'idle = sleep\n' + GOOD, r'{f}:1: idle: expected a \[section\]'),
    ('header without end', '[server\n' + GOOD, r'{f}:1: expected \[section\]'),
    ('address missing', GOOD.replace('address = 198.18.0.2/24\n', ''), r'{f}:1: .*address'),
    ('address without prefix', GOOD.replace('/24', ''), r'{f}:3: address: '),
    ('network address', GOOD.replace('0.2/24', '0.0/24'), r'{f}:3: address: .*host'),
    ('address given twice', GOOD.replace('/24', '/24, 198.18.0.2/24'),
     r'{f}:3: address: 198\.18\.0\.2 is given twice'),
    ('gateway outside', GOOD.replace('/24\n', '/24\ngateway = 10.0.0.1\n'),
     r'{f}:4: gateway: 10\.0\.0\.1 is in no network'),
    ('gateway of the other family', GOOD.replace('/24\n', '/24\ngateway = fe80::1\n'),
     r'{f}:4: gateway: fe80::1 is IPv6, and no address of this port is'),
    ('two gateways of a family', GOOD6.replace('/64\n', '/64\ngateway = fe80::1, 198.18.0.1, fe80::2\n'),
     r'{f}:4: gateway: fe80::2 is one too many: expected at most one gateway of each family'),
    ('gateway that is pier', GOOD6.replace('/64\n', '/64\ngateway = fd00:18:0::2\n'),
     r'{f}:4: gateway: fd00:18::2 is the port\'s own address'),
    ('group as gateway', GOOD6.replace('/64\n', '/64\ngateway = ff02::2\n'), r'{f}:4: gateway: ff02::2 is no host'),
    ('address with a zone', GOOD6.replace('18::2', '18::2%eth0'),
     r'{f}:3: address: expected an address without a zone, .*"fd00:18::2%eth0/64"'),
    ('IPv4 inside IPv6', GOOD6.replace('fd00:18::2/64', '::ffff:198.18.0.3/120'),
     r'{f}:3: address: expected IPv4 written as'),
    ('loopback', GOOD6.replace('fd00:18::2', '::1'), r'{f}:3: address: ::1/64 is not an address that a host may have'),
    ('no address', GOOD6.replace('fd00:18::2', '::'), r'{f}:3: address: ::/64 is not an address that a host may have'),
    ('group', GOOD6.replace('fd00:18::2', 'ff05::2'), r'{f}:3: address: ff05::2/64 is not an address .*multicast'),
    ('anycast', GOOD6.replace('fd00:18::2', 'fd00:18::'), r'{f}:3: address: fd00:18::/64 is not .*routers'),
    ('IPv6 address given twice', GOOD6.replace('/64', '/64, FD00:0018:0::2/64'),
     r'{f}:3: address: fd00:18::2 is given twice'),
    ('prefix too long', GOOD6.replace('/64', '/129'), r'{f}:3: address: expected an address with its prefix length'),
    ('mtu too small for IPv6', GOOD6.replace('/64\n', '/64\nmtu = 1279\n'),
     r'{f}:4: mtu: 1279 is too little for IPv6: expected 0, or a number from 1280, or no IPv6 address'),
    ('listener without brackets', GOOD6.replace('listen 80', 'listen fd00:18::2:80'),
     r'{f}:5: .*expected an IPv6 address in brackets, as in \[fd00:18::2\]:80'),
    ('listener without a bracket', GOOD6.replace('listen 80', 'listen [fd00:18::2:80'), r'{f}:5: .*expected \] behind'),
    ('foreign IPv6 listen address', GOOD6.replace('listen 80', 'listen [fd00:18::3]:80'),
     r'{f}:5: .*fd00:18::3 is no address of any \[port\]'),
    ('overlapping IPv6 listeners', GOOD6.replace('listen 80', 'listen [fd00:18::2]:80') +
     '\n[listen [fd00:18:0::2]:70-90]\nhandler = echo\n', r'{f}:8: .*overlaps .*line 5'),
    ('IPv6 upstream without brackets', GOOD6 + '[listen 81]\nhandler = proxy\nupstream = fd00:18::9:80\n',
     r'{f}:9: upstream: expected an IPv6 address in brackets'),
    ('IPv6 upstream that no port reaches', GOOD6 + '[listen 81]\nhandler = proxy\nupstream = [fd00:19::9]:80\n',
     r'{f}:9: upstream: expected an address that a port reaches: fd00:19::9 is in none'),
    ('IPv6 proxy to itself', GOOD6 + '[listen 81]\nhandler = proxy\nupstream = [fd00:18::2]:81\n',
     r'{f}:9: upstream: .*\[fd00:18::2\]:81 is this listener itself, a loop'),
    ('IPv6 proxy to a group', GOOD6 + '[listen 81]\nhandler = proxy\nupstream = [ff02::1]:81\n',
     r'{f}:9: upstream: expected a unicast address of another host, not ff02::1'),
    ('device missing', GOOD.replace('device = net_ring0\n', ''), r'{f}:1: .*device'),
    ('mac address', GOOD.replace('/24\n', '/24\nmac = 01:00:00:00:00:01\n'), r'{f}:4: mac: expected a unicast'),
    ('file prefix', '[eal]\nfile-prefix = ../x\n' + GOOD, r'{f}:2: file-prefix: expected a name without /'),
    ('cpu that is not there', '[eal]\nlcores = 0,1023\n' + GOOD, r'{f}:2: lcores: this machine has no CPU 1023'),
    ('more memory than there is', '[eal]\nmemory = 1000g\nhuge = no\n' + GOOD,
     r'{f}:2: memory: 1024000 MiB are asked for, \d+ MiB are available: memory = \d+m is enough'),
    ('log level', '[eal]\nlog-level = 1e3\n' + GOOD, r'{f}:2: log-level: expected a number from 1 to 8 .*"1e3"'),
    ('log level of a component', '[eal]\nlog-level = pmd.*:loud\n' + GOOD, r'{f}:2: log-level: .*"pmd\.\*:loud"'),
    ('nothing between commas', GOOD.replace('/24', '/24,,198.18.0.3/24'),
     r'{f}:3: address: expected an address before and behind each comma'),
    ('nothing behind a comma', GOOD.replace('/24', '/24,'), r'{f}:3: address: expected an address before and behind'),
    ('nothing before a comma', GOOD.replace('= 198', '= ,198'), r'{f}:3: address: expected an address before and behind'),
    ('duration beyond the most', '[tcp]\nkeepalive-idle = 13d\n' + GOOD,
     r'{f}:2: keepalive-idle: expected a duration from 1s to 12d, such as'),
    ('folder that is not there', GOOD + 'root = /none/such\n', r'{f}:7: root: cannot read /none/such: No such file'),
    ('file that is not there', GOOD + 'status = 200\nfile = /none/such\n',
     r'{f}:8: file: cannot open /none/such: No such file'),
    ('root and file', GOOD + 'root = /tmp\nfile = /etc/hostname\n', r'{f}:7: root: root and file: expected one'),
    ('one of several upstreams', GOOD + '[listen 81]\nhandler = proxy\nupstream = 198.18.0.9:80\n'
     'upstream = 198.18.0.9\nupstream = 198.18.0.8:80\n', r'{f}:10: upstream: .*not "198\.18\.0\.9"'),
    ('upstream that no port reaches', GOOD + '[listen 81]\nhandler = proxy\nupstream = 10.0.0.1:80\n',
     r'{f}:9: upstream: expected an address that a port reaches: 10\.0\.0\.1 is in none'),
    ('unknown handler', GOOD.replace('http', 'htpp'), r'{f}:6: handler: expected .*"htpp"'),
    ('no handler', GOOD.replace('handler = http\n', ''), r'{f}:5: .*handler'),
    ('port 0', GOOD.replace('listen 80', 'listen 0'), r'{f}:5: '),
    ('port range reversed', GOOD.replace('listen 80', 'listen 90-80'), r'{f}:5: '),
    ('port too large', GOOD.replace('listen 80', 'listen 65536'), r'{f}:5: '),
    ('foreign listen address', GOOD.replace('listen 80', 'listen 10.0.0.1:80'),
     r'{f}:5: .*10\.0\.0\.1 is no address of any \[port\]'),
    ('handler key of another', GOOD.replace('http', 'echo') + 'body-size = 64\n',
     r'{f}:7: body-size: '),
    ('msl of a listener', GOOD + 'msl = 1s\n', r'{f}:7: msl: .*set it in \[tcp\]'),
    ('two listeners on one port', GOOD + '\n[listen 80]\nhandler = echo\n',
     r'{f}:8: .*(\[listen 80\] at line 5|line 5)'),
    ('overlapping listeners', GOOD + '\n[listen 70-90]\nhandler = echo\n',
     r'{f}:8: .*overlaps .*line 5'),
    ('no listener', GOOD.split('[listen')[0], r'no listener'),
    ('no port', '[listen 80]\nhandler = http\n', r'no port'),
    ('proxy to itself', GOOD + '[listen 81]\nhandler = proxy\nupstream = 10.0.0.1:1 198.18.0.2:81\n',
     r'{f}:9: upstream: .*198\.18\.0\.2:81 is this listener itself, a loop'),
    ('proxy to itself, among the ports of a range',
     GOOD + '[listen 198.18.0.2:90-99]\nhandler = proxy\nupstream = 198.18.0.2:95\n',
     r'{f}:9: upstream: .*198\.18\.0\.2:95 is this listener itself, a loop'),
    ('proxies in a ring', GOOD + '[listen 81]\nhandler = proxy\nupstream = 198.18.0.2:82\n'
     '[listen 82]\nhandler = proxy\nupstream = 198.18.0.2:81\n',
     r'{f}:9: upstream: .*198\.18\.0\.2 is pier\'s own address, \[listen 82\]'),
    ('proxy to another port of pier',
     '[port 1]\ndevice = net_ring1\naddress = 198.18.1.2/24\n' + GOOD +
     '[listen 81]\nhandler = proxy\nupstream = 198.18.1.2:9\n',
     r'{f}:12: upstream: expected another host: 198\.18\.1\.2 is pier\'s own address$'),
    ('proxy to a group', GOOD + '[listen 81]\nhandler = proxy\nupstream = 224.0.0.1:9\n',
     r'{f}:9: upstream: expected a unicast address of another host, not 224\.0\.0\.1'),
    ('device of two ports', GOOD + '[port 1]\ndevice = net_ring0\naddress = 198.18.1.2/24\n',
     r'{f}:8: device: net_ring0 is the device of \[port 0\] at line 1 already'),
    ('end of a ring pair', GOOD.replace('device', 'ring-pair = x\ndevice').replace('net_ring0', 'y'),
     r'{f}:3: device: with ring-pair = x it is xa or xb, not "y"'),
    ('name of a ring pair', GOOD.replace('device = net_ring0', 'ring-pair = thirteenchars'),
     r'{f}:2: ring-pair: expected a name of at most 12 characters'),
    ('mtu too small', GOOD.replace('/24\n', '/24\nmtu = 575\n'), r'{f}:4: mtu: IPv4 hosts take 576 at least: expected 0, or'),
    ('long file prefix', '[eal]\nfile-prefix = ' + 65 * 'x' + '\n' + GOOD,
     r'{f}:2: file-prefix: expected at most 64 characters'),
    ('local ports reversed', '[tcp]\nlocal-port-low = 60000\nlocal-port-high = 50000\n' + GOOD,
     r'{f}:3: local-port-high: local-port-low = 60000 is above local-port-high = 50000'),
    ('local ports reversed by a listener', '[tcp]\nlocal-port-low = 60000\n' + GOOD + 'local-port-high = 50000\n',
     r'{f}:9: local-port-high: local-port-low = 60000 is above'),
    ('interface of the kernel', GOOD.replace('net_ring0', 'lo'),
     r'^\[port 0\]: device: lo is an interface of the kernel.*net_af_packet0,iface=lo'),
    ('interface that is not there', GOOD.replace('net_ring0', 'net_af_packet0,iface=pier-none'),
     r'^\[port 0\]: device: iface=pier-none: there is no such interface'),
    ('capture that is not there', GOOD.replace('net_ring0', 'net_pcap0,rx_pcap=/none/such.pcap'),
     r'^\[port 0\]: device: rx_pcap=/none/such.pcap: No such file'),
    ('delay beyond the longest', GOOD.replace('http', 'rr\ndelay-distribution = uniform\ndelay = 5s\ndelay-max = 1s'),
     r'{f}:8: delay: expected at most delay-max'),
    ('plugin that is a folder', GOOD.replace('handler = http', 'plugin = /tmp'),
     r'{f}:6: plugin: /tmp: cannot read file data: Is a directory'),
    ('memif without a server', GOOD.replace('net_ring0', 'net_memif0,role=client,socket=/none/pier,socket-abstract=no'),
     r'^\[port 0\]: device: socket=/none/pier: nobody listens there: start the other side first'),
    ('vhost without a folder', GOOD.replace('net_ring0', 'net_vhost0,iface=/none/pier'),
     r'^\[port 0\]: device: iface: folder /none: No such file'),
    ('a binary file', '\0\1\2' + GOOD, r'{f}:1: a NUL byte'),
]


class Config(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='pier-test-')
        self.addCleanup(folder.cleanup)
        self.file = folder.name + '/pier.ini'

    def refused(self, pattern, *words):
        run = command([PIER, *words], check=False, timeout=240)
        self.assertEqual(run.returncode, 2, run.stdout + run.stderr)
        lines = [line for line in run.stderr.splitlines() if line]
        self.assertTrue(any(re.search(pattern.replace('{f}', re.escape(self.file)), line)
                            for line in lines), f'{pattern} is not in:\n{run.stderr}')
        self.assertNotIn('EAL:', run.stdout + run.stderr)

    def write(self, text):
        with open(self.file, 'w', encoding='latin-1') as f:
            f.write(text)

    def test_missing_file(self):
        self.refused(r'{f}: cannot open', '-c', self.file)

    def test_bad_set(self):
        self.write(GOOD)
        self.refused(r'--set.*idle', '-c', self.file, '--set', 'server.idle=never')

    def test_set_without_value(self):
        self.write(GOOD)
        self.refused(r'--set', '-c', self.file, '--set', 'server.idle')

    def test_unknown_argument(self):
        self.refused(r'nonsense', '--nonsense')

    def test_every_error_is_reported(self):
        self.write('[server]\nidle = never\nworkers = x\n' + GOOD.replace('http', 'htpp'))
        run = command([PIER, '-c', self.file], check=False)
        self.assertEqual(run.returncode, 2)
        for line in (2, 3, 9):
            self.assertIn(f'{self.file}:{line}: ', run.stderr)

    def test_check_starts_nothing(self):
        prefix = unique('check')
        self.write(f'[eal]\nfile-prefix = {prefix}\nmemory = 128m\nhuge = no\n\n[server]\n'
                   'max-connections = 1000\n\n[port 0]\nring-pair = p\ndevice = pa\n'
                   'address = 198.18.0.2/24\n\n[port 1]\nring-pair = p\ndevice = pb\n'
                   'address = 198.18.1.2/24\n\n' + listeners_text({80: 'http'}))
        run = command([PIER, '-c', self.file, '--check'])
        self.assertRegex(run.stdout + run.stderr, r'configuration is good')
        self.assertEqual(runtime_folders(prefix), [])

    def test_both_families(self):
        """All that may be said of IPv6 is taken: brackets in a section's name, a gateway on the link, a range."""
        self.write(GOOD6.replace('/64\n', '/64 fd00:18::10-fd00:18::1f/64\ngateway = 198.18.0.1, fe80::1\nmtu = 1280\n') +
                   '[listen [fd00:18::2]:80]\nhandler = echo\n[listen [fd00:18::1f]:8000-8999] ; a range\n'
                   'handler = proxy\nupstream = [2001:db8::1]:80, [fe80::9]:80, 10.0.0.1:80\n')
        run = command([PIER, '-c', self.file, '--check', '--set', 'eal.huge=no', '--set',
                       'listen [fd00:18::10]:80.handler=http'])
        self.assertRegex(run.stdout + run.stderr, r'configuration is good')

    def test_connections_by_memory(self):
        """What a gigabyte has room for fills it; with twice that there are twice as many; none: refused."""
        self.write(GOOD)
        found = []
        for size in (1, 2):
            run = command([PIER, '-c', self.file, '--check', '--set', 'server.max-connections=0',
                           '--set', f'server.connection-memory={size}g'])
            n, used = re.search(r': (\d+) connections at .*; ([\d.]+) MiB \(records', run.stdout).groups()
            self.assertLessEqual(float(used), size * 1024)
            self.assertGreater(float(used), size * 1024 - 32)
            found.append(int(n))
        self.assertGreater(found[1], 2 * found[0])
        self.refused(r'connection-memory: .*connection-memory = \d+m', '-c', self.file, '--check', '--set',
                     'server.max-connections=0', '--set', 'server.connection-memory=20m')

    def test_memory_contract(self):
        """What does not fit is refused with what would; that is taken."""
        self.write(GOOD)
        at = ['-c', self.file, '--check', '--set', 'server.max-connections']
        run = command([PIER, *at[:-1], 'server.max-connections=400000000', '--set', 'server.memory=2048g'], check=False)
        self.assertEqual(run.returncode, 2, run.stdout + run.stderr)
        self.assertRegex(run.stderr, r'contract does not fit.*need.* \d+ MiB for 400000000 connections each and their '
                                     r'packets, .*\d+ MiB.*: that is too little for any connection')
        run = command([PIER, *at[:-1], 'server.max-connections=400000000'], check=False)
        if run.returncode:
            fits = re.search(r'max-connections = (\d+) fits', run.stderr).group(1)
            run = command([PIER, *at[:-1], f'server.max-connections={int(int(fits) * 0.9)}'])
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_help_names_every_section(self):
        text = command([PIER, '--help']).stdout
        for word in ('[server]', '[eal]', '[tcp]', '[port', '[listen', 'max-connections', 'body-size'):
            self.assertIn(word.strip('[]'), text)

    def test_version(self):
        self.assertRegex(command([PIER, '--version']).stdout, r'^pier \d+\.\d+\.\d+')


def mistake(name, text, pattern):
    def test(self):
        self.write(text)
        self.refused(pattern, '-c', self.file)
        self.refused(pattern, '-c', self.file, '--check')
    test.__doc__ = name
    return test


for mistake_of in MISTAKES:
    setattr(Config, 'test_refused_' + mistake_of[0].replace(' ', '_'), mistake(*mistake_of))


class ShippedConfigurations(unittest.TestCase):
    """Every file in conf/ is read without an error. Those that need no device that exists before
    pass --check completely; of the others nothing but the device may be missing."""

    complete = ('demo.ini', 'ring.ini', 'memif.ini')


def shipped(path):
    def test(self):
        program = LOAD if os.path.basename(path) == 'load.ini' else PIER
        run = command([program, '-c', path, '--check', '--set', f'eal.file-prefix={unique("conf")}',
                       '--set', 'eal.lcores=0', '--set', 'eal.huge=no'], check=False)
        self.assertNotRegex(run.stderr, re.escape(path) + r':\d+:')
        if os.path.basename(path) in self.complete:
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        for line in run.stderr.splitlines():
            self.assertRegex(line, r'^\[port 0\]: device: ')
    return test


for conf in sorted(glob.glob(ROOT + '/conf/*.ini')):
    setattr(ShippedConfigurations, 'test_' + re.sub(r'\W', '_', os.path.basename(conf)),
            shipped(conf))
