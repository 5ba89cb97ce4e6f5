"""pier-load, a client with a whole TCP, against pier over memif, and against nginx over af_packet.

What it needs for each unit is about what pier needs, so on one CPU each it is mostly the client that
limits the rate: each line says which of the two it was."""

import contextlib
import json
import os
import subprocess
import time

from . import common, kernel, link

# What is measured: the mode and its options, what bench_link serves, which rate, what it counts. Names that end in 6: over IPv6.
MODES = {
    "short": (["short"], "short", "cps", "connections/s", "Short connections"),
    "http": (["http"], "http", "rps", "requests/s", "Requests, kept alive"),
    "pipelined": (["--depth", "16", "http"], "http", "rps", "requests/s", "Requests, 16 pipelined"),
    "echo": (["echo"], "echo", "rps", "messages/s", "Echo, 64 bytes, ping-pong"),
    "up": (["--connections", "16", "up"], "discard", "tx_bps", "bit/s", "Bulk to the server"),
    "down": (["--connections", "16", "down"], "chargen", "rx_bps", "bit/s", "Bulk from the server"),
    "both": (["--connections", "16", "both"], "echo", "rx_bps", "bit/s", "Bulk both ways"),
    "short6": (["short"], "short", "cps", "connections/s", "Short connections, IPv6"),
    "http6": (["http"], "http", "rps", "requests/s", "Requests, kept alive, IPv6"),
    "down6": (["--connections", "16", "down"], "chargen", "rx_bps", "bit/s", "Bulk from the server, IPv6"),
}
NGINX = {"nginx_http": ("http", 80, "rps", "requests/s", "nginx: requests, kept alive"),
         "nginx_short": ("short", 81, "cps", "connections/s", "nginx: short connections")}


# pier-load's own address and the server, of bench/server.c.
ENDS = (("10.0.0.2/8", "10.0.0.1:7"), ("fd00:10::2/64", "[fd00:10::1]:7"))


def command(ctx, device, address, target, options):
    pages = ["--in-memory"] if link.free_huge_mib() >= 512 else ["--no-huge", "-m", "512"]
    mode = options[-1]
    more = [] if "--connections" in options else ["--connections", "256"]
    return [str(ctx.build_dir / "app" / "pier-load" / "pier-load"), "-l", str(ctx.client_cpu), "--no-pci",
            "--no-shconf", "--no-telemetry", *pages, "--log-level=error", "--", "--device", device,
            "--address", address, *more, *options[:-1], "--warmup", "300ms", "--duration",
            f"{int(ctx.seconds * 1000)}ms", "--quiet", "--json", os.path.join(ctx.folder.name, "load.json"),
            mode, target]


def run(ctx, words, pids):
    cpus = [ctx.server_cpu, ctx.client_cpu]
    process = common.start(words, cpus if words[0] == "ip" else [ctx.client_cpu])
    with common.Watch([process.pid, *pids], cpus) as watch:
        try:
            _, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            common.stop(process)
            raise common.NotRun("pier-load did not end") from None
    if process.returncode:
        raise common.NotRun(f"pier-load: {common.last_words(process, err)}")
    with open(os.path.join(ctx.folder.name, "load.json"), encoding="ascii") as f:
        return json.load(f), watch


def busiest(samples, seconds, hz):
    """The server's share of busy time in the busiest stretch of that length: what pier-load counted is
    not known to the server, but nothing else was as long."""
    best = 0
    for i, first in enumerate(samples):
        for last in samples[i + 1:]:
            if last[0] - first[0] >= seconds * 0.9:
                best = max(best, (last[1] - first[1]) / hz / (last[0] - first[0]))
                break
    return round(best, 4)


def value_of(result, rate, server_busy):
    errors = sum(result["errors"].values())
    bound = result["limit"]["bound"]
    return {"rate": result[rate], "bound": bound, "client_busy": result["limit"]["busy"],
            "server_busy": server_busy, "errors": errors, "failed": result["total"]["failed"],
            "latency_us": {k: v for k, v in result["latency_us"].items() if v["n"]}}


def over_memif(ctx, name, _):
    options, serve, rate, _, _ = MODES[name]
    server = link.serve(ctx, [ctx.program("bench_link"), "--memif", ctx.socket(), "--kind", "short",
                              "--serve", serve, "--connections", "200000"])
    try:
        result, watch = run(ctx, command(ctx, f"net_memif0,role=client,id=0,socket={ctx.socket()},"
                                         "socket-abstract=no", *ENDS[name.endswith("6")], options),
                            [server.pid])
    finally:
        said = common.stop(server)
    own = link.own_of(server, said)
    return value_of(result, rate, busiest(own["samples"], ctx.seconds, own["tsc_hz"])), watch


def over_veth(ctx, name, _):
    mode, port, rate, _, _ = NGINX[name]
    before, begin = common.cpu_busy(ctx.server_cpu), time.monotonic()
    words = kernel.inside(kernel.CLIENT, *command(ctx, "net_af_packet0,iface=bench1", "198.18.7.3/24",
                                                  f"{kernel.ADDRESS}:{port}", [mode]))
    result, watch = run(ctx, words, [])
    share = (common.cpu_busy(ctx.server_cpu) - before) / (time.monotonic() - begin)
    return value_of(result, rate, round(share, 4)), watch


def rounds(ctx, keys, one, table):
    samples, failed = {}, set()
    for turn in range(min(ctx.few, 5)):
        for key in keys:
            if key in failed or (ctx.options.names and key not in ctx.options.names):
                continue
            common.say(f"round {turn + 1}: pier-load {key}")
            try:
                value = common.undisturbed(ctx, f"pier-load {key}", lambda k=key: one(ctx, k, ()))
            except common.NotRun as why:
                ctx.skip(f"pier-load {key}", str(why))
                failed.add(key)
                continue
            if value:
                samples.setdefault(key, []).append(value)
    return {k: summary(v, table[k]) for k, v in samples.items()}


def summary(samples, about):
    *_, counts, title = about
    last, bounds = samples[-1], [s["bound"] for s in samples]
    errors = max(s["errors"] + s["failed"] for s in samples)
    p99 = last["latency_us"].get("complete", {}).get("p99")
    busy = {k: common.collect(samples, k) for k in ("client_busy", "server_busy")}
    notes = ", ".join(f"{k.replace('_', ' ')} {v['median']:.0%}" for k, v in busy.items() if v)
    notes += f", complete p99 {p99:,.0f} us" if p99 else ""
    return {"title": title, "rate": common.collect(samples, "rate"), "counts": counts, **busy,
            "bound": max(set(bounds), key=bounds.count), "errors": errors,
            "notes": notes + f", errors {errors}", "latency_us": last["latency_us"],
            "disturbance": [s["disturbance"] for s in samples]}


def measure(ctx):
    link.need_two(ctx)
    ctx.build("app/pier-load/pier-load", "bench/bench_epoll_echo")
    figures = rounds(ctx, MODES, over_memif, MODES)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(kernel.namespaces(ctx))
            subprocess.run(kernel.inside(kernel.SERVER, common.which("ethtool"), "-K", "bench0", "tx", "off"),
                           check=True, capture_output=True)
            kernel.servers(ctx, stack)
            figures.update(rounds(ctx, NGINX, over_veth, NGINX))
    except common.NotRun as why:
        ctx.skip("pier-load against nginx", str(why))
    return figures
