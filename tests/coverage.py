#!/usr/bin/env python3
"""Line and branch coverage of the rooms that hold TCP, out of a build with -Db_coverage=true.

usage: tests/coverage.py BUILD_DIR [UNCOVERED_FILE]

Prints a table by file with the lines that no test reached, and for each room "ok ROOM N % lines, N %
branches", or "not ok" where fewer than LEAST percent of the lines were reached. UNCOVERED_FILE gets
file:line and the text of each line not reached. Needs gcovr; what was run before is what counts.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOMS = ('lib/tcp', 'lib/algo')
LEAST = 95.0
ROOT = pathlib.Path(__file__).resolve().parent.parent


def gcovr(build):
    """The files part of gcovr's JSON report."""
    with tempfile.NamedTemporaryFile(suffix='.json') as report:
        command = ['gcovr', '--root', str(ROOT), '--object-directory', build, '-j', '2',
                   '--exclude-unreachable-branches', '--json', report.name]
        for room in ROOMS:
            command += ['--filter', f'{ROOT}/{room}/']
        subprocess.run(command + [build], check=True)
        return json.load(open(report.name, encoding='utf-8'))['files']


class Count:
    def __init__(self):
        self.lines = self.reached = self.branches = self.taken = 0
        self.missed = []

    def add(self, other):
        self.lines += other.lines
        self.reached += other.reached
        self.branches += other.branches
        self.taken += other.taken

    def percent_lines(self):
        return 100.0 * self.reached / self.lines if self.lines else 100.0

    def percent_branches(self):
        return 100.0 * self.taken / self.branches if self.branches else 100.0


def count(file):
    total = Count()
    for line in file['lines']:
        if line.get('gcovr/noncode'):
            continue
        total.lines += 1
        total.reached += line['count'] > 0
        if not line['count']:
            total.missed.append(line['line_number'])
        total.branches += len(line['branches'])
        total.taken += sum(branch['count'] > 0 for branch in line['branches'])
    return total


def ranges(numbers):
    out = []
    for n in numbers:
        if out and out[-1][1] + 1 == n:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ' '.join(str(a) if a == b else f'{a}-{b}' for a, b in out)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split('\n')[2])
    files = {file['file']: count(file) for file in gcovr(sys.argv[1])}
    if len(sys.argv) == 3:
        with open(sys.argv[2], 'w', encoding='utf-8') as out:
            for name, total in sorted(files.items()):
                source = (ROOT / name).read_text(encoding='utf-8').splitlines()
                for n in total.missed:
                    print(f'{name}:{n}: {source[n - 1].strip()}', file=out)
    failed = False
    for room in ROOMS:
        sums = Count()
        for name, total in sorted(files.items()):
            if name.startswith(room + '/'):
                sums.add(total)
                print(f'    {name:36} {total.percent_lines():5.1f} % of {total.lines:4} lines '
                      f'{total.percent_branches():5.1f} % of {total.branches:4} branches  '
                      f'{ranges(total.missed)}'.rstrip())
        bad = sums.percent_lines() < LEAST or not sums.lines
        failed |= bad
        print(f'{"not ok" if bad else "ok"} {room} {sums.percent_lines():.1f} % lines, '
              f'{sums.percent_branches():.1f} % branches')
    sys.exit(failed)


if __name__ == '__main__':
    main()
