"""One worker and two, over rings: bench_workers."""

from . import common


def measure(ctx):
    if not ctx.two_cpus:
        raise common.NotRun("two CPUs are needed")
    ctx.build("bench/bench_workers")
    cpus = [ctx.server_cpu, ctx.client_cpu]
    command = ["taskset", "-c", ",".join(map(str, cpus)), ctx.program("bench_workers")]
    command += ["--quick"] if ctx.quick else []
    command += ["--runs", ctx.sized("5", "9", "25")] # each with all modes and controls
    common.say("running bench_workers")
    value = common.undisturbed(ctx, "workers", lambda: common.run_watched(command, cpus, timeout=300))
    if value is None:
        raise common.NotRun("the machine was never quiet enough")
    return value
