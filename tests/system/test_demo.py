"""app/demo, from a copy of the sources as a fresh clone has them, also as an ordinary user. Whatever
way it ends, nothing is left behind."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from kit import ROOT, SERVER, SERVER6, command, huge_files, runtime_folders, unique, wait_for
from test_life import assert_sleeps

NOBODY = 65534
CURL = ['curl', '-sS', '-m', '60', '-w', '\n%{http_code}', f'http://{SERVER}/']


def ignore(folder, names):
    """What a fresh clone does not have."""
    if folder != ROOT:
        return [n for n in names if n == '__pycache__']
    return [n for n in names if n == '.git' or n.startswith('build')]


def processes(text):
    """Ids of the processes whose command line contains the text."""
    found = []
    for path in glob.glob('/proc/[0-9]*/cmdline'):
        with contextlib.suppress(OSError), open(path, 'rb') as f:
            if text.encode() in f.read():
                found.append(int(path.split('/')[2]))
    return [pid for pid in found if pid != os.getpid()]


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        top = tempfile.mkdtemp(prefix='pier-clone-')
        cls.addClassCleanup(shutil.rmtree, top, ignore_errors=True)
        os.chmod(top, 0o755)
        cls.clone = top + '/pier'
        shutil.copytree(ROOT, cls.clone, ignore=ignore, symlinks=True)
        command(['chown', '-R', f'{NOBODY}:{NOBODY}', top])

    def setUp(self):
        self.name = unique('d')
        self.links = os.listdir('/sys/class/net')
        self.addCleanup(self.remove)

    def remove(self):
        for pid in processes(self.name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        command(['ip', 'netns', 'del', self.name], check=False)
        for path in self.files():
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def files(self):
        return (runtime_folders(self.name) + huge_files(self.name) +
                glob.glob(f'/run/{self.name}*') + glob.glob(f'/tmp/{self.name}*'))

    def words(self, *arguments):
        return [self.clone + '/app/demo', '--no-install', '--name', self.name, *arguments]

    def run_demo(self, *arguments, **more):
        more.setdefault('check', False)
        return command(self.words(*arguments), timeout=300, **more)

    def start_demo(self):
        # A shell cannot catch what was ignored when it began, as SIGINT is in a script's background.
        demo = subprocess.Popen(['env', '--default-signal=INT', *self.words()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        self.addCleanup(demo.communicate)
        self.addCleanup(demo.kill)
        said = []
        for line in demo.stdout:
            said.append(line)
            if line.startswith('Ctrl-C'):
                return demo, ''.join(said)
        raise AssertionError('the demo ended: ' + ''.join(said))

    def pier(self):
        for pid in command(['ip', 'netns', 'pids', self.name]).stdout.split():
            with open(f'/proc/{pid}/comm', encoding='ascii') as f:
                if f.read().strip() == 'pier':
                    return int(pid)
        raise AssertionError('no pier in the namespace')

    def assert_nothing_left(self):
        self.assertEqual(processes(self.name), [])
        self.assertNotIn(self.name, command(['ip', 'netns', 'list']).stdout.split())
        self.assertEqual(self.files(), [])
        self.assertEqual(os.listdir('/sys/class/net'), self.links)

    def test_curl(self):
        run = self.run_demo('--', *CURL)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(run.stdout.endswith('\n200'), run.stdout + run.stderr)
        self.assertNotIn('ended with status', run.stderr)
        self.assert_nothing_left()

    def test_curl_over_ipv6(self):
        run = self.run_demo('--', *CURL[:-1], '-g', f'http://[{SERVER6}]/')
        self.assertTrue(run.stdout.endswith('\n200'), run.stdout + run.stderr)
        self.assert_nothing_left()

    def test_status_is_the_commands(self):
        run = self.run_demo('--', 'sh', '-c', 'exit 7')
        self.assertEqual(run.returncode, 7, run.stderr)
        self.assert_nothing_left()

    def test_ordinary_user(self):
        command(['chown', '-R', f'{NOBODY}:{NOBODY}', self.clone])
        run = command(['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups',
                       'env', '-u', 'XDG_RUNTIME_DIR', 'HOME=/tmp', *self.words('--', *CURL)],
                      timeout=300, check=False, cwd='/')
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(run.stdout.endswith('\n200'), run.stdout + run.stderr)
        self.assertNotIn('ended with status', run.stderr)
        self.assert_nothing_left()

    def test_root_of_a_namespace(self):
        """unshare -Ur: it is root, and may not give a network namespace a name."""
        run = command(['unshare', '-Urn', *self.words('--', *CURL)], timeout=300, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(run.stdout.endswith('\n200'), run.stdout + run.stderr)
        self.assertNotIn('ended with status', run.stderr)
        self.assert_nothing_left()

    def test_interrupt(self):
        demo, said = self.start_demo()
        self.assertIn(f'ip netns exec {self.name} curl', said)
        self.assertIn(f"curl 'http://[{SERVER6}]/'", said)
        demo.send_signal(signal.SIGINT)
        rest = demo.communicate(timeout=240)[0]
        self.assertIn(demo.returncode, (0, 130), rest)
        self.assertNotIn('ended with status', rest)
        self.assert_nothing_left()

    def test_pier_killed(self):
        demo, _ = self.start_demo()
        os.kill(self.pier(), signal.SIGKILL)
        demo.communicate(timeout=240)
        self.assertNotEqual(demo.returncode, 0)
        self.assert_nothing_left()

    def test_demo_killed(self):
        """Nobody is left to clean up, but pier ends too, and the next demo starts as usual."""
        demo, _ = self.start_demo()
        pier = self.pier()
        demo.kill()
        demo.wait()
        wait_for('pier ends', lambda: not os.path.exists(f'/proc/{pid_or_zombie(pier)}'))
        run = self.run_demo('--', *CURL)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(run.stdout.endswith('\n200'))
        self.assert_nothing_left_but_logs()

    def assert_nothing_left_but_logs(self):
        """After SIGKILL of the demo itself its log may stay in /tmp, nothing else."""
        for path in glob.glob(f'/tmp/{self.name}-log.*'):
            os.unlink(path)
        self.assert_nothing_left()

    def test_bad_configuration(self):
        with tempfile.NamedTemporaryFile('w', prefix='pier-test-', suffix='.ini') as f:
            f.write('[server]\nidel = sleep\n')
            f.flush()
            run = self.run_demo('--conf', f.name, '--', 'true')
        self.assertNotEqual(run.returncode, 0)
        self.assertIn('idel', run.stderr)
        self.assert_nothing_left()

    def test_second_demo(self):
        demo, _ = self.start_demo()
        run = self.run_demo('--', 'true')
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(str(demo.pid), run.stderr)
        self.assertIsNone(demo.poll(), 'the second demo stopped the first')
        curl = command(['ip', 'netns', 'exec', self.name, *CURL])
        self.assertTrue(curl.stdout.endswith('\n200'))
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=240)
        self.assert_nothing_left()

    def test_sleeps_when_idle(self):
        demo, _ = self.start_demo()
        time.sleep(1)
        assert_sleeps(self, self.pier())
        demo.send_signal(signal.SIGTERM)
        demo.communicate(timeout=240)

    def test_missing_packages_are_named(self):
        with tempfile.TemporaryDirectory(prefix='pier-test-') as tools:
            with open(tools + '/dpkg-query', 'w', encoding='ascii') as f:
                f.write('#!/bin/sh\nexit 1\n')
            os.chmod(tools + '/dpkg-query', 0o755)
            run = self.run_demo('--', 'true', env={**os.environ,
                                                   'PATH': tools + ':' + os.environ['PATH']})
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r'apt-get install .*libdpdk-dev')
        self.assert_nothing_left()


def pid_or_zombie(pid):
    """The id while the process runs; one that nobody has once it is a zombie or gone."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            return 'gone' if f.read().rsplit(')', 1)[1].split()[0] == 'Z' else pid
    except OSError:
        return 'gone'
