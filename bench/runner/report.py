"""Tables and plots out of bench/results."""

import json
import shutil
import subprocess
import sys
import tempfile

from . import common, link

MATCH_BEGIN, MATCH_END = "<!-- match: begin (bench/run --readme) -->", "<!-- match: end -->"
BEGIN, END = "<!-- figures: begin (bench/run --readme) -->", "<!-- figures: end -->"
PARTS = ["noport", "stages", "instructions", "ring", "workers", "memif", "bulk", "latency", "overload", "kernel",
         "load", "others"]

# What bench_noport's names mean.
NOPORT = {
    "parse": "Parse and verify a segment, 64 bytes of payload", "lookup": "Hash and find a connection",
    "refuse": "Refuse a SYN under overload", "refuse_parsed": "the same, parsed first",
    "echo": "Echo of 64 bytes, the next message acknowledges",
    "echo_rest": "Echo of 64 bytes, connections at rest",
    "request": "HTTP request, kept alive, the next acknowledges",
    "request_rest": "HTTP request, connections at rest",
    "request_plain": "HTTP request, client without timestamps and SACK",
    "short": "Short HTTP connection, 3 packets each way",
    "short_plain": "Short HTTP connection, client without timestamps and SACK",
}
LINES = {
    "short": "Short HTTP connections", "short_work": "the same, 10 microseconds of work for each",
    "short_plain": "the same, client without timestamps and SACK",
    "request": "HTTP requests, kept alive", "request_plain": "the same, without timestamps and SACK",
    "echo": "Echo, 64 bytes", "swap": "5tswap (our loop), 64 bytes", "macswap": "macswap (our loop)",
    "testpmd_macswap": "testpmd macswap, 64 bytes", "testpmd_5tswap": "testpmd 5tswap, 64 bytes",
    "bulk_echo": "Bulk echo, 1,448-byte segments", "bulk_answers": "HTTP answers of one full segment",
    "bulk_send": "Bulk send (chargen)", "bulk_receive": "Bulk receive (discard)",
    "testpmd_bulk": "testpmd 5tswap, the same packets",
    "testpmd_bulk_csum": "testpmd csum, the same packets, each summed once",
    "bulk_swap": "5tswap (our loop), the same packets",
}
# The design's estimates (cycles of a 2.0 GHz TSC): short connection, request.
DESIGN = [("link I/O (memif)", 710, 235), ("parse, verify sums, hash, lookup", 105, 40),
          ("SYN: listener, ISN, reuse, record, SYN-ACK", 130, None),
          ("data: promote or guard, RTT and CC, in-flight, handler, build", 140, 105),
          ("FIN: free, TIME-WAIT, ACK", 110, None), ("ready list, counters, deadline", 20, 15),
          ("total", 1215, 395)]


def number(value, unit=1.0, digits=0):
    return "-" if value is None else f"{value / unit:,.{digits}f}"


def spread(s, unit=1.0, digits=0):
    if not s:
        return "-"
    return f"{number(s['median'], unit, digits)} ({number(s['min'], unit, digits)} - {number(s['max'], unit, digits)})"


def rate(s, counts):
    if not s:
        return "-"
    if counts == "bit/s":
        return spread(s, 1e9, 2) + " Gbit/s"
    return spread(s, 1e6, 3) + " M" + counts.replace("packets", "p")


def count_name(name):
    digits = name.rsplit("_", 1)[-1]
    if not digits[:1].isdigit():
        return name, ""
    words = digits.replace("k", " thousand").replace("m", " million")
    return name.rsplit("_", 1)[0], f", {words}"


def noport_table(figures, counted):
    lines = ["| Without a port | Cycles | Instructions |", "|---|---:|---:|"]
    for name, value in figures.items():
        if not isinstance(value, dict) or name.startswith("short_phases"):
            continue
        kind, size = count_name(name)
        total = value.get("total", value)
        parts = " + ".join(f"{k} {value[k]['median']:.0f}" for k in ("parse", "input", "output", "tick")
                           if k in value)
        parts += f"; ACK {value['ack']['total']['median']:.0f}" if "ack" in value else ""
        v4 = kind.removesuffix("6")
        title = NOPORT.get(v4, v4) + size + (", IPv6" if kind != v4 else "") + (f": {parts}" if parts else "")
        lines.append(f"| {title} | {spread(total)} | {number(counted.get(name, {}).get('total'))} |")
    return lines


def stage_table(figures):
    names = ["parse", "steer", "lookup", "input", "ready", "handler", "output", "build", "tick"]
    found = [k for k, v in figures.items() if isinstance(v, dict)]
    lines = ["| Stage, cycles | " + " | ".join(LINES.get(count_name(k)[0], k) for k in found) + " |",
             "|---|" + "---:|" * len(found)]
    for name in names:
        cells = [spread(figures[k].get(name)) for k in found]
        if any(c != "-" for c in cells):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def median(tree, *path):
    for key in path:
        tree = (tree or {}).get(key)
    return tree["median"] if isinstance(tree, dict) and "median" in tree else None


def design_rows(r):
    """The design's rows, measured: without a port by phase, and the link as what is left of a memif's."""
    noport, stages, memif = (r.get(k, {}).get("figures", {}) for k in ("noport", "stages", "memif"))
    wire = [median(memif, k, "server_cycles_per_unit") for k in ("short", "request")]
    bare = [median(noport, k, "total") for k in ("short_1k", "request_1k")]
    find = [sum(median(stages, k, s) or 0 for s in ("parse", "steer", "lookup")) or None
            for k in ("short_1k", "request_1k")]
    steer = (median(stages, "short_1k", "steer") or 0) / 3

    def phase(name):
        parts = [median(noport, "short_phases_1k", name, c) for c in ("input", "output")]
        return None if None in parts else sum(parts) - steer
    data = None
    if bare[1] and find[1]:
        data = bare[1] - find[1] - (median(noport, "request_1k", "tick") or 0)
    return [[w - b if w and b else None for w, b in zip(wire, bare)], find, [phase("syn"), None],
            [phase("request"), data], [phase("fin"), None],
            [median(noport, k, "tick") for k in ("short_1k", "request_1k")], wire]


def design_table(r):
    lines = ["| Where the cycles go | Short connection, design | measured | Request, design | measured |",
             "|---|---:|---:|---:|---:|"]
    for (name, short, request), (a, b) in zip(DESIGN, design_rows(r)):
        lines.append(f"| {name} | {number(short)} | {number(a)} | {number(request)} | {number(b)} |")
    return lines


def link_table(title, figures):
    lines = [f"| {title} | Rate | Limited by | Server's cycles a unit | a packet | Server, client busy | "
             "Sent again, lost |", "|---|---:|---|---:|---:|---:|---:|"]
    for key, v in figures.items():
        busy = ", ".join("-" if not v[k] else f"{v[k]['median']:.0%}" for k in ("server_busy", "client_busy"))
        lost = v["hidden"] + v["mbufs_lost"] + sum(v["server_drops"].values())
        lines.append(f"| {LINES[key]} | {rate(v['rate'], v['counts'])} | {v['bound']} | "
                     f"{spread(v['server_cycles_per_unit'])} | {spread(v['server_cycles_per_packet'])} | "
                     f"{busy} | {v['retransmissions']}, {lost} |")
    return lines + line_notes(figures)


def line_notes(figures):
    """Where the CPUs stood in what the table has, and what was left out because they stood elsewhere."""
    here = common.series([v["line_ns"]["median"] for v in figures.values() if v.get("line_ns")])
    there = {k: v["elsewhere"] for k, v in figures.items() if v.get("elsewhere", {}).get("rate")}
    if not here:
        return []
    lines = ["", f"A cache line took {number(here['median'])} ns from one CPU to the other and back."]
    if there:
        ns = common.series([v["line_ns"]["median"] for v in there.values()])
        rates = "; ".join(f"{LINES[k]} {rate(v['rate'], figures[k]['counts'])}" for k, v in there.items())
        lines[-1] += f" In {sum(v['rate']['runs'] for v in there.values())} samples more it took {number(ns['median'])}: {rates}."
    moved = sum(v.get("moved", 0) for v in figures.values())
    if moved:
        lines[-1] += f" In {moved} the CPUs moved."
    return lines


def ratio(a, b, key="rate"):
    x, y = median(a or {}, key), median(b or {}, key)
    return x / y if x and y else None


CYCLES = "server_cycles_per_packet" # where the client limits testpmd, its rate flatters pier
LINK_BARS = [("Echo : testpmd macswap, packets a second", "memif", "echo", "testpmd_macswap", "rate", 0.6),
             ("the same, by the server's cycles a packet", "memif", "testpmd_macswap", "echo", CYCLES, 0.6),
             ("Bulk echo : testpmd 5tswap, bytes", "bulk", "bulk_echo", "testpmd_bulk", "rate", 0.85),
             ("Bulk send : testpmd 5tswap, bytes", "bulk", "bulk_send", "testpmd_bulk", "rate", 0.85),
             ("Bulk echo : testpmd csum, which sums each payload once", "bulk", "bulk_echo", "testpmd_bulk_csum", "rate",
              0.85),
             ("Bulk send : testpmd csum", "bulk", "bulk_send", "testpmd_bulk_csum", "rate", 0.85)]


def link_bars(r):
    for title, part, a, b, key, want in LINK_BARS:
        f = r.get(part, {}).get("figures", {})
        here, there = ((f.get(a), f.get(b)) for f in (f, {k: v.get("elsewhere") for k, v in f.items()}))
        yield title, ratio(*here, key), ratio(*there, key), want


def dperf_bars(r):
    others = r.get("others", {}).get("figures", {})
    for key, title in (("short", "Short connections"), ("keepalive", "Requests, kept alive")):
        ours, theirs = (others.get(f"dperf_{key}_{who}") for who in ("pier", "dperf"))
        if ours and theirs:
            a, b = (x["row"].get("elsewhere") for x in (ours, theirs))
            rates, cycles = (a["rate"] / b["rate"], b["cycles"] / a["cycles"]) if a and b else (None, None)
            yield f"{title} of dperf's client, pier : dperf's server", ratio(ours, theirs), rates, 1
            yield "the same, by the server's cycles for each", theirs["row"]["cycles"] / ours["row"]["cycles"], cycles, 1


def kernel_bars(r):
    memif, kernel = (r.get(k, {}).get("figures", {}) for k in ("memif", "kernel"))
    for key, title, want in (("short", "connections", 15), ("request", "requests", 10)):
        theirs = median(kernel.get(key, {}), "rate_per_core")
        here, there = (median(v, "rate") for v in (memif.get(key, {}), memif.get(key, {}).get("elsewhere", {})))
        yield (f"pier : nginx on the kernel, {title} a second and core",
               *(x / theirs if x and theirs else None for x in (here, there)), want)


OVERLOADS = {"short": "Short connections", "short_work": "the same, with 10 microseconds of work for each",
             "request": "Requests, kept alive"}


def overload_bars(r):
    """What is left at twice what pier carries, of the most that was seen of it: offered or as fast as it went."""
    for key, v in r.get("overload", {}).get("figures", {}).items():
        goodput = {p["offered"]: median(p, "goodput") for p in v["points"]}
        if 2.0 in goodput:
            most = max([v["full_rate"], *filter(None, goodput.values())])
            yield f"{OVERLOADS[key]}, offered twice what pier carries : the most", (goodput[2.0] or 0) / most, None, 0.9


def bar_table(r):
    """What issue and design ask for, as ratios within a run: where the CPUs stood most of the time, and elsewhere."""
    lines = ["| Bar | Measured | CPUs elsewhere | Wanted |", "|---|---:|---:|---:|"]
    lines += [f"| {t} | {number(here, 1, 2)} | {number(there, 1, 2)} | at least {want} |"
              for t, here, there, want in [*link_bars(r), *dperf_bars(r), *kernel_bars(r), *overload_bars(r)]]
    return lines + latency_bar(r)


def latency_bar(r):
    v = r.get("latency", {}).get("figures", {}).get("ring_echo", {})
    half = v.get("loads", {}).get("0.5")
    if not half:
        return []
    lines, quiet = [], half.get("undisturbed")
    if quiet:
        seen = v.get("control", {}).get("seen")
        there = ((v.get("elsewhere") or {}).get("half") or {}).get("added", {}).get("p99")
        lines.append("| Latency added at half load over rings, p99, microseconds, while neither CPU was stopped | "
                     f"{spread(quiet['added']['p99'], 1000, 1) if seen else 'not told: the control failed'} | {spread(there, 1000, 1)} | "
                     "below 5 |")
    lines.append(f"| {'the same, of all' if quiet else 'Latency added at half load over rings, p99, microseconds'} | "
                 f"{spread(half['added']['p99'], 1000, 1)} | - | below 5 |")
    return lines


def latency_cells(x):
    own = ", ".join(number(median(x, "link", p), 1000, 1) for p in ("p50", "p99"))
    return [*(spread(x["added"][p], 1000, 1) for p in ("p50", "p99", "p999")), own]


def latency_table(figures):
    """All units, and those of windows in which neither poller was stopped; results before that have the first only."""
    lines = ["| Latency added, microseconds | Load | p50 | p99 | p99.9 | The link's own p50, p99 | Windows kept, pier's, "
             "the link's |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name, v in figures.items():
        for load, x in v["loads"].items():
            title, quiet = name.replace("_", ", "), x.get("undisturbed")
            at = f"{float(load):.0%} of {x['rate'] / float(load) / 1e6:.2f} M/s"
            if quiet:
                kept = ", ".join(f"{m:.0%}" if m is not None else "-" for m in
                                 (median(quiet, "kept", k) for k in ("pier", "link")))
                lines.append(" | ".join([f"| {title}, undisturbed", at, *latency_cells(quiet), kept]) + " |")
            lines.append(" | ".join([f"| {title}, all", at, *latency_cells(x), "100%"]) + " |")
        if "control" in v:
            c = v["control"]
            lines.append(" | ".join([f"| {name.replace('_', ', ')}, undisturbed, control: a handler that stalls for "
                                     f"{c['stall_ns'] / 1000:.0f} microseconds every {c['every']:,} messages", "50%",
                                     *latency_cells(c), number(median(c, "kept", "pier"), 0.01, 0) + "%"]) + " |")
    return lines + latency_notes(figures)


def latency_notes(figures):
    """Long turns, of pier and of the loop that swaps; controls that did not show what they should."""
    found = [(name, v["loads"].get("0.5", {}).get("undisturbed", {}).get("stops_a_second")) for name, v in figures.items()]
    words = [f"{name.replace('_', ', ')}: {s['pier']['waiting']:,.0f} and {s['pier']['working']:,.0f}, "
             f"the link {s['link']['waiting']:,.0f} and {s['link']['working']:,.0f}" for name, s in found if s]
    near = [(name, v["line_ns"]["median"]) for name, v in figures.items() if v.get("line_ns")]
    stood = ["", "A cache line took there and back, in nanoseconds: " + ", ".join(
        f"{name.replace('_', ', ')} {ns:.0f}" for name, ns in near) + "."] if near else []
    lines = stood + ["", "Turns of the server of more than 10 microseconds at half load, a second of waiting and a second of work: "
             + "; ".join(words) + "."] if words else stood
    blind = [name for name, v in figures.items() if "control" in v and not v["control"]["seen"]]
    if blind:
        lines += ["", "**The control's stall does not show, so undisturbed figures say nothing:** " + ", ".join(blind) + "."]
    return lines


def overload_table(figures):
    lines = ["| Offered, of what pier carries | Goodput, M/s | Latency p50, p99, ms | Limited by | Failed, sent "
             "again, not taken by the link, not offered |", "|---|---:|---:|---|---:|"]
    for key, v in figures.items():
        for p in v["points"]:
            ms = ", ".join(number(p["latency_ns"][q]["median"], 1e6, 3) for q in ("p50", "p99"))
            lines.append(f"| {LINES[key]}, {p['offered']} of {v['full_rate'] / 1e6:.3f} M/s | "
                         f"{spread(p['goodput'], 1e6, 3)} | {ms} | {p['bound']} | {p['failed']}, {p['resent']}, "
                         f"{p['link_full']}, {p['unsent']} |")
    return lines


def kernel_table(figures):
    names = {"echo": "epoll echo, 64 bytes", "request": "nginx, requests, kept alive",
             "short": "nginx, short connections"}
    lines = ["| Kernel | Rate | A full core | CPU, microseconds a unit | Limited by |", "|---|---:|---:|---:|---|"]
    for key, v in figures.items():
        lines.append(f"| {names[key]} | {spread(v['rate'], 1e3, 1)} k{v['counts']} | "
                     f"{spread(v['rate_per_core'], 1e3, 1)} k/s | {spread(v['cpu_us'], 1, 2)} | {v['bound']}"
                     f"{', the client had ' + str(v['errors']) + ' errors' if v.get('errors') else ''} |")
    return lines


def generic_table(title, figures):
    lines = [f"| {title} | Rate | Limited by | Notes |", "|---|---:|---|---|"]
    for key, v in figures.items():
        lines.append(f"| {v.get('title', key)} | {rate(v.get('rate'), v.get('counts', '/s'))} | "
                     f"{v.get('bound', '-')} | {v.get('notes', '')} |")
    return lines


CONTROL_LOOPS = {"alu": "registers", "cache": "256 KiB", "memory": "64 MiB"}
WORKERS = {"one": "One worker, its peer in its loop", "steered": "the same, each packet hashed",
           "apart": "Two lanes that share nothing", "home": "Two workers, packets at their owner",
           "away": "Two workers, every packet handed over"}


def workers_table(f):
    lines = ["| Workers, rings, echo of 64 bytes | Packets | To one | Cycles a packet, peer included |",
             "|---|---:|---:|---:|"]
    for key, title in WORKERS.items():
        share = f[f"{key}_pps"]["median"] / f["one_pps"]["median"]
        lines.append(f"| {title} | {spread(f[key + '_pps'], 1e6, 2)} M/s | {share:.2f} | "
                     f"{spread(f[key + '_cycles'])} |")
    for key, title in CONTROL_LOOPS.items():
        ratio = f.get(f"control_{key}_two_to_one")
        if ratio:
            lines.append(f"| Control, two loops to one: {title} | - | {spread(ratio, 1, 2)} | - |")
    return lines


MATCH_SETS = {"rules_1": "1 literal", "rules_1_class": "1 of character classes", "rules_1_repeat": "1 bounded repeat",
              "rules_100": "100", "rules_2000": "2,000"}
MATCH_SHAPES = {"64": "64", "512": "512", "1448": "1,448", "8948": "8,948", "44x1448": "44 x 1,448, joined by the port"}


def match_table(f):
    """Throughput through TCP as a part of the bare loop's, and what TCP and handler cost beside the scan."""
    lines = ["| Rules | Bytes of a segment | Bare, cycles | Through TCP, cycles | TCP : bare | the same, checksums "
             "in software | Cost beside the scan, cycles |", "|---|---|---:|---:|---:|---:|---:|"]
    for key, rules in MATCH_SETS.items():
        for size, title in MATCH_SHAPES.items():
            v = f.get(f"{key}_bytes_{size}")
            if v:
                lines.append(f"| {rules} | {title} | {spread(v['bare_cycles'])} | {spread(v['tcp_cycles'])} | "
                             f"{number(v['bare_to_tcp']['median'], 1, 2)} | "
                             f"{number(median(v, 'bare_to_soft'), 1, 2)} | {number(v['cost_cycles']['median'])} |")
    lines += ["", "| Rules | Context, bytes a connection | its stream, open | at rest |", "|---|---:|---:|---:|"]
    for key, rules in MATCH_SETS.items():
        v = f.get(f"{key}_memory")
        if v:
            lines.append(f"| {rules} | {v['context']} | {number(v['open'])} | {number(v['resting'])} |")
    for key, title in (("stall_matches", "200 rules that match at each byte"),
                       ("stall_states", "40 rules of repeats over repeats")):
        if key in f:
            s = f[key]["turn_us"]
            lines += [""] if key == "stall_matches" else []
            lines.append(f"{title}, jumbo frames: a turn takes {number(s['median'])} microseconds, 90 % of them less "
                         f"than {number(s['high'])}.")
    return lines


def head(r):
    m = r["machine"]
    return (f"{r['date']}, {m['cpu']} ({m['cpus']} CPUs, virtual: {m['virtual']}), kernel {m['kernel']}, DPDK "
            f"{m['dpdk']}, {m['compiler']}, commit {m['commit']}")


def text(results):
    out, counted = [], results.get("instructions", {}).get("figures", {})
    tables = {
        "noport": lambda f: noport_table(f, counted), "stages": stage_table,
        "ring": lambda f: link_table("Rings, one process", f),
        "workers": workers_table,
        "memif": lambda f: link_table("memif, two processes", f),
        "bulk": lambda f: link_table("memif, bytes", f), "latency": latency_table,
        "overload": overload_table, "kernel": kernel_table, "match": match_table,
        "load": lambda f: generic_table("pier-load", f), "others": lambda f: generic_table("Others", f)}
    heads = {head(r) for r in results.values()}
    if len(heads) == 1:
        out += [heads.pop() + ".", ""]
    for part in PARTS + ["match"]:
        if part not in results:
            continue
        figures = results[part]["figures"]
        if heads:
            out += [f"{part}: {head(results[part])}.", ""]
        if figures and part in tables:
            out += tables[part](figures) + [""]
    if "memif" in results and "noport" in results:
        out += design_table(results) + [""]
    if "memif" in results:
        out += bar_table(results) + [""]
    missing = [f"{n['what']} ({n['why']})" for r in results.values() for n in r["not_run"]]
    thrown = sum(r["thrown_out"] for r in results.values())
    out.append(f"Samples thrown out because the CPUs were disturbed, and repeated: {thrown}. "
               f"Not run: {'; '.join(missing) if missing else 'nothing'}.")
    return "\n".join(out)


def load(quick=False):
    results = {}
    for part in PARTS:
        path = common.RESULTS / (f"{part}-quick.json" if quick else f"{part}.json")
        if path.exists():
            results[part] = json.loads(path.read_text())
    return results


def replace(readme_text, begin, end, content):
    before, found, rest = readme_text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        sys.exit(f"README.md lacks the markers {begin} and {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def readme():
    results, path, match = load(), common.ROOT / "README.md", common.RESULTS / "match.json"
    if not results and not match.exists():
        sys.exit("bench/results has no full run: run bench/run first")
    page = path.read_text()
    if results:
        page = replace(page, BEGIN, END, text(results))
    if match.exists():
        page = replace(page, MATCH_BEGIN, MATCH_END, text({"match": json.loads(match.read_text())}))
    path.write_text(page)
    return 0


def plot(name, data, quick):
    """bench/plots/NAME.gp, with `data` a file of its columns and `out` the SVG to write."""
    out = common.RESULTS / f"{name}{'-quick' if quick else ''}.svg"
    with tempfile.NamedTemporaryFile("w", suffix=".dat") as f:
        f.write("\n".join("\t".join(str(x) for x in row) for row in data) + "\n")
        f.flush()
        subprocess.run(["gnuplot", "-e", f"data='{f.name}'; out='{out}'",
                        str(common.BENCH / "plots" / f"{name}.gp")], check=True)
    common.say(f"written: {out.relative_to(common.ROOT)}")


def stage_data(figures):
    names = ["parse", "steer", "lookup", "input", "ready", "handler", "output", "build", "tick"]
    yield ["what", *names]
    for k, v in figures.items():
        if isinstance(v, dict):
            yield [f'"{LINES.get(count_name(k)[0], k)}"', *(median(v, n) or 0 for n in names)]


def scale_data(figures):
    """Cycles against the number of connections, one block a kind."""
    for kind in ("lookup", "echo_rest", "request", "request_rest", "short"):
        rows = []
        for digits, n in (("1k", 1e3), ("100k", 1e5), ("1m", 1e6), ("10m", 1e7)):
            v = figures.get(f"{kind}_{digits}")
            if v:
                s = v.get("total", v)
                rows.append([n, s["median"], s["min"], s["max"]])
        if len(rows) > 1:
            yield [f'"{NOPORT[kind]}"']
            yield from rows
            yield [""]
            yield [""]


def overload_data(figures):
    for key, v in figures.items():
        yield [f'"{LINES[key]}"']
        for p in v["points"]:
            yield [p["offered"], p["goodput"]["median"] / v["full_rate"], p["goodput"]["min"] / v["full_rate"],
                   p["goodput"]["max"] / v["full_rate"], p["latency_ns"]["p50"]["median"] / 1e3,
                   p["latency_ns"]["p99"]["median"] / 1e3]
        yield [""]
        yield [""]


def latency_data(figures):
    """Of undisturbed windows, where the result has them, and of all."""
    quiet = any("undisturbed" in x for v in figures.values() for x in v["loads"].values())
    for of in ("undisturbed", "all") if quiet else ("all",):
        yield from [[""], [""]] if quiet and of == "all" else []
        yield ["what", "p50", "p99", "p99.9"]
        for name, v in figures.items():
            for at, x in v["loads"].items():
                added = (x if of == "all" else x["undisturbed"])["added"]
                yield [f'"{name.replace("_", ", ")} {float(at):.0%}"',
                       *(max((median(added, p) or 0) / 1000, 0.01) for p in ("p50", "p99", "p999"))]


def plots(quick=False):
    if not shutil.which("gnuplot"):
        common.say("no plots: install gnuplot-nox")
        return 0
    results = load(quick)
    for name, part, data in (("stages", "stages", stage_data), ("scale", "noport", scale_data),
                             ("overload", "overload", overload_data), ("latency", "latency", latency_data)):
        rows = list(data(results[part]["figures"])) if part in results and results[part]["figures"] else []
        if len(rows) > 1:
            plot(name, rows, quick)
    return 0
