"""No port: cycles and instructions of the engine's stages."""

import re
import subprocess
import sys
import tempfile

from . import common

QUICK = ["parse", "lookup_1k", "lookup_1m", "echo_rest_1k", "echo_1k", "request_1k", "short_1k"]
FULL = ["parse", "refuse", "refuse_parsed", "lookup_1k", "lookup_1m", "lookup_10m", "echo_1k", "echo_100k", "echo_rest_1k",
        "echo_rest_1m", "echo_rest_10m", "request_1k", "request_plain_1k", "request_1m",
        "request_rest_1m", "request_rest_10m", "short_1k", "short_plain_1k", "short_phases_1k",
        "short_1m", "short_10m", "parse6", "echo6_1k", "request6_1k", "short6_1k"]
STAGED = ["echo_1k", "request_1k", "short_1k"]
COUNTED = ["echo_1k", "request_1k", "short_1k", "short_plain_1k", "echo6_1k", "request6_1k", "short6_1k"]

# What callgrind counts, by function: inclusive instructions within measured turns.
COUNTED_FUNCTIONS = ["measured", "pkt_parse_burst", "engine_input", "tcp_input", "engine_run_ready",
                     "echo_data", "http_data", "engine_output", "tcp_output", "pkt_build",
                     "pkt_tcp_finish", "engine_tick"]


def scenarios(ctx, program, names, runs=None):
    """Each in a process of its own, so that one cannot spoil the next, and can be repeated alone."""
    result = {}
    for name in names:
        command = [ctx.program(program)]
        command += ["--quick"] if ctx.quick else []
        command += ["--runs", str(runs)] if runs else []
        common.say("running", program, name)
        try:
            value = common.undisturbed(ctx, name, lambda c=command + [name]:
                                       common.run_watched(c, [ctx.server_cpu]))
        except common.NotRun as why:
            ctx.skip(f"{program} {name}", str(why))
            continue
        if value is None:
            ctx.skip(f"{program} {name}", "the machine was never quiet enough")
        elif name not in value:
            ctx.skip(f"{program} {name}", "not enough memory")
        else:
            result.setdefault("tsc_hz", value["tsc_hz"])
            result.setdefault("packets_in_huge_pages", value["packets_in_huge_pages"])
            result[name] = {**value[name], "disturbance": value["disturbance"]}
    return result


def cycles(ctx):
    ctx.build("bench/bench_noport")
    return scenarios(ctx, "bench_noport", ctx.options.names or (QUICK if ctx.quick else FULL), ctx.sized(None, 31, None))


def stages(ctx):
    ctx.build("bench/bench_stages")
    return scenarios(ctx, "bench_stages", ctx.options.names or STAGED)


def count(ctx, where, name):
    """Instructions for each unit: within measured turns only, so that opening does not count."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/callgrind"
        run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                              "--toggle-collect=measured", str(where / "bench" / "bench_noport"),
                              "--instructions", name], text=True, capture_output=True, check=False)
        if run.returncode:
            raise common.NotRun((run.stderr.strip().splitlines() or ["valgrind failed"])[-1])
        units = int(re.search(r'"units": (\d+)', run.stdout).group(1))
        text = common.output("callgrind_annotate", "--inclusive=yes", "--threshold=100", out)
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*([\d,]+) \(\s*[\d.]+%\)\s+\S*?:?(\w+)(?:\.\w+)*(?:'\d+)? \[", line)
        if match and match.group(2) in COUNTED_FUNCTIONS and match.group(2) not in found:
            found[match.group(2)] = round(int(match.group(1).replace(",", "")) / units, 1)
    if "measured" not in found:
        raise common.NotRun("callgrind_annotate says nothing of the measured turns")
    found["total"] = found.pop("measured")
    return found


def instructions(ctx):
    common.which("valgrind")
    where = ctx.build("bench/bench_noport", where=common.ROOT / "build-callgrind",
                      options=("-Dmarch=x86-64-v2",))
    result = {}
    for name in ctx.options.names or COUNTED:
        common.say("counting instructions of", name)
        try:
            result[name] = count(ctx, where, name)
        except common.NotRun as why:
            ctx.skip(f"instructions of {name}", str(why))
    if not result:
        print("nothing was counted", file=sys.stderr)
    return result
