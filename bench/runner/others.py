"""Other programs, where the user has them and says where: bench/peers/run and bench/pktgen/run.

bench/peers/run prints, for each tool, a list of rows (bench/peers/README.md); each becomes a line here, and so
does each kind of flood of bench/pktgen/run."""

import json
import os
import subprocess

from . import common

NAMES = ("dperf", "trex", "wrk", "iperf3")


def line(name, row):
    """A row of bench/peers/run as a line of bench/run."""
    spread = {"median": row["rate"], "min": row.get("rate_min", row["rate"]),
              "max": row.get("rate_max", row["rate"])}
    notes = []
    if row.get("cycles"):
        notes.append(f"{row['cycles']:.0f} ({row['cycles_min']:.0f} - {row['cycles_max']:.0f}) server cycles each")
    if row.get("line_ns"):
        notes.append(f"a cache line {min(row['line_ns']):.0f} - {max(row['line_ns']):.0f} ns there and back")
    if row.get("elsewhere"):
        notes.append(f"with the CPUs elsewhere {row['elsewhere']['cycles']:.0f}")
    again = row.get("retransmissions")
    again = sum(again.values()) if isinstance(again, dict) else again
    if again:
        notes.append(f"{again} sent again")
    return {"title": f"{name}: {row['mode']}, server {row['server']}", "counts": row["unit"], "rate": spread,
            "bound": row.get("bound", "not known"), "notes": ", ".join(notes), "row": row}


def flood_line(flood):
    """A flood of bench/pktgen/run as a line: packets sent, and whether pier's counters account for them."""
    port, terms = flood["pktgen"], ", ".join(e["what"] for e in flood["equations"] if e["left"] != e["right"])
    notes = f"{port['ipackets']} answers, "
    notes += "each accounted for" if flood["accounted"] else f"NOT accounted for: {terms}"
    sent = port["opackets"]
    return {"title": f"pktgen: {flood['kind']}, server pier", "counts": "packets sent",
            "rate": {"median": sent, "min": sent, "max": sent}, "bound": "-", "notes": notes, "row": flood}


def output_of(command, name):
    run = subprocess.run(command, text=True, capture_output=True, check=False, timeout=1200)
    try:
        return json.loads(run.stdout)[name]
    except (ValueError, KeyError):
        raise common.NotRun((run.stderr.strip().splitlines() or ["it failed"])[-1][:200]) from None


def common_words(ctx):
    return ["--pier", str(ctx.build_dir / "app" / "pier" / "pier"), "--cpus", f"{ctx.server_cpu},{ctx.client_cpu}"]


def floods(ctx, path):
    common.which("pktgen", path)
    found = output_of([str(common.BENCH / "pktgen" / "run"), "--pktgen", path, "--json", *common_words(ctx)], "pktgen")
    return {f"pktgen_{flood['kind']}": flood_line(flood) for flood in found}


def one(ctx, name, path):
    common.which(name, path)
    rows = output_of([str(common.BENCH / "peers" / "run"), f"--{name}", path, *common_words(ctx),
                      "--meter", str(ctx.build_dir / "bench" / "libbench_meter.so"),
                      "--seconds", str(max(round(ctx.seconds * 4), 4)), "--rounds", str(min(ctx.rounds, 3))], name)
    if isinstance(rows, dict):
        raise common.NotRun(str(rows.get("not_measured", rows))[:200])
    for row in rows:
        if "not_measured" in row:
            ctx.skip(f"{name}: {row['mode']}, server {row['server']}", row["not_measured"])
    return {f"{name}_{row['mode']}_{row['server']}": line(name, row) for row in rows if "not_measured" not in row}


def measure(ctx):
    figures = {}
    given = {n: getattr(ctx.options, n) for n in (*NAMES, "pktgen")}
    if any(given.values()):
        ctx.build("app/pier/pier", "bench/libbench_meter.so", "bench/bench_line")
    for name, path in given.items():
        if not path:
            ctx.skip(name, f"no --{name} PATH")
            continue
        try:
            figures.update(floods(ctx, os.path.abspath(path)) if name == "pktgen"
                           else one(ctx, name, os.path.abspath(path)))
        except common.NotRun as why:
            ctx.skip(name, str(why))
    return figures
