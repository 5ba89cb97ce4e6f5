#!/usr/bin/env python3
"""Prove the layering of lib/.

usage: tests/layering.py BUILD_DIR

Three lines of defence, each checked by what it leaves behind: the includes in the sources, the
undefined symbols of the static libraries, and the compiler, which must refuse a forbidden include.
Beside that, what the compiler must not take away, and how long a file may be.
Prints "ok NAME" or "not ok NAME" for each check, and the reasons; exits with 1 if one failed.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# A room and the rooms it may name directly; what those may include, it may include too.
BELOW = {
    'base': [],
    'wire': ['base'],
    'algo': ['base'],
    'flow': ['base'],
    'handler': ['base'],
    'pkt': ['wire'],
    'net': ['pkt', 'algo', 'flow'],
    'tcp': ['net', 'flow', 'handler'],
    'engine': ['tcp'],
    'match': ['base'],
    'handlers': ['handler', 'match'],
    'port': ['pkt'],
    'ctl': ['base'],
    'worker': ['engine', 'port', 'ctl'],
}

# The handler API is a public header, installed as pier/handler.h.
FOLDER_OF = {'pier': 'handler'}

# DPDK headers a room may include. Rooms without an entry: none.
ANY = None
DPDK_HEADERS = {
    'pkt': ANY,
    'net': ANY,
    'tcp': {'rte_mbuf.h', 'rte_mempool.h', 'rte_byteorder.h'},
    'engine': ANY,
    'port': ANY,
    'ctl': ANY,
    'worker': ANY,
}

# Headers that bring I/O, threads, logging or a clock, for the rooms that do without.
PURE = ['base', 'wire', 'algo', 'flow', 'handler', 'handlers', 'pkt', 'net', 'tcp', 'engine']
SYSTEM_HEADERS = {
    'assert.h', 'ctype.h', 'endian.h', 'errno.h', 'immintrin.h', 'emmintrin.h', 'inttypes.h',
    'limits.h', 'stdalign.h', 'stdarg.h', 'stdatomic.h', 'stdbool.h', 'stddef.h', 'stdint.h',
    'stdio.h', 'stdlib.h', 'string.h', 'strings.h', 'arpa/inet.h', 'netinet/in.h',
}
MORE_HEADERS = {
    # A file's time stamp and contents, read when the configuration is; the calendar for Date.
    # The CPU time that an iperf3 test took. JSON. Logarithms, for rr's times.
    'handlers': {'dirent.h', 'fcntl.h', 'sys/mman.h', 'sys/resource.h', 'sys/stat.h', 'time.h',
                 'unistd.h', 'cjson/cJSON.h', 'math.h'},
}

# Undefined symbols that are neither pier's nor a room's below. Bytes, text and the compiler's own.
PLAIN = r'''
    mem(cpy|move|set|cmp|chr|mem)(@.*)?  bcmp
    str(n?len|n?cmp|n?casecmp|n?chr|rchr|spn|cspn|pbrk|str|n?dup)
    __(memcpy|memmove|memset|strcpy|strcat|snprintf|vsnprintf)_chk
    v?snprintf  __stack_chk_fail  __assert_fail  __errno_location  abort
    __ctype_(b|tolower|toupper)_loc  tolower  toupper
    _GLOBAL_OFFSET_TABLE_  __tls_get_addr
    __(asan|ubsan|sanitizer)_\w+
'''
# Options as text own their strings; a sum of many values needs an allocation at configuration.
TEXT = r'malloc calloc realloc free v?asprintf __v?asprintf_chk strerror(_r)?'
# Tables sized at start; never on the data path (the room's tests count it).
START = r'malloc calloc realloc reallocarray aligned_alloc posix_memalign free'
PACKETS = r'''
    rte_mempool_\w+  rte_pktmbuf_\w+  rte_mbuf_\w+  __rte_mbuf_\w+  __rte_pktmbuf_\w+
    per_lcore__lcore_id  per_lcore__rte_errno  rte_mempool_ops_table  rte_panic_ __rte_panic
'''
SYMBOLS = {
    # A default that its own table refuses is a mistake in the source: said, then aborted. Addresses as text.
    'base': PLAIN + TEXT + ' fprintf __fprintf_chk stderr inet_(ntop|pton)',
    'wire': PLAIN,
    'algo': PLAIN + START,
    'flow': PLAIN + START,
    'handler': PLAIN,
    # The calendar, for Date and daytime; time that runs comes from the host.
    'handlers': PLAIN + TEXT + r' clock_gettime open(64)? close fstat(64)? (p?read|mmap|munmap)(64)? gmtime_r'
                # The files that http serves, read at setup.
                r' (fstatat|openat|readdir)(64)? fdopendir closedir dirfd madvise mprotect sysconf qsort timegm'
                r' aligned_alloc getrusage cJSON_\w+'
                # Times of rr's distributions; addresses as text, of proxy and of headers that name them.
                r' log exp inet_(ntop|pton) strtok_r strtoul(@.*)?'
                # In match_scan, which match's header has inline.
                r' hs_scan_stream',
    'pkt': PLAIN + PACKETS,
    'net': PLAIN + PACKETS,
    # The words of a chaos key, when the configuration is read.
    'tcp': PLAIN + PACKETS + ' strtod strtok_r',
    # Keys are wiped where they were copied on the stack.
    'engine': PLAIN + PACKETS + ' explicit_bzero',
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# Rooms that are built where a library is.
OPTIONAL = {'match'}
LINES_MAX = 600
FUNCTION_MAX = 60


def reach(room):
    """The room and every room below it."""
    seen, todo = set(), [room]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += BELOW[name]
    return seen


def sources(*folders):
    for folder in folders:
        for where, dirs, names in os.walk(os.path.join(ROOT, folder)):
            dirs.sort()
            for name in sorted(names):
                if name.endswith(('.c', '.h')):
                    yield os.path.join(where, name)


def short(path):
    return os.path.relpath(path, ROOT)


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def check_include(room, path, kind, name):
    """What is wrong with one #include, or None."""
    first = name.split('/')[0]
    if '..' in name.split('/'):
        return 'leaves its folder'
    if name.startswith('rte_'):
        allowed = DPDK_HEADERS.get(room, set())
        return None if allowed is ANY or name in allowed else 'is DPDK'
    if kind == '<':
        if room in PURE and name not in SYSTEM_HEADERS | MORE_HEADERS.get(room, set()):
            return 'is not for a room without clock and I/O'
        return None
    if '/' not in name:
        beside = os.path.join(os.path.dirname(path), name)
        return None if os.path.exists(beside) else 'is no header beside it'
    target = FOLDER_OF.get(first, first)
    if target not in BELOW:
        return 'names no room'
    return None if target in reach(room) else 'is not below'


def includes(room):
    problems = []
    for path in sources('lib/' + room):
        for kind, name in INCLUDE.findall(read(path)):
            wrong = check_include(room, path, kind, name)
            if wrong:
                problems.append(f'{short(path)}: {name} {wrong}')
    return problems


def app_includes():
    """Programs see public headers only: no private header of a room, no way up."""
    return [f'{short(path)}: {name} leaves its folder'
            for path in sources('app', 'bench')
            for kind, name in INCLUDE.findall(read(path))
            if kind == '"' and '..' in name.split('/')]


def table_is_complete():
    rooms = {d for d in os.listdir(ROOT + '/lib') if os.path.isdir(f'{ROOT}/lib/{d}')}
    return [f'lib/{room}: not in the table of tests/layering.py' for room in rooms - set(BELOW)] + \
           [f'{room}: in the table, but not in lib/' for room in set(BELOW) - rooms]


def library(build, room):
    return f'{build}/lib/{room}/libpier_{room}.a'


def nm(build, room):
    """(defined, undefined) symbols of a room's library."""
    text = subprocess.run(['nm', '-A', library(build, room)], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    defined, undefined = set(), set()
    for line in text.splitlines():
        kind, name = line.split()[-2:]
        (undefined if kind in 'Uw' else defined).add(name.split('@')[0])
    return defined, undefined


def symbols(build, room):
    known = set()
    for name in reach(room):
        if name not in OPTIONAL or os.path.exists(library(build, name)):
            known |= nm(build, name)[0]
    allowed = re.compile('|'.join(f'(?:{p})' for p in SYMBOLS[room].split()))
    defined, undefined = nm(build, room)
    if not defined:
        return [f'{library(build, room)} defines nothing: the check would prove nothing']
    return [f'{room} needs {name}' for name in sorted(undefined - known)
            if not allowed.fullmatch(name)]


def compile_flags(build, room):
    """The compile command of one file of the room, without its file names."""
    with open(build + '/compile_commands.json', encoding='utf-8') as f:
        commands = json.load(f)
    for entry in commands:
        path = os.path.normpath(os.path.join(entry['directory'], entry['file']))
        if short(path).startswith(f'lib/{room}/'):
            break
    else:
        raise LookupError(f'no compile command of lib/{room}')
    words = shlex.split(entry['command'])
    for option in ('-o', '-MF', '-MQ'):
        at = words.index(option)
        del words[at:at + 2]
    return entry['directory'], [w for w in words if w not in ('-c', '-MD', entry['file'])]


def compiles(build, room, header):
    directory, words = compile_flags(build, room)
    with tempfile.TemporaryDirectory() as tmp:
        with open(tmp + '/try.c', 'w', encoding='utf-8') as f:
            f.write(f'#include "{header}"\nint layering_try;\nint layering_try;\n')
        run = subprocess.run(words + ['-c', tmp + '/try.c', '-o', tmp + '/try.o'], cwd=directory,
                             text=True, stderr=subprocess.PIPE)
    return run.returncode == 0, run.stderr


def compiler(build, room, good, bad):
    problems = []
    for header in good:
        ok, err = compiles(build, room, header)
        if not ok:
            problems.append(f'lib/{room} cannot include {header}: {err.strip()[:400]}')
    for header in bad:
        ok, err = compiles(build, room, header)
        if ok:
            problems.append(f'lib/{room} can include {header}')
        elif header not in err or 'No such file' not in err and 'not found' not in err:
            problems.append(f'lib/{room}: {header} failed for another reason: {err.strip()[:400]}')
    return problems


def prefetches(build):
    """The call of a function that does nothing else stays, optimized as it will be."""
    directory, words = compile_flags(build, 'engine')
    with tempfile.TemporaryDirectory() as tmp:
        with open(tmp + '/try.c', 'w', encoding='utf-8') as f:
            f.write('#include "base/compiler.h"\n'
                    'static __attribute__((noinline)) void only(const char *p) { prefetch_write(p); }\n'
                    'void layering_try(const char *p);\n'
                    'void layering_try(const char *p) { only(p); }\n')
        subprocess.run(words + ['-O2', '-S', tmp + '/try.c', '-o', tmp + '/try.s'], cwd=directory, check=True)
        text = read(tmp + '/try.s')
    return [] if re.search(r'^\s*(prefetch|prfm)', text, re.M) else ['prefetch_write() is optimized away']


def long_files():
    return [f'{short(path)}: {n} lines, expected at most {LINES_MAX}'
            for path in sources('lib', 'app', 'bench')
            for n in [len(read(path).splitlines())] if n > LINES_MAX]


def long_functions():
    for path in sources('lib', 'app', 'bench'):
        start = None
        for n, line in enumerate(read(path).splitlines(), 1):
            if line == '{':
                start = n
            elif line == '}' and start:
                if n - start - 1 > FUNCTION_MAX:
                    yield f'{short(path)}:{start}: a function of {n - start - 1} lines'
                start = None


def checks(build):
    yield 'table', table_is_complete
    for room in BELOW:
        yield f'includes/{room}', lambda: includes(room)
    yield 'includes/app', app_includes
    for room in SYMBOLS:
        yield f'symbols/{room}', lambda: symbols(build, room)
    yield 'compiler/base', lambda: compiler(build, 'base', ['base/seq.h'],
                                            ['wire/sum.h', 'algo/rtt.h'])
    yield 'compiler/wire', lambda: compiler(build, 'wire', ['base/seq.h', 'wire/sum.h'],
                                            ['tcp/tcp.h', 'algo/rtt.h', 'pkt/facts.h'])
    yield 'compiler/handlers', lambda: compiler(build, 'handlers', ['pier/handler.h'],
                                                ['tcp/tcp.h', 'engine/engine.h', 'wire/tcp.h'])
    yield 'compiler/tcp', lambda: compiler(build, 'tcp', ['net/net.h', 'flow/table.h'],
                                           ['engine/engine.h', 'worker/worker.h', 'port/port.h'])
    yield 'compiler/ctl', lambda: compiler(build, 'ctl', ['base/option.h'],
                                           ['wire/tcp.h', 'worker/worker.h'])
    yield 'compiler/prefetch', lambda: prefetches(build)
    yield 'file length', long_files


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: tests/layering.py BUILD_DIR')
    failed = 0
    for name, check in checks(os.path.abspath(sys.argv[1])):
        try:
            problems = check()
        except (LookupError, OSError, ValueError, subprocess.CalledProcessError) as e:
            problems = [f'{type(e).__name__}: {e}']
        print('not ok' if problems else 'ok', name)
        for problem in problems:
            print('   ', problem)
        failed += bool(problems)
    for warning in long_functions():
        print('# warning:', warning)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
