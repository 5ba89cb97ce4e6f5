"""Other programs, where the user has them and says where: bench/peers/run and bench/pktgen/run.

bench/peers/run prints, for each tool, a list of rows (bench/peers/README.md); each becomes a line here. wrk
over veth is used by the part kernel. TRex has no runner: what it needs is in bench/peers."""

import json
import os
import subprocess

from . import common

NAMES = ("dperf", "iperf3")
BY_HAND = {"trex": "bench/peers has its profile; run by hand",
           "pktgen": "floods and their accounts: bench/pktgen/run"}


def line(name, row):
    """A row of bench/peers/run as a line of bench/run."""
    spread = {"median": row["rate"], "min": row.get("rate_min", row["rate"]),
              "max": row.get("rate_max", row["rate"])}
    notes = []
    if row.get("cycles"):
        notes.append(f"{row['cycles']:.0f} ({row['cycles_min']:.0f} - {row['cycles_max']:.0f}) server cycles each")
    if row.get("line_ns"):
        notes.append(f"a cache line {min(row['line_ns']):.0f} - {max(row['line_ns']):.0f} ns there and back")
    again = row.get("retransmissions")
    again = sum(again.values()) if isinstance(again, dict) else again
    if again:
        notes.append(f"{again} sent again")
    return {"title": f"{name}: {row['mode']}, server {row['server']}", "counts": row["unit"], "rate": spread,
            "bound": row.get("bound", "not known"), "notes": ", ".join(notes), "row": row}


def one(ctx, name, path):
    common.which(name, path)
    command = [str(common.BENCH / "peers" / "run"), f"--{name}", path,
               "--pier", str(ctx.build_dir / "app" / "pier" / "pier"),
               "--meter", str(ctx.build_dir / "bench" / "libbench_meter.so"),
               "--cpus", f"{ctx.server_cpu},{ctx.client_cpu}",
               "--seconds", str(max(round(ctx.seconds * 4), 4)), "--rounds", str(min(ctx.rounds, 3))]
    run = subprocess.run(command, text=True, capture_output=True, check=False, timeout=1200)
    try:
        rows = json.loads(run.stdout)[name]
    except (ValueError, KeyError):
        raise common.NotRun((run.stderr.strip().splitlines() or ["it failed"])[-1][:200]) from None
    if isinstance(rows, dict):
        raise common.NotRun(str(rows.get("not_measured", rows))[:200])
    return {f"{name}_{row['mode']}_{row['server']}": line(name, row) for row in rows}


def measure(ctx):
    figures = {}
    given = {n: getattr(ctx.options, n) for n in NAMES}
    if any(given.values()):
        ctx.build("app/pier/pier", "bench/libbench_meter.so", "bench/bench_line")
    for name, path in given.items():
        if not path:
            ctx.skip(name, f"no --{name} PATH")
            continue
        try:
            figures.update(one(ctx, name, os.path.abspath(path)))
        except common.NotRun as why:
            ctx.skip(name, str(why))
    for name, why in BY_HAND.items():
        if getattr(ctx.options, name):
            ctx.skip(name, why)
    return figures
