"""What load does: latency added at part load, and goodput at and beyond what the server can carry."""

from . import common, link

LOADS = (0.1, 0.5, 0.8)
OFFERED = (0.5, 0.8, 1.0, 1.5, 2.0)  # of what the closed loop carries
PERCENTILES = ("p50", "p99", "p999")
BAR = ("ring", "echo") # what the bar is of: all rounds


# The control of the undisturbed figures: a handler that stalls for so many nanoseconds, at every so many messages. So
# few are held up that the median says nothing of it; a 99th percentile that does not show it could hide a slow server.
STALL, STALL_EVERY, STALL_LOAD = 20000, 1000, 0.5


def closed_loop(ctx, one, key):
    """Units a second in the closed loop, and where the CPUs stood; None: it was never undisturbed."""
    value = common.undisturbed(ctx, f"{key}, closed loop", lambda: link.between_lines(ctx, one, key, ()))
    return value and (value["units"] / value["span"], value["line_ns"])


def lines(ctx, one, key, runs, rounds):
    """
    Takes turns. runs: name -> what is measured, load, more arguments. A load is a part of what the closed loop carried in
    the same round, for the host moves the CPUs: who moved since is on neither side. Returns name -> samples.
    """
    ctx.build("bench/bench_line")
    samples, failed = {name: [] for name in runs}, set()
    for turn in range(rounds):
        common.say(f"round {turn + 1}: {key}, closed loop")
        full = closed_loop(ctx, one, key)
        for name, (what, load, more) in runs.items():
            if name in failed or not full:
                continue
            common.say(f"round {turn + 1}: {name}")
            args = ["--rate", str(full[0] * load), *more]
            try:
                value = common.undisturbed(ctx, name, lambda w=what, m=args: link.between_lines(ctx, one, w, m))
            except common.NotRun as why:
                ctx.skip(name, str(why))
                failed.add(name)
                continue
            if value:
                samples[name].append({**value, "round": turn, "full": full[0], "line_ns": [*full[1], *value["line_ns"]]})
    return {k: v for k, v in samples.items() if v}


def percentiles(samples):
    return {p: common.series([s["latency_ns"][p] for s in samples]) for p in PERCENTILES}


def both(pier, swap, of=lambda sample: sample):
    """Pier's, the link's, and pier's less the link's of the same round: they took turns. of: where in a sample."""
    ours, link_ = ({s["round"]: of(s) for s in samples} for samples in (pier, swap))
    pairs = [(ours[t], link_[t]) for t in ours if t in link_]
    return {"pier": percentiles(ours.values()), "link": percentiles(link_.values()),
            "added": {p: common.series([a["latency_ns"][p] - b["latency_ns"][p] for a, b in pairs])
                      for p in PERCENTILES}}


def stops(samples):
    """How often one was stopped for more than 10 microseconds a second of each kind of its time: while it waited, and at
    work. A server with long turns of its own has more of them at work."""
    seconds = {k: sum(s["server_stopped"][f"{k}_s"] for s in samples) for k in ("waited", "worked")}
    return {"waiting": sum(s["server_stopped"]["long_waits"] for s in samples) / max(seconds["waited"], 1e-6),
            "working": sum(s["server_stopped"]["long_works"] for s in samples) / max(seconds["worked"], 1e-6)}


def undisturbed_of(pier, swap):
    """The same of the windows in which neither poller was stopped; where a gap had no room, nothing is known."""
    def known(samples):
        return [s for s in samples if not s["undisturbed"]["not_known"] and s["undisturbed"]["latency_ns"]["n"]]
    pier, swap = known(pier), known(swap)
    result = both(pier, swap, lambda s: s["undisturbed"])
    result["kept"] = {k: common.series([s["undisturbed"]["kept"] for s in v])
                      for k, v in (("pier", pier), ("link", swap))}
    result["stops_a_second"] = {k: stops(v) for k, v in (("pier", pier), ("link", swap))}
    return result


def control_of(stalled, swap):
    """What the handler that stalls looks like, and whether it can be seen at all."""
    result = undisturbed_of(stalled, swap)
    p99 = result["added"]["p99"]
    return {"stall_ns": STALL, "every": STALL_EVERY, "seen": bool(p99 and p99["median"] > STALL / 2), **result}


def elsewhere_of(name, samples):
    """How many samples there are from where the CPUs stood less often, and what they say of the bar."""
    pier, swap = (samples.get(k, ()) for k in (f"{name} {STALL_LOAD:.0%}", f"{name} swap at the same rate, {STALL_LOAD:.0%}"))
    return {"samples": sum(len(v) for v in samples.values()),
            "line_ns": common.series([ns for v in samples.values() for s in v for ns in s["line_ns"]]),
            "half": undisturbed_of(pier, swap) if pier and swap else None}


def latency_of(ctx, where, one, key):
    runs, name = {}, f"{where} {key}"
    for load in LOADS:
        runs[f"{name} {load:.0%}"] = (key, load, [])
        runs[f"{name} swap at the same rate, {load:.0%}"] = ("swap", load, [])
        if load == STALL_LOAD:
            runs[f"{name} stalled"] = (key, load, ["--work", str(STALL), "--work-every", str(STALL_EVERY)])
    samples, elsewhere = link.by_side(lines(ctx, one, key, runs, ctx.rounds if (where, key) == BAR else ctx.few))
    every = [s for v in samples.values() for s in v]
    if not every:
        raise common.NotRun(f"{name}: the CPUs moved in each round")
    full = common.collect(every, "full")["median"]
    line_ns = common.series([ns for s in every for ns in s["line_ns"]])
    result = {"full_rate": full, "line_ns": line_ns, "elsewhere": elsewhere_of(name, elsewhere), "loads": {}}
    for load in LOADS:
        pier, swap = (samples.get(k) for k in (f"{name} {load:.0%}", f"{name} swap at the same rate, {load:.0%}"))
        if pier and swap:
            result["loads"][str(load)] = {
                "rate": full * load, **both(pier, swap), "undisturbed": undisturbed_of(pier, swap),
                "server_busy": common.collect(pier, "server_busy"),
                "unsent": max(s["unsent"] for s in pier), "hidden": max(s["hidden"] for s in pier)}
            if load == STALL_LOAD and samples.get(f"{name} stalled"):
                result["control"] = control_of(samples[f"{name} stalled"], swap)
    return result


def latency(ctx):
    link.need_two(ctx)
    result = {}
    for where, one in (("ring", link.over_ring), ("memif", link.over_memif)):
        for key in ("echo", "request"):
            if ctx.quick and (where, key) != BAR and not ctx.options.names:
                continue
            name = f"{where}_{key}"
            if not ctx.options.names or name in ctx.options.names:
                try:
                    result[name] = latency_of(ctx, where, one, key)
                except common.NotRun as why:
                    ctx.skip(name, str(why))
    return result


# A client's tuples and connections: more than can be answered in the time, so that it never waits for
# the server. The server has room for fewer, but for more than it can serve in the time a lost packet's
# connection waits for it.
CLIENT = {"short": "6000000", "short_work": "2000000", "request": "8192"}
SERVER = {"short": "500000", "short_work": "500000", "request": "8192"}


def offered(ctx, key, rate):
    """One sample; rate None: the closed loop, in which nothing is refused."""
    kind, extra, _ = link.TRAFFIC[key]
    both = ["--kind", kind, *(e for e in extra if e != "--tolerant")]
    loop = ["--warm", "1", "--rate", str(rate)] if rate else []
    args = [*both, "--tolerant", "--seconds", str(max(ctx.seconds, 0.5)), *loop]
    server = link.serve(ctx, [ctx.program("bench_link"), "--memif", ctx.socket(), *both,
                              "--connections", SERVER[key]])
    value, own, watch = link.measured(ctx, server, [*args, "--connections", CLIENT[key]])
    value["counters"] = own["counters"]
    drops = {k: v for k, v in own["counters"].items() if k in
             ("rx_syn_pressure", "cookies_sent", "tx_refused", "rx_syn_backlog", "rx_syn_no_conn")}
    value = link.finish(key, value, own["samples"])
    value["refused"] = drops
    return value, watch


def sweep_once(ctx, key, samples, loads):
    """The closed loop, then each load as a part of what that carried just now: the host moves the CPUs."""
    def take(name, rate):
        common.say(f"  {key}, {name}")
        value = common.undisturbed(ctx, f"{key} {name}", lambda: link.between_lines(
            ctx, lambda ctx, key, _: offered(ctx, key, rate), key, ()))
        if value:
            value["offered_rate"] = rate
            samples[name].append(value)
        return value

    closed = take("closed", None)
    for part in loads if closed else ():
        take(part, closed["rate"] * part)


def point(part, s):
    return {"offered": part, "rate": common.collect(s, "offered_rate")["median"],
            "goodput": common.collect(s, "rate"), "latency_ns": percentiles(s),
            "server_busy": common.collect(s, "server_busy"), "client_busy": common.collect(s, "client_busy"),
            "bound": s[-1]["bound"], "refused": s[-1]["refused"],
            "client_packets": common.series([x["client_tx"] / x["span"] for x in s]),
            "server_packets": common.series([x["server_rx"] / x["span"] for x in s]),
            **{k: max(x[k] for x in s) for k in ("failed", "resent", "link_full", "unsent", "retransmissions")}}


def overload(ctx):
    link.need_two(ctx)
    ctx.build("bench/bench_line")
    result = {}
    loads = ctx.sized((0.8, 1.0, 2.0), OFFERED, OFFERED)
    for key in ctx.options.names or ctx.sized(["request"], list(CLIENT), list(CLIENT)):
        samples = {name: [] for name in ("closed", *loads)}
        try:
            for turn in range(ctx.few):
                common.say(f"round {turn + 1}: {key}")
                sweep_once(ctx, key, samples, loads)
        except common.NotRun as why:
            ctx.skip(key, str(why))
        kept, _ = link.by_side(samples)
        if not kept["closed"]:
            ctx.skip(key, "the CPUs moved in each sample of what is carried at most")
            continue
        closed = common.collect(kept["closed"], "rate")
        result[key] = {"full_rate": closed["median"], "closed": closed,
                       "line_ns": common.series([ns for s in kept["closed"] for ns in s["line_ns"]]),
                       "points": [point(part, kept[part]) for part in loads if kept[part]]}
    return result
