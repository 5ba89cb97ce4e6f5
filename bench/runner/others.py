"""Other programs, where the user has them and says where.

What runs each is an executable of its own, bench/peers/run-NAME. It is called with

    PATH --pier PIER --seconds S --rounds N --server-cpu N --client-cpu N

and prints one JSON object: a line's name -> {"title", "counts" ("connections/s", "bit/s", ...), "rate"
{"median", "min", "max"}, "bound", "notes"}. wrk is used by the part kernel."""

import json
import os
import subprocess

from . import common

NAMES = ("dperf", "pktgen", "trex", "iperf3")


def one(ctx, name, path):
    runner = common.BENCH / "peers" / f"run-{name}"
    common.which(name, path)
    if not runner.exists():
        raise common.NotRun(f"there is no bench/peers/{runner.name}")
    run = subprocess.run([str(runner), path, "--pier", str(ctx.build_dir / "app" / "pier" / "pier"),
                          "--seconds", str(max(ctx.seconds, 1)), "--rounds", str(ctx.rounds),
                          "--server-cpu", str(ctx.server_cpu), "--client-cpu", str(ctx.client_cpu)],
                         text=True, capture_output=True, check=False, timeout=600)
    if run.returncode:
        raise common.NotRun((run.stderr.strip().splitlines() or ["it failed"])[-1][:200])
    return json.loads(run.stdout)


def measure(ctx):
    figures = {}
    given = {n: getattr(ctx.options, n) for n in NAMES}
    if any(given.values()):
        ctx.build("app/pier/pier")
    for name, path in given.items():
        if not path:
            ctx.skip(name, f"no --{name} PATH")
            continue
        try:
            figures.update({f"{name}_{k}": v for k, v in one(ctx, name, os.path.abspath(path)).items()})
        except common.NotRun as why:
            ctx.skip(name, str(why))
    return figures
