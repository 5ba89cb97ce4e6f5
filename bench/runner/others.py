"""Other programs, where the user has them."""

from . import common


def measure(ctx):
    given = [n for n in ("dperf", "pktgen", "trex", "wrk", "iperf3") if getattr(ctx.options, n)]
    raise common.NotRun("no path was given" if not given else "not yet: " + ", ".join(given))
