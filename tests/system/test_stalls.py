"""A CPU that stood still is seen, and excuses a test once, no test for anything else."""
import contextlib
import io
import os
import signal
import time
import unittest

import run
from kit import CLIENT_CPU, wait_for
from stalls import LONG, Stalls


class Watched(unittest.TestCase):
    def test_stall_is_seen(self):
        stalls = Stalls([int(CLIENT_CPU)])
        self.addCleanup(stalls.stop)
        os.kill(stalls.watchers[0], signal.SIGSTOP)
        time.sleep(2 * LONG)
        os.kill(stalls.watchers[0], signal.SIGCONT)
        wait_for('the stall', lambda: stalls.longest(0))
        self.assertGreaterEqual(stalls.longest(0), LONG)
        self.assertEqual(stalls.longest(time.monotonic() + 1000), 0)


class Stood:
    """A machine of which we know it."""

    def __init__(self, seconds):
        self.longest = lambda since: seconds


class Tests(unittest.TestCase):
    """What Repeated runs; nothing of it is a test of pier's."""

    runs, fails = 0, 1
    class_fails = False

    @classmethod
    def setUpClass(cls):
        if cls.class_fails:
            cls.class_fails = False
            raise RuntimeError('class')

    def runTest(self):
        type(self).runs += 1
        for i in range(2):
            with self.subTest(i=i):
                self.assertGreater(self.runs, self.fails)


class Repeated(unittest.TestCase):
    def outcome(self, stood, **what):
        kind = type('Kind', (Tests,), what)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            passed = run.run([kind()], Stood(stood))
        words = [line.split(' test_')[0] for line in out.getvalue().splitlines() if line[0] != ' ']
        return passed, kind.runs, words

    def test_excused_once(self):
        self.assertEqual(self.outcome(1.5), (True, 2, ['again', 'again', 'ok']))
        self.assertEqual(self.outcome(1.5, fails=2), (False, 2, ['again'] * 2 + ['not ok'] * 2))

    def test_not_excused(self):
        self.assertEqual(self.outcome(0), (False, 1, ['not ok', 'not ok']))

    def test_set_up(self):
        passed, runs, words = self.outcome(1.5, class_fails=True, fails=0)
        self.assertEqual((passed, runs, words[-1]), (True, 1, 'ok'))
        self.assertEqual(self.outcome(0, class_fails=True, fails=0)[0], False)


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(kind) for kind in (Watched, Repeated))
