"""Over a link: a pair of rings in one process, a memif between two; pier, and testpmd as the limit."""

import re
import subprocess
import time

from . import common

ETH, HEADERS = 14, 66

# What is measured: key, what the client does, more arguments, what a figure counts.
TRAFFIC = {
    "short": ("short", ["--tolerant"], "connections/s"),
    "short_plain": ("short", ["--tolerant", "--plain"], "connections/s"),
    "short_work": ("short", ["--tolerant", "--work", "10000"], "connections/s"),
    "request": ("request", [], "requests/s"),
    "request_plain": ("request", ["--plain"], "requests/s"),
    "echo": ("echo", [], "packets/s"),
    "bulk_echo": ("echo", ["--message", "1448"], "bit/s"),
    "bulk_answers": ("request", ["--body", "1268"], "bit/s"),
    "bulk_send": ("pull", ["--message", "1448"], "bit/s"),
    "bulk_receive": ("push", ["--message", "1448"], "bit/s"),
    "swap": ("forward", [], "packets/s"),
    "macswap": ("forward", ["--serve", "macswap"], "packets/s"),
    "bulk_swap": ("forward", ["--message", "1448"], "bit/s"),
}
RING = ["short", "short_plain", "request", "request_plain", "echo", "swap", "bulk_echo", "bulk_send",
        "bulk_receive", "bulk_swap"]
MEMIF = ["short", "short_plain", "request", "request_plain", "echo", "testpmd_macswap", "testpmd_5tswap"]
BULK = ["bulk_echo", "bulk_answers", "bulk_send", "bulk_receive", "testpmd_bulk", "testpmd_bulk_csum"]
# Of these, what a quick run has.
QUICK = ["short", "request", "echo", "swap", "bulk_echo", "bulk_send", "bulk_swap", "testpmd_macswap", "testpmd_bulk"]
TESTPMD = {"testpmd_macswap": ("macswap", []), "testpmd_5tswap": ("5tswap", []),
           "testpmd_bulk": ("5tswap", ["--message", "1448"]),
           "testpmd_bulk_csum": ("csum", ["--message", "1448"])}
TESTPMD_BYTES = ["testpmd_bulk", "testpmd_bulk_csum"]
APART = 2 # times the least that a cache line took from CPU to CPU: the CPUs stood elsewhere
BUSY = 0.9 # of its time, and a CPU counts as what limits the rate


def at(samples, t, column):
    """A server's counter at time t, between its samples."""
    before = samples[0]
    for s in samples:
        if s[0] >= t:
            span = s[0] - before[0]
            part = (t - before[0]) / span if span > 0 else 1
            return before[column] + part * (s[column] - before[column])
        before = s
    return before[column]


def server_side(value, samples):
    """What the server's CPU did between the client's from and to."""
    busy, rx, tx = (at(samples, value["to"], k) - at(samples, value["from"], k) for k in (1, 2, 3))
    value["server_busy"] = round(busy / value["tsc_hz"] / value["span"], 4)
    value["server_rx"], value["server_tx"] = round(rx), round(tx)
    value["server_cycles_per_packet"] = busy / rx if rx else None
    value["server_cycles_per_unit"] = busy / value["units"] if value["units"] else None
    value["server_cycles_per_kilobyte"] = busy * 1000 / value["bytes"] if value["bytes"] else None


def bound(value):
    server, client = value.get("server_busy"), value["client_busy"]
    if server is None:
        return "client" if client > BUSY else "server"
    if max(server, client) < BUSY:
        return "neither"
    return "server" if server >= client else "client"


def counts_of(key):
    return TRAFFIC[key][2] if key in TRAFFIC else "bit/s" if key in TESTPMD_BYTES else "packets/s"


def evaluate(key, value):
    """Rates of what the client counted; bytes are of payload, one way."""
    counts = counts_of(key)
    value["span"] = span = value["to"] - value["from"]
    payload = value["reply"] or value["payload"]
    value["bytes"] = value["stream_bytes"] or value["units"] * payload
    value["rate"] = value["units"] / span
    if counts == "bit/s":
        value["rate"] = value["bytes"] * 8 / span
    value["hidden"] = sum(value[k] for k in ("unexpected", "failed", "link_full", "resent"))


def finish(key, value, samples):
    evaluate(key, value)
    if samples:
        server_side(value, samples)
    value["bound"] = bound(value)
    counters = value.pop("counters", {})
    value["server_drops"] = {k: v for k, v in counters.items()
                             if k in ("tx_refused", "tx_no_mbuf", "tx_link_down",
                                      "rx_syn_pressure", "rx_syn_backlog")}
    value["retransmissions"] = sum(counters.get(k, 0) for k in ("tx_retransmits",
                                                               "synack_retransmits"))
    return value


def arguments(ctx, key, more=()):
    kind, extra, _ = TRAFFIC[key]
    return ["--kind", kind, *extra, "--seconds", str(ctx.seconds), *more]


def over_ring(ctx, key, more=()):
    cpus = [ctx.server_cpu, ctx.client_cpu]
    value, watch = common.run_watched(
        [ctx.program("bench_link"), "--ring", *arguments(ctx, key, more)], cpus)
    watch.told(value.pop("client_waited"), value.pop("server_waited"))
    return finish(key, value, value.pop("samples")), watch


def client(ctx, server, args, before_end=None):
    """Run the client on its CPU against what serves, and watch both. before_end is called when all is
    measured, while the link is still up: there the server stops, for a driver that unmaps a peer's
    memory when it leaves does so under whoever still polls it."""
    cpus = [ctx.server_cpu, ctx.client_cpu]
    command = [ctx.program("bench_link"), "--memif", ctx.socket(), "--client", "--linger", *args]
    process = common.start(command, [ctx.client_cpu], stdin=subprocess.PIPE)
    with common.Watch([process.pid, server.pid], cpus) as watch:
        said = process.stderr.readline()
    if before_end and said.strip() == "measured":
        before_end()
    out, err = process.communicate(timeout=120)
    if process.returncode:
        raise common.NotRun(f"the client: {common.last_words(process, said + err)}")
    return common.json.loads(out), watch


def own_of(server, said):
    """The JSON of a bench_link that served and was told to stop."""
    out, err = said
    if server.returncode:
        raise common.NotRun(f"the server: {common.last_words(server, err)}")
    return common.json.loads(out)


def measured(ctx, server, args):
    """A client's figures and, stopped while the link is up, those of the bench_link that served it."""
    said = []
    try:
        value, watch = client(ctx, server, args, before_end=lambda: said.append(common.stop(server)))
    finally:
        said = said or [common.stop(server)]
    own = own_of(server, said[0])
    watch.told(value.pop("client_waited"), own.pop("server_waited"))
    return value, own, watch


def wait_for_socket(ctx, process, seconds=15):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if common.os.path.exists(ctx.socket()):
            return
        if process.poll() is not None:
            raise common.NotRun(f"{common.os.path.basename(process.args[0])}: {common.last_words(process, process.communicate()[1])}")
        time.sleep(0.02)
    raise common.NotRun(f"{common.os.path.basename(process.args[0])} made no memif within {seconds} s")


def serve(ctx, command, **more):
    try:
        common.os.unlink(ctx.socket())
    except FileNotFoundError:
        pass
    process = common.start(command, [ctx.server_cpu], **more)
    wait_for_socket(ctx, process)
    return process


def gaps_file(ctx, more):
    """In an open loop the server leaves word of when it was stopped, for the client: none of an earlier run."""
    path = common.os.path.join(ctx.folder.name, "gaps")
    if common.os.path.exists(path):
        common.os.unlink(path)
    return ["--gaps", path] if "--rate" in more else []


def over_memif(ctx, key, more=()):
    args = [*arguments(ctx, key, more), *gaps_file(ctx, more)]
    server = serve(ctx, [ctx.program("bench_link"), "--memif", ctx.socket(), *args])
    value, own, watch = measured(ctx, server, args)
    value["counters"] = own["counters"]
    if "server_stopped" in own:
        value["server_stopped"] = own["server_stopped"]
    value["mbufs_lost"] += own["mbufs_lost"]
    return finish(key, value, own["samples"]), watch


def vdev(ctx):
    return f"--vdev=net_memif0,role=server,id=0,socket={ctx.socket()},socket-abstract=no,rsize=10,bsize=2048"


def testpmd_command(ctx, mode):
    cpu = ctx.server_cpu
    pages = ["--in-memory"] if free_huge_mib() >= 256 else ["--no-huge"]
    return [common.which("dpdk-testpmd"), f"--lcores=0@{cpu},1@{cpu}", "--no-pci", "--no-shconf",
            "--no-telemetry", *pages, "-m", "128", "--iova-mode=va", "--log-level=error", vdev(ctx),
            "--", "-i", f"--forward-mode={mode}", "--total-num-mbufs=16384", "--nb-cores=1",
            "--rxd=1024", "--txd=1024", "--burst=32"]


def free_huge_mib():
    try:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", encoding="ascii") as f:
            return int(f.read()) * 2
    except OSError:
        return 0


def testpmd(ctx, key, more=()):
    """Its own count of cycles: those of bursts that were not empty, for each packet received."""
    mode, extra = TESTPMD[key]
    server = serve(ctx, testpmd_command(ctx, mode), stdin=subprocess.PIPE)

    def tell(*commands):
        server.stdin.write("".join(c + "\n" for c in commands))
        server.stdin.flush()
    try:
        tell("set record-core-cycles on", "start")
        value, watch = client(ctx, server, ["--kind", "forward", *extra, "--seconds",
                                            str(ctx.seconds), *more],
                              before_end=lambda: (tell("stop"), time.sleep(0.3)))
        tell("quit")
        out, _ = server.communicate(timeout=20)
    finally:
        common.stop(server)
    watch.told(value.pop("client_waited"))
    finish(key, value, None)
    cycles = re.search(r"CPU cycles/packet=([\d.]+)", out)
    packets = re.search(r"RX-packets: (\d+)\s+RX-dropped: (\d+)\s+RX-total: \d+\s+"
                        r"TX-packets: (\d+)\s+TX-dropped: (\d+)", out)
    if cycles:
        per_packet = float(cycles.group(1))
        value["server_cycles_per_packet"] = value["server_cycles_per_unit"] = per_packet
        value["server_busy"] = round(per_packet * value["units"] / value["span"] / value["tsc_hz"], 4)
        value["bound"] = bound(value)
    if packets:
        value["server_drops"] = {"tx_dropped": int(packets.group(4))}
    return value, watch


def line_ns(ctx):
    """How long a cache line takes from CPU to CPU and back."""
    cpus = [str(ctx.server_cpu), str(ctx.client_cpu)]
    return float(common.output(ctx.program("bench_line"), *cpus))


def between_lines(ctx, one, key, more):
    before = line_ns(ctx)
    value, watch = one(ctx, key, more)
    value["line_ns"] = [before, line_ns(ctx)]
    return value, watch


def side(sample, least):
    """Whether the CPUs stood near or far from each other in a sample; None: they moved."""
    far = [ns > APART * least for ns in sample["line_ns"]]
    return None if len(set(far)) > 1 else "far" if far[0] else "near"


def by_side(samples):
    """All samples apart by where the CPUs stood, so that what is compared was measured on one machine: first those
    of where they stood most often, then those of elsewhere. During the rest they moved."""
    every = [s for v in samples.values() for s in v]
    least = min((ns for s in every for ns in s["line_ns"]), default=0)
    sides = [side(s, least) for s in every]
    most = ["far", "near"] if sides.count("far") > sides.count("near") else ["near", "far"]
    return [{k: [s for s in v if side(s, least) == where] for k, v in samples.items()} for where in most]


def rounds(ctx, keys, one, more=()):
    """Take turns: every key once a round, so that all meet the same machine."""
    ctx.build("bench/bench_line")
    samples, failed = {k: [] for k in keys}, set()
    for turn in range(ctx.rounds):
        for key in keys:
            if key in failed:
                continue
            common.say(f"round {turn + 1}: {key}")
            try:
                value = common.undisturbed(ctx, key, lambda k=key: between_lines(ctx, one, k, more))
            except common.NotRun as why:
                ctx.skip(key, str(why))
                failed.add(key)
                continue
            if value:
                samples[key].append(value)
    kept, others = by_side(samples)
    for key in keys:
        if samples[key] and not kept[key]:
            ctx.skip(key, "the CPUs stood elsewhere than for the other lines each time")
    return {k: summary(k, v, others[k], len(samples[k])) for k, v in kept.items() if v}


def summary(key, samples, others, taken):
    """Medians, and the worst of what should not be; of others, where the CPUs stood elsewhere, rate and cycles."""
    names = ["rate", "client_busy", "server_busy", "server_cycles_per_packet",
             "server_cycles_per_unit", "server_cycles_per_kilobyte"]
    result = {name: common.collect(samples, name) for name in names}
    bounds = [s["bound"] for s in samples]
    last = samples[-1]
    result.update({
        "counts": counts_of(key),
        "bound": max(set(bounds), key=bounds.count),
        "payload": last["payload"], "reply": last["reply"], "connections": last["connections"],
        "packets_in_huge_pages": last["packets_in_huge_pages"], "tsc_hz": last["tsc_hz"],
        "packets_per_unit": last["client_rx"] / last["units"] if last["units"] else None,
        "hidden": max(s["hidden"] for s in samples),
        "retransmissions": max(s.get("retransmissions", 0) for s in samples),
        "server_drops": last["server_drops"], "mbufs_lost": max(s["mbufs_lost"] for s in samples),
        "disturbance": [s["disturbance"] for s in samples],
        "line_ns": common.series([ns for s in samples for ns in s["line_ns"]]),
        "elsewhere": {"line_ns": common.series([ns for s in others for ns in s["line_ns"]]),
                      "rate": common.collect(others, "rate"),
                      "server_cycles_per_packet": common.collect(others, "server_cycles_per_packet")},
        "moved": taken - len(samples) - len(others),
        "latency_ns": {p: common.series([s["latency_ns"][p] for s in samples])
                       for p in ("p50", "p99", "p999")},
    })
    return result


def need_two(ctx):
    if not ctx.two_cpus:
        raise common.NotRun("two CPUs are needed")
    ctx.build("bench/bench_link")


def keys_of(ctx, keys):
    return ctx.options.names or [k for k in keys if not ctx.quick or k in QUICK]


def ring(ctx):
    need_two(ctx)
    return rounds(ctx, keys_of(ctx, RING), over_ring)


def pick(ctx, key, more=()):
    return testpmd(ctx, key, more) if key in TESTPMD else over_memif(ctx, key, more)


def memif(ctx):
    need_two(ctx)
    return rounds(ctx, keys_of(ctx, MEMIF), pick)


def bulk(ctx):
    need_two(ctx)
    return rounds(ctx, keys_of(ctx, BULK), pick)
