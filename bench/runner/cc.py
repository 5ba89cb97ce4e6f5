"""Congestion control against theory: deterministic, the same on every machine, however busy."""

import json
import shutil
import subprocess

from . import common


def measure(ctx):
    ctx.build("bench/bench_cc")
    folder = common.RESULTS / "cc"
    folder.mkdir(parents=True, exist_ok=True)
    run = subprocess.run([ctx.program("bench_cc"), str(folder)], text=True,
                         stdout=subprocess.PIPE, check=True)
    (folder / "windows.json").write_text(run.stdout)
    print("| Algorithm | p | Mean RTT, ms | Mean window | Predicted | Ratio |\n|---|---|---:|---:|---:|---:|")
    for r in json.loads(run.stdout):
        print(f"| {r['algorithm']} | {r['p']} | {r['mean_rtt_ms']:.1f} | {r['mean_window']:.1f} | "
              f"{r['predicted']:.1f} | {r['ratio']:.3f} |")
    if not shutil.which("gnuplot"):
        common.say("no plot: install gnuplot-nox")
        return
    plot = common.RESULTS / "cc.svg"
    subprocess.run(["gnuplot", "-e", f"dir='{folder}'; out='{plot}'",
                    str(common.BENCH / "plots" / "cc.gp")], check=True)
    common.say(f"written: {plot.relative_to(common.ROOT)}")
