#!/usr/bin/env python3
"""The conformance table: which row of tests/rows is proved by which tests of a run.

usage: tests/conformance.py [--summary | --check | --readme] RESULTS

RESULTS has lines "ok NAME", "not ok NAME", "skip NAME", as tests/run writes to build-test/results and
tests/tally.py prints. A test proves the rows that its name begins with: SCK_02_SCK_03_newest_first.
A row is proved if at least one test has its name and each that has it passed.

    (nothing)   print the whole table
    --summary   print the totals and the rows that are not proved
    --check     print nothing but whether README.md and tests/CONFORMANCE.md are as RESULTS has it
    --readme    write both

Exits with 1 if a row failed or is missing, and with 2 if something contradicts itself: a declaration
of what a test proves, a test named after a row that is not there, a file that is not up to date.
"""
import argparse
import collections
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
README = HERE.parent / 'README.md'
TABLE = HERE / 'CONFORMANCE.md'
BEGIN, END = '<!-- conformance: begin (tests/conformance.py --readme) -->\n', '<!-- conformance: end -->\n'

LINE = re.compile(r'^(ok|not ok|skip) (.*)$')
TEST = re.compile(r'^[A-Z][A-Z0-9]{0,2}_\d\w*$')
ID = re.compile(r'([A-Z][A-Z0-9]{0,2})_(\d\d)_')

Row = collections.namedtuple('Row', 'id identifiers rfc level profile what declared heading')
# What the table says of a row: kind is one of the keys of KINDS.
Verdict = collections.namedtuple('Verdict', 'kind text tests')

KINDS = {
    'proved': 'proved',
    'but': 'proved in part',
    'pending': 'pending',
    'out': 'declared out',
    'missing': 'missing',
    'failed': 'failed',
}
NEEDS = {'ipv6': 'IPv6', 'vlan': 'VLAN tags', 'udp': 'UDP'}


def read_rows():
    """(rows by id, deviations as pairs) of tests/rows."""
    rows, deviations, heading = {}, [], None
    for number, line in enumerate((HERE / 'rows').read_text(encoding='utf-8').splitlines(), 1):
        if line.startswith('['):
            heading = line[1:-1]
            continue
        if not line or line.startswith('#'):
            continue
        fields = [field.strip() for field in line.split(' | ')]
        if heading == 'deviations':
            deviations.append(fields)
            continue
        if len(fields) == 6:
            fields.append('')
        if len(fields) != 7 or fields[0] in rows:
            sys.exit(f'tests/rows:{number}: not a row, or there twice')
        rows[fields[0]] = Row(*fields, heading)
    return rows, deviations


def read_tests(path):
    """{test: 'ok' | 'not ok' | 'skip'}: a test that ran in several builds failed if it did in one."""
    tests = {}
    worst = ['skip', 'ok', 'not ok']
    for line in pathlib.Path(path).read_text(encoding='utf-8').splitlines():
        match = LINE.match(line)
        for word in match[2].split() if match else []:
            if TEST.match(word):
                tests[word] = max(match[1], tests.get(word, 'skip'), key=worst.index)
    return tests


def rows_of(test):
    """Ids at the front of a test's name."""
    ids = []
    rest = test
    while match := ID.match(rest):
        ids.append(f'{match[1]}-{match[2]}')
        rest = rest[match.end():]
    return ids


def verdict(row, tests, verdicts):
    """One row's Verdict. tests: [(name, word)] of those named after it."""
    kind, _, rest = row.declared.partition(' ')
    names = [name for name, _ in tests]
    words = [word for _, word in tests]
    passed = 'ok' in words and 'not ok' not in words
    if 'not ok' in words:
        return Verdict('failed', 'failed', names)
    if kind == 'by':
        of = rest.split()
        if all(verdicts[other].kind == 'proved' for other in of):
            return Verdict('proved', 'proved by ' + ', '.join(of), names)
        return Verdict('missing', 'missing: rests on ' + ', '.join(of), names)
    if kind == 'pending':
        return Verdict('pending', f'pending: {NEEDS[rest]}', names)
    if kind == 'out:':
        return Verdict('out', f'declared out: {rest}', names)
    if not passed:
        return Verdict('missing', 'missing', names)
    if kind == 'but':
        return Verdict('but', f'proved but for {NEEDS.get(rest, rest)}', names)
    return Verdict('proved', 'proved', names)


def judge(rows, tests):
    """({row id: Verdict}, [contradictions])"""
    named = collections.defaultdict(list)
    wrong = []
    for test, word in sorted(tests.items()):
        ids = rows_of(test)
        for name in ids:
            if name in rows:
                named[name].append((test, word))
            else:
                wrong.append(f'{test} names {name}, which is no row')
        if not ids:
            wrong.append(f'{test} begins like a row and names none')
    verdicts = {}
    for row in sorted(rows.values(), key=lambda row: row.declared.startswith('by ')):
        verdicts[row.id] = verdict(row, named[row.id], verdicts)
        if verdicts[row.id].kind in ('pending', 'out') and any(w == 'ok' for _, w in named[row.id]):
            wrong.append(f'{row.id} is declared "{row.declared}", and {named[row.id][0][0]} passes')
    return {name: verdicts[name] for name in rows}, wrong


def headings(rows):
    by = collections.OrderedDict()
    for row in rows.values():
        by.setdefault(row.heading, []).append(row)
    return by


def totals(verdicts):
    count = collections.Counter(v.kind for v in verdicts)
    return ', '.join(f'{count[kind]} {text}' for kind, text in KINDS.items()
                     if count[kind] or kind in ('proved', 'missing', 'failed'))


def print_table(rows, verdicts):
    for heading, group in headings(rows).items():
        print(f'\n{heading}: {totals(verdicts[row.id] for row in group)}')
        for row in group:
            v = verdicts[row.id]
            print(f'  {row.id:7} {v.text:32} {", ".join(v.tests)}')


def print_summary(rows, verdicts):
    for kind in ('but', 'pending', 'out', 'missing', 'failed'):
        texts = collections.OrderedDict()
        for name, v in verdicts.items():
            if v.kind == kind:
                texts.setdefault(v.text, []).append(name)
        for text, names in texts.items():
            print(f'{text}: {" ".join(names)}')
    print(f'{len(rows)} rows: {totals(verdicts.values())}')


def spans(names):
    """IP-12, IP-13, IP-14 -> IP-12..14"""
    out = []
    for name in names:
        prefix, _, number = name.partition('-')
        if out and out[-1][0] == prefix and out[-1][2] + 1 == int(number):
            out[-1][2] += 1
        else:
            out.append([prefix, int(number), int(number)])
    return ', '.join(f'{p}-{a:02}' if a == b else f'{p}-{a:02}..{b:02}' for p, a, b in out)


def count_table(rows, verdicts):
    kinds = ('proved', 'but', 'pending', 'out', 'missing')
    yield '| Heading | Rows | ' + ' | '.join(KINDS[kind].capitalize() for kind in kinds) + ' |'
    yield '|---' + '|---:' * (len(kinds) + 1) + '|'
    everything = [('**All**', list(rows.values()))]
    for heading, group in list(headings(rows).items()) + everything:
        count = collections.Counter(verdicts[row.id].kind for row in group)
        count['missing'] += count['failed']
        yield (f'| {heading} | {len(group)} | ' +
               ' | '.join(str(count[kind] or '') for kind in kinds) + ' |')


def readme(rows, deviations, verdicts):
    lines = [f'{len(rows)} rows say what a complete TCP is: RFC 9293 with its 119 identifiers, and the '
             'RFCs around it. A row counts as proved if a test that bears its name passes. Every row '
             'with its tests: [tests/CONFORMANCE.md](tests/CONFORMANCE.md).', '']
    lines += count_table(rows, verdicts)
    by = collections.OrderedDict()
    for kind in ('but', 'pending', 'out', 'missing'):
        for name, v in verdicts.items():
            if v.kind == kind or kind == 'missing' and v.kind == 'failed':
                by.setdefault(v.text, []).append(name)
    lines.append('')
    for text, names in by.items():
        lines.append(f'- {text[0].upper()}{text[1:]}: {spans(names)}')
    lines += ['- Not implemented, of RFC 9293\'s identifiers: MUST-51, MUST-52, MUST-53 and SHLD-24 '
              '(source routing, see below)', '',
              '### Where it deviates from the RFCs, and why', '',
              '| Subject | What pier does |', '|---|---|']
    lines += [f'| {subject} | {what} |' for subject, what in deviations]
    return '\n'.join(lines) + '\n'


def table(rows, verdicts):
    lines = ['# Conformance', '',
             'Written by `tests/conformance.py --readme`, from [rows](rows) and the results of a run. '
             'The number in the second column is an identifier of RFC 9293, appendix B; a section '
             'without an RFC is of RFC 9293, and "pier" a rule of our own.', '',
             totals(verdicts.values()).capitalize() + f'; {len(rows)} rows.']
    for heading, group in headings(rows).items():
        lines += ['', f'## {heading}', '', '| Row | | RFC | Level | Profile | What | Result | Tests |',
                  '|---|---|---|---|---|---|---|---|']
        for row in group:
            v = verdicts[row.id]
            lines.append(f'| {row.id} | {row.identifiers.replace(" ", ", ")} | {row.rfc} | '
                         f'{row.level} | {row.profile} | {row.what} | {v.text} | '
                         f'{", ".join(f"`{name}`" for name in v.tests)} |')
    return '\n'.join(lines) + '\n'


def documents(rows, deviations, verdicts):
    """{path: what it should contain}"""
    text = README.read_text(encoding='utf-8')
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f'{README}: no section between "{BEGIN.strip()}" and "{END.strip()}"')
    return {README: before + BEGIN + readme(rows, deviations, verdicts) + END + after,
            TABLE: table(rows, verdicts)}


def stale(texts):
    return [path for path, text in texts.items()
            if not path.exists() or path.read_text(encoding='utf-8') != text]


def main():
    parser = argparse.ArgumentParser(add_help=True, usage=__doc__.split('\n')[2][7:])
    for mode in ('summary', 'check', 'readme'):
        parser.add_argument('--' + mode, action='store_true')
    parser.add_argument('results')
    args = parser.parse_args()
    rows, deviations = read_rows()
    verdicts, wrong = judge(rows, read_tests(args.results))
    if args.readme:
        for path, text in documents(rows, deviations, verdicts).items():
            path.write_text(text, encoding='utf-8')
    elif args.check:
        wrong += [f'{path.relative_to(HERE.parent)} is not up to date: see tests/conformance.py --readme'
                  for path in stale(documents(rows, deviations, verdicts))]
    elif args.summary:
        print_summary(rows, verdicts)
    else:
        print_table(rows, verdicts)
        print()
        print_summary(rows, verdicts)
    for text in wrong:
        print(text, file=sys.stderr)
    if wrong:
        sys.exit(2)
    sys.exit(any(v.kind in ('missing', 'failed') for v in verdicts.values()))


if __name__ == '__main__':
    main()
