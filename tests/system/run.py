#!/usr/bin/env python3
"""Run the system tests: the real pier and clients that nobody here wrote.

usage: tests/system/run.py [--pier PATH] [--list] [NAME...]

NAME picks the tests whose name (such as test_http.Http.test_head) contains it. Needs root.
Prints "ok NAME", "not ok NAME" or "skip NAME" for each test; exits with 1 if one failed.
"""
import argparse
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, word, test, text=''):
        seconds = time.monotonic() - getattr(self, 'began', time.monotonic())
        name = test.id().replace('__main__.', '')
        print(f'{word} {name} ({seconds:.1f} s)', flush=True)
        for line in text.rstrip().splitlines():
            print('   ', line, flush=True)

    def addSuccess(self, test):
        self.say('ok', test)

    def addError(self, test, err):
        super().addError(test, err)
        self.say('not ok', test, self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say('not ok', test, self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.say('not ok', subtest, (self.failures + self.errors)[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say('skip', test, reason)


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
    # A base class that test modules import is no test of theirs.
    tests = [t for t in flatten(unittest.TestLoader().discover(HERE))
             if type(t).__module__ != 'kit' and wanted(t, args.names)]
    if not tests:
        sys.exit('no such test')
    if args.list:
        print('\n'.join(t.id() for t in tests))
        return
    if os.geteuid():
        sys.exit('the system tests need root: they make network namespaces')
    result = Result()
    unittest.TestSuite(tests).run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == '__main__':
    main()
