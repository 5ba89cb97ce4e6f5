"""TRex's client (its advanced stateful mode) against pier over net_memif."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from seconds import by_place, second, summary
from served import Failed, Memif, line_ns, need_huge_pages, poller_wait, stop

HERE = pathlib.Path(__file__).resolve().parent
# What is to be different of pier-peers.ini, and trex-pier.py's tunables. TRex keeps a connection for half a second after
# its end, so those of one request are opened at a rate, more than it can; of the others so many are kept.
MODES = {
    "short": ({"listen 80.requests": "1"}, {"requests": 1, "answer": 135, "cps": 1000000}),
    "keepalive": ({}, {"requests": 1000000, "answer": 116, "flows": 500}),
    "bulk": ({"listen 80.body-size": "1318"}, {"requests": 1000000, "answer": 1422, "flows": 500}),
}
WARMUP = 2              # seconds
READY = 120             # seconds, for TRex to have found pier
AGAIN = 10              # packets from the client for a connection or request; 3 or 1 are to be
RETRANSMITS = "tcps_sndrexmitpack", "tcps_rexmttimeo", "tcps_rexmttimeo_syn"
ERRORS = ("tcps_drops", "tcps_conndrops", "tcps_timeoutdrop", "tcps_rcvbadsum", "tcps_rcvbadoff", "tcps_nombuf",
          "err_no_tcp", "err_no_memory", "err_flow_overflow", "err_client_pkt_without_flow")


def folder(path):
    """Where TRex lies; it runs there only. `path` is that folder or its t-rex-64."""
    path = pathlib.Path(path).resolve()
    found = path if path.is_dir() else path.parent
    for name in ("_t-rex-64", "automation/trex_control_plane/interactive"):
        if not (found / name).exists():
            raise Failed(f"{found} has no {name}: --trex is t-rex-64 in TRex's own folder")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """TRex at one end of a memif, all its threads on one CPU, and the program that tells it what to do."""

    def __init__(self, where, link, cpu):
        self.where, self.link, self.cpu = where, link, cpu
        self.ports = free_port(), free_port()
        self.trex = self.start()

    def configuration(self):
        text = (HERE / "trex-pier.yaml").read_text()
        device = json.dumps([self.link.device("client"), "dummy"])
        text = re.sub(r"(?m)^  interfaces: .*$", lambda _: f"  interfaces: {device}", text)
        text += (f"  low_end: true\n  low_end_core: {self.cpu}\n  prefix: {self.link.prefix('client')}\n"
                 f"  limit_memory: 2048\n  memory:\n    dp_flows: 1048576\n  zmq_rpc_port: {self.ports[0]}\n  zmq_pub_port: {self.ports[1]}\n")
        path = self.link.folder / "trex.yaml"
        path.write_text(text)
        return str(path)

    def start(self):
        return self.link.start(["./_t-rex-64", "-i", "--astf", "--cfg", self.configuration(), "--no-scapy-server",
                                "--iom", "0", "--no-key"], "client",
                               {"LD_LIBRARY_PATH": f"{self.where}:{self.where}/so/{os.uname().machine}"}, cwd=self.where)

    def control(self, seconds, tunables):
        return self.link.start(
            [sys.executable, "-W", "ignore", str(HERE / "trex-control.py"), "--folder", str(self.where), "--rpc-port",
             str(self.ports[0]), "--pub-port", str(self.ports[1]), "--seconds", str(seconds), "--",
             *[w for k, v in tunables.items() for w in (f"--{k}", str(v))]],
            "control", {}, stdout=subprocess.PIPE)


def counts(mode, before, after):
    """What `second` wants to know of the client, from two of its lines."""
    d = {k: after.get(k, 0) - before.get(k, 0) for k in ("seconds", "tcps_closed", "tcps_rcvbyte")}
    units = d["tcps_closed"] if mode == "short" else d["tcps_rcvbyte"] / MODES[mode][1]["answer"]
    return dict(units=units, seconds=d["seconds"], client_busy=min(after["cpu"] / 100, 1),
                client_rx_bps=d["tcps_rcvbyte"] * 8 / d["seconds"])


def figures(mode, marks):
    rows, left_out = [], 0
    for (before, *mark0), (after, *mark1) in zip(marks[WARMUP:], marks[WARMUP + 1:]):
        client = counts(mode, before, after)
        row = second(client, mark0, mark1) if client["units"] and mark0[0] and mark1[0] else None
        rows += [row] if row else []
        left_out += not row
    total = marks[-1][0]
    return dict(rows=rows, left_out=left_out, tsc_hz=(marks[-1][1] or {}).get("hz", 0),
                retransmissions={k: total.get(k, 0) for k in RETRANSMITS}, errors={k: total.get(k, 0) for k in ERRORS})


def run(where, pier, meter, cpus, seconds, mode):
    sets, tunables = MODES[mode]
    with Memif(pier, meter, cpus) as link:
        server = link.serve_pier(sets)
        client = Client(where, link, cpus[1])
        control, marks, said = client.control(seconds + WARMUP + 1, tunables), [], ""
        for line in control.stdout:
            if not line.startswith("{"):
                said += line
                continue
            marks.append((json.loads(line), link.read_meter(), poller_wait(server.pid), poller_wait(client.trex.pid)))
        control.wait()
        stop(client.trex)
        stop(server)
        if control.returncode or len(marks) < WARMUP + 2:
            raise Failed(f"trex: {said[-500:] or link.said('client')}")
        if server.returncode:
            raise Failed(f"pier ended with {server.returncode}: {link.said('server')}")
        return usable(figures(mode, marks))


def usable(found):
    """TRex 3.08's memif driver leaves a flag in descriptors, by which a receiver takes old packets for new ones."""
    if any(row["packets_in"] > AGAIN for row in found["rows"]):
        raise Failed("old packets come in again and again: bench/peers/README.md says what to change in its memif driver")
    return found


def measure(path, pier, meter, cpus, seconds, rounds, modes):
    """A list of dicts, one for each mode; up to twice the rounds until the CPUs stood still in one."""
    where, result = folder(path), []
    need_huge_pages(400)
    for mode in modes:
        runs, kept = [], {}
        for turn in range(2 * rounds):
            before = line_ns(meter, cpus)
            runs.append(run(where, pier, meter, cpus, seconds, mode))
            runs[-1]["line_ns"] = [before, line_ns(meter, cpus)]
            kept, elsewhere = by_place({"pier": runs}, min(ns for r in runs for ns in r["line_ns"]))
            if turn + 1 >= rounds and kept["pier"]:
                break
        result.append(summary(mode, "pier", runs, kept["pier"], elsewhere["pier"]))
    return result
