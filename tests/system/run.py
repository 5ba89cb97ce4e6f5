#!/usr/bin/env python3
"""Run the system tests: the real pier and clients that nobody here wrote.

usage: tests/system/run.py [--pier PATH] [--list] [NAME...]

NAME picks the tests whose name (such as test_http.Http.test_head) contains it. Needs root.
Prints "ok NAME", "not ok NAME" or "skip NAME" for each test; exits with 1 if one failed. One that
fails while a CPU stood still (stalls.py) is said to, with what it failed of, and runs once more at the
end: only that counts.
"""
import argparse
import os
import sys
import time
import unittest

from stalls import Stalls

HERE = os.path.dirname(os.path.abspath(__file__))


class Result(unittest.TestResult):
    def __init__(self, stalls=None):
        super().__init__()
        self.stalls = stalls
        self.again = []
        self.began = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.began = time.monotonic()  # from here on what a class sets up and takes down

    def say(self, word, test, text=''):
        seconds = time.monotonic() - self.began
        name = test.id().replace('__main__.', '')
        print(f'{word} {name} ({seconds:.1f} s)', flush=True)
        for line in text.rstrip().splitlines():
            print('   ', line, flush=True)

    def failed(self, test, whole, text):
        stall = self.stalls.longest(self.began) if self.stalls else 0
        if stall:
            self.again.append(whole)
            self.say('again', test, f'a CPU stood still for {stall:.1f} s; once more at the end\n{text}')
        else:
            self.failures.append((test, text))
            self.say('not ok', test, text)

    def addSuccess(self, test):
        self.say('ok', test)

    def addError(self, test, err):
        self.failed(test, test, self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err:
            self.failed(subtest, test, self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say('skip', test, reason)


def run(tests, stalls=None):
    """Whether all passed, those included that had to run once more."""
    first = Result(stalls)
    unittest.TestSuite(tests).run(first)
    # What failed in setUpClass has that class's name in its own.
    ids = [test.id() for test in first.again]
    again = [test for test in tests
             if any(test.id() == i or f'({unittest.util.strclass(type(test))})' in i for i in ids)]
    second = Result()
    unittest.TestSuite(again).run(second)
    return not first.failures and not second.failures


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def wanted(test, names):
    return not names or any(name in test.id() for name in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--pier', help='the binary to test')
    parser.add_argument('--list', action='store_true', help='print the names of the tests')
    parser.add_argument('names', nargs='*', metavar='NAME')
    args = parser.parse_args()
    if args.pier:
        os.environ['PIER'] = os.path.abspath(args.pier)
    sys.dont_write_bytecode = True
    sys.path.insert(0, HERE)
    # A base class that test modules import is no test of theirs, and what one imports from another runs once.
    found = {t.id(): t for t in flatten(unittest.TestLoader().discover(HERE)) if type(t).__module__ != 'kit'}
    tests = [t for t in found.values() if wanted(t, args.names)]
    if not tests:
        sys.exit('no such test')
    if args.list:
        print('\n'.join(t.id() for t in tests))
        return
    if os.geteuid():
        sys.exit('the system tests need root: they make network namespaces')
    stalls = Stalls(os.sched_getaffinity(0))
    try:
        passed = run(tests, stalls)
    finally:
        stalls.stop()
    sys.exit(0 if passed else 1)


if __name__ == '__main__':
    main()
