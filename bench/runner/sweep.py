"""What load does: latency added at part load, and goodput at and beyond what the server can carry."""

from . import common, link

LOADS = (0.1, 0.5, 0.8)
OFFERED = (0.5, 0.8, 1.0, 1.5, 2.0)
PERCENTILES = ("p50", "p99", "p999")


def rate_of(one, ctx, key, more=()):
    """Units a second in the closed loop: what the server can carry. The best of three."""
    rates = []
    for _ in range(3):
        value, _ = one(ctx, key, more)
        rates.append(value["units"] / value["span"])
    return max(rates)


def lines(ctx, runs):
    """runs: name -> a function that makes one sample. Takes turns. Returns name -> samples."""
    samples, failed = {name: [] for name in runs}, set()
    for turn in range(ctx.rounds):
        for name, one in runs.items():
            if name in failed:
                continue
            common.say(f"round {turn + 1}: {name}")
            try:
                value = common.undisturbed(ctx, name, one)
            except common.NotRun as why:
                ctx.skip(name, str(why))
                failed.add(name)
                continue
            if value:
                samples[name].append(value)
    return {k: v for k, v in samples.items() if v}


def percentiles(samples):
    return {p: common.series([s["latency_ns"][p] for s in samples]) for p in PERCENTILES}


def added(pier, swap):
    """Pier's less the link's, round by round: they took turns."""
    return {p: common.series([a["latency_ns"][p] - b["latency_ns"][p] for a, b in zip(pier, swap)])
            for p in PERCENTILES}


def latency_of(ctx, where, one, key):
    full = rate_of(one, ctx, key)
    runs = {}
    for load in LOADS:
        more = ["--rate", str(full * load)]
        runs[f"{where} {key} {load:.0%}"] = lambda m=more: one(ctx, key, m)
        runs[f"{where} swap at the same rate, {load:.0%}"] = lambda m=more: one(ctx, "swap", m)
    samples = lines(ctx, runs)
    result = {"full_rate": full, "loads": {}}
    for load in LOADS:
        pier = samples.get(f"{where} {key} {load:.0%}")
        swap = samples.get(f"{where} swap at the same rate, {load:.0%}")
        if pier and swap:
            result["loads"][str(load)] = {
                "rate": full * load, "pier": percentiles(pier), "link": percentiles(swap),
                "added": added(pier, swap), "server_busy": common.collect(pier, "server_busy"),
                "unsent": max(s["unsent"] for s in pier), "hidden": max(s["hidden"] for s in pier)}
    return result


def latency(ctx):
    link.need_two(ctx)
    result = {}
    for where, one in (("ring", link.over_ring), ("memif", link.over_memif)):
        for key in ("echo", "request"):
            if ctx.quick and (where, key) != ("ring", "echo"):
                continue
            name = f"{where}_{key}"
            if not ctx.options.names or name in ctx.options.names:
                result[name] = latency_of(ctx, where, one, key)
    return result


# A client's tuples and connections: more than can be answered in the time, so that it never waits for
# the server. The server has room for fewer.
CLIENT = {"short": "6000000", "short_work": "2000000", "request": "8192"}
SERVER = {"short": "50000", "short_work": "50000", "request": "8192"}


def offered(ctx, key, rate):
    kind, extra, _ = link.TRAFFIC[key]
    both = ["--kind", kind, *(e for e in extra if e != "--tolerant")]
    args = [*both, "--tolerant", "--warm", "1", "--seconds", str(max(ctx.seconds, 0.5))]
    server = link.serve(ctx, [ctx.program("bench_link"), "--memif", ctx.socket(), *both,
                              "--connections", SERVER[key]])
    value, own, watch = link.measured(ctx, server, [*args, "--connections", CLIENT[key], "--rate",
                                                    str(rate)])
    value["counters"] = own["counters"]
    drops = {k: v for k, v in own["counters"].items() if k in
             ("rx_syn_pressure", "cookies_sent", "tx_refused", "rx_syn_backlog", "rx_syn_no_conn")}
    value = link.finish(key, value, own["samples"])
    value["refused"] = drops
    return value, watch


def overload(ctx):
    link.need_two(ctx)
    result = {}
    for key in ctx.options.names or ("short", "short_work", "request"):
        full = rate_of(link.over_memif, ctx, key)
        runs = {f"{key} at {f} of {full:.0f}/s": lambda k=key, f=f: offered(ctx, k, full * f)
                for f in OFFERED}
        samples = lines(ctx, runs)
        points = []
        for f, name in zip(OFFERED, runs):
            if name not in samples:
                continue
            s = samples[name]
            points.append({
                "offered": f, "rate": full * f, "goodput": common.series([x["rate"] for x in s]),
                "latency_ns": percentiles(s), "server_busy": common.collect(s, "server_busy"),
                "client_busy": common.collect(s, "client_busy"), "bound": s[-1]["bound"],
                "failed": max(x["failed"] for x in s), "resent": max(x["resent"] for x in s),
                "client_packets": common.series([x["client_tx"] / x["span"] for x in s]),
                "server_packets": common.series([x["server_rx"] / x["span"] for x in s]),
                "link_full": max(x["link_full"] for x in s), "unsent": max(x["unsent"] for x in s),
                "retransmissions": max(x["retransmissions"] for x in s), "refused": s[-1]["refused"]})
        result[key] = {"full_rate": full, "points": points}
    return result
