"""Hyperscan through TCP against a bare loop: bench_match."""

from . import common


def measure(ctx):
    try:
        ctx.build("bench/bench_match")
    except common.subprocess.CalledProcessError:
        raise common.NotRun("built without Hyperscan") from None
    command = [ctx.program("bench_match")] + (["--quick"] if ctx.quick else []) + ctx.options.names
    value = common.undisturbed(ctx, "match", lambda: common.run_watched(command, [ctx.server_cpu], timeout=300))
    if value is None:
        raise common.NotRun("the machine was never quiet enough")
    return value
