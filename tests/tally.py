#!/usr/bin/env python3
"""Print a line for each test case in meson's testlog.json: "ok NAME", "not ok NAME", "skip NAME".

usage: tests/tally.py TESTLOG

A program that uses cmocka has its cases counted, any other is one case. A program that ends badly
although no case of it failed (a crash, a leak, a time-out) is one failed case. Of what failed, the
output is printed. Exits with 1 if something failed.
"""
import json
import re
import sys

CASE = re.compile(r'^\[ +(OK|FAILED|SKIPPED) +\] (\w+)', re.M)
WORDS = {'OK': 'ok', 'FAILED': 'not ok', 'SKIPPED': 'skip'}
PROGRAM = {'OK': 'ok', 'SKIP': 'skip'}


def cases(test):
    """(word, name) of each case in one program's entry."""
    output = test.get('stdout', '') + '\n' + test.get('stderr', '')
    name = test['name'].split(' / ')[-1]
    found = {}
    for word, case in CASE.findall(output):
        # cmocka lists the failed ones again at the end; one that failed is not also right.
        if found.get(case) != 'not ok':
            found[case] = WORDS[word]
    word = PROGRAM.get(test['result'], 'not ok')
    if not found or word == 'not ok' and 'not ok' not in found.values():
        found[test['result'] if word == 'not ok' else ''] = word
    return [(word, f'{name} {case}'.rstrip()) for case, word in found.items()], output


def main():
    failed = False
    with open(sys.argv[1], encoding='utf-8', errors='replace') as f:
        for line in f:
            found, output = cases(json.loads(line))
            for word, name in found:
                print(word, name)
            if any(word == 'not ok' for word, _ in found):
                failed = True
                print('\n'.join('    ' + text for text in output.splitlines()[-80:]))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
