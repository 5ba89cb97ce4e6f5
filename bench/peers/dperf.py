"""dperf's client against pier and against dperf's own server over net_memif, in turns."""

import os
import pathlib
import re
import shutil
import signal
import statistics
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODES = {"short": {"listen 80.requests": "1"}, "keepalive": {}, "bulk": {"listen 80.body-size": "1318"}}
FIELDS = "hz busy total rx tx turns busy_turns tx_calls tx_refused".split()
WARMUP = 4              # seconds: 3 in which dperf waits, 1 in which it starts slowly
WAITED = 0.1, 0.15      # of a second: with more run-queue wait, of server or client, it is left out
APART = 2               # times the least that a cache line took from CPU to CPU: the CPUs stood elsewhere
RETRANSMITS = "synRt", "finRt", "ackRt", "pushRt"
ERRORS = "skErr", "httpErr", "http5XX", "rstTx", "rstRx", "tcpDrop", "dropTx", "badRx", "imissed"


class Failed(Exception):
    """What cannot be measured, and why."""


def usable(path):
    """A dperf that can be given EAL arguments, without which it knows PCI devices only."""
    if not shutil.which(path):
        raise Failed(f"{path} is not a program")
    if b"DPERF_EAL" not in pathlib.Path(shutil.which(path)).read_bytes():
        raise Failed(f"{path} knows PCI devices only; bench/peers/README.md says what to change for memif")


def free_huge_pages():
    return int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())


def numbers(text):
    return {k: int(v.replace(",", "")) for k, v in re.findall(r"([A-Za-z0-9]+) +([\d,]+)(?=\s|$)", text)}


def parse(text):
    """What dperf printed: a dict for each second, and one of the totals."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)      # errors are in colour
    text, _, total = text.partition("Total Numbers:")
    return [numbers(part) for part in re.split(r"^seconds +", text, flags=re.M)[1:]], numbers(total)


def poller_wait(pid):
    """Nanoseconds that the busiest thread was runnable and did not run."""
    best = 0, 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            ran, wait, _ = pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()
            best = max(best, (int(ran), int(wait)))
    except OSError:
        pass
    return best[1]


def prefer(pid):
    """Before whatever else the machine does, where that is allowed. A session of its own may be an autogroup,
    outside of which its threads' nice values mean nothing: then the group's counts."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        pathlib.Path(f"/proc/{pid}/autogroup").write_text("-20")
    except OSError:
        pass


def stop(process, sig=signal.SIGINT):
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Pair:
    """One server, one client, one socket between them."""

    def __init__(self, dperf, pier, meter, cpus, seconds):
        self.dperf, self.pier, self.meter, self.cpus, self.seconds = dperf, pier, meter, cpus, seconds

    def eal(self, role, name, mib):
        return ["--no-pci", "--in-memory", "-m", str(mib), f"--file-prefix=peers-{name}-{os.getpid()}",
                f"--vdev=net_memif0,role={role},id=0,socket={self.folder}/memif,socket-abstract=no,rsize=11"]

    def conf(self, name, **change):
        text = (HERE / f"{name}.conf").read_text()
        for key, value in change.items():
            text, n = re.subn(rf"^{key}\s.*$", f"{key} {value}", text, flags=re.M)
            assert n == 1, (name, key)
        path = self.folder / f"{name}.conf"
        path.write_text(text)
        return str(path)

    def start(self, command, name, env, **more):
        log = open(self.folder / f"{name}.out", "w")
        process = subprocess.Popen(command, **{"stdout": log, **more}, stderr=subprocess.STDOUT, text=True,
                                   stdin=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, **env})
        prefer(process.pid)
        return process

    def server(self, mode, who):
        env = {"METER": str(self.folder / "meter"), "LD_PRELOAD": str(self.meter)}
        if who == "dperf":
            env["DPERF_EAL"] = " ".join(self.eal("server", "server", 700))
            path = self.conf(f"dperf-server-{mode}", cpu=self.cpus[0], port="net_memif0 198.18.0.2 198.18.0.3")
            return self.start([self.dperf, "-c", path], "server", env)
        sets = {"port 0.device": "net_memif0", **MODES[mode]}
        return self.start([self.pier, *self.eal("server", "server", 256), f"--lcores=0@{self.cpus[0]}",
                           "--no-telemetry", "--", "-c", str(HERE / "pier-dperf.ini"),
                           *[w for k, v in sets.items() for w in ("--set", f"{k}={v}")]], "server", env)

    def client(self, mode):
        path = self.conf(f"dperf-client-{mode}", cpu=self.cpus[1], duration=f"{self.seconds + WARMUP}s",
                         port="net_memif0 198.18.0.3 198.18.0.2", slow_start="1")
        return self.start(["stdbuf", "-oL", self.dperf, "-c", path], "client",
                          {"DPERF_EAL": " ".join(self.eal("client", "client", 800))}, stdout=subprocess.PIPE)

    def read_meter(self):
        try:
            data = (self.folder / "meter").read_bytes()[:8 * len(FIELDS)]
            return dict(zip(FIELDS, struct.unpack(f"{len(FIELDS)}Q", data)))
        except (OSError, struct.error):
            return None

    def watch(self, server, client):
        """Reads dperf until it ends, the meter with each of its seconds; polling would disturb."""
        lines, marks = [], []
        for line in client.stdout:
            lines.append(line)
            if line.startswith("seconds "):
                marks.append((self.read_meter(), poller_wait(server.pid), poller_wait(client.pid)))
            if server.poll() is not None:
                break
        return "".join(lines), marks

    def measure(self, mode, who):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pier-peers-"))
        server = client = None
        try:
            server = self.server(mode, who)
            while not (self.folder / "memif").exists():
                try:
                    server.wait(0.2)
                    raise Failed(f"{who} ended: {(self.folder / 'server.out').read_text()[-500:]}")
                except subprocess.TimeoutExpired:
                    pass
            client = self.client(mode)
            text, marks = self.watch(server, client)
            died = server.poll()
            stop(client)
            stop(server)
            if died is not None or (who == "pier" and server.returncode):
                raise Failed(f"{who} ended with {server.returncode}: "
                             f"{(self.folder / 'server.out').read_text()[-500:]}")
            return figures(text, marks)
        finally:
            for process in (client, server):
                if process:
                    stop(process, signal.SIGTERM)
            shutil.rmtree(self.folder)
            for name in ("client", "server"):   # what EAL leaves, with --in-memory too
                shutil.rmtree(f"/var/run/dpdk/peers-{name}-{os.getpid()}", ignore_errors=True)


def second(p, before, after):
    """One second's figures, or None if it was disturbed."""
    (m0, *wait0), (m1, *wait1) = before, after
    waited = [(b - a) * 1e-9 for a, b in zip(wait0, wait1)]
    if any(w > limit for w, limit in zip(waited, WAITED)):
        return None
    d = {k: m1[k] - m0[k] for k in FIELDS}
    rate = p["http2XX"]
    # What the server waited for its CPU is not its work; busy turns are hit as often as there are of them.
    kept = 1 - min(waited[0] * m1["hz"] / d["total"], 0.9)
    return dict(rate=rate, cycles=d["busy"] * kept / rate, server_busy=d["busy"] / d["total"],
                client_busy=p.get("cpuUsage", 0) / 100, packets_in=d["rx"] / rate, packets_out=d["tx"] / rate,
                packets_a_turn=d["rx"] / max(d["busy_turns"], 1), client_rx_bps=p.get("bitsRx", 0),
                server_waited=waited[0], client_waited=waited[1])


def figures(text, marks):
    seconds, total = parse(text)
    rows, left_out = [], 0
    for i in range(WARMUP, len(seconds)):
        if i >= len(marks) or not seconds[i].get("http2XX") or not (marks[i - 1][0] and marks[i][0]) \
                or marks[i][0]["total"] == marks[i - 1][0]["total"]:
            continue
        row = second(seconds[i], marks[i - 1], marks[i])
        rows += [row] if row else []
        left_out += not row
    while rows and rows[-1]["rate"] < max(row["rate"] for row in rows) / 10:    # the client has ended
        rows.pop()
    return dict(rows=rows, left_out=left_out, tsc_hz=marks[-1][0]["hz"] if marks and marks[-1][0] else 0,
                retransmissions={k: total.get(k, 0) for k in RETRANSMITS},
                errors={k: total.get(k, 0) for k in ERRORS})


def line_ns(meter, cpus):
    """How long a cache line takes from one CPU to the other and back: a virtual machine's may move apart."""
    said = subprocess.run([str(pathlib.Path(meter).parent / "bench_line"), *map(str, cpus)], text=True,
                          capture_output=True, check=False)
    if said.returncode:
        raise Failed(f"bench_line, which is built with the meter: {said.stderr.strip()[-200:]}")
    return float(said.stdout)


def place(run, least):
    """Whether the CPUs stood near or far from each other in a run; None: they moved."""
    far = [ns > APART * least for ns in run["line_ns"]]
    return None if len(set(far)) > 1 else "far" if far[0] else "near"


def by_place(runs, least):
    """Each server's runs apart by where the CPUs stood, so that what is compared was measured on one machine: first
    those of where both have most of theirs, then those of elsewhere. During the rest the CPUs moved."""
    found = {where: {who: [r for r in v if place(r, least) == where] for who, v in runs.items()} for where in ("near", "far")}
    return sorted(found.values(), key=lambda v: (min(map(len, v.values())), sum(map(len, v.values()))), reverse=True)


def bound(row):
    server, client = row["server_busy"] > 0.95, row["client_busy"] > 0.95
    return "both" if server and client else "server" if server else "client" if client else "neither"


def summary(mode, who, runs, kept, elsewhere):
    """Of the runs kept, but for what should not be, which is all runs'; and medians of those elsewhere."""
    rows, others = ([row for r in some for row in r["rows"]] for some in (kept, elsewhere))
    out = dict(mode=mode, server=who, unit="connections/s" if mode == "short" else "requests/s",
               seconds=len(rows), seconds_left_out=sum(r["left_out"] for r in runs),
               tsc_hz=runs[-1]["tsc_hz"], runs=[len(kept), len(elsewhere), len(runs)])
    for kind in ("retransmissions", "errors"):
        out[kind] = {k: sum(r[kind][k] for r in runs) for k in runs[0][kind]}
    if others:
        out["elsewhere"] = {k: statistics.median(row[k] for row in others) for k in ("rate", "cycles")}
    if not rows:
        return dict(out, not_measured="no second without disturbance, or the CPUs stood elsewhere for the other server")
    out.update({k: statistics.median(row[k] for row in rows) for k in rows[0]})
    for key in ("rate", "cycles"):
        out[f"{key}_min"] = min(row[key] for row in rows)
        out[f"{key}_max"] = max(row[key] for row in rows)
    out["bound"] = bound(out)
    out["line_ns"] = [ns for r in kept for ns in r["line_ns"]]
    return out


def measure(dperf, pier, meter, cpus, seconds, rounds, modes):
    """A list of dicts, one for each mode and server; up to twice the rounds until both servers had the CPUs alike."""
    usable(dperf)
    if free_huge_pages() < 800:
        raise Failed("800 free huge pages of 2 MB are needed: sysctl vm.nr_hugepages=1024")
    pair, runs, result = Pair(dperf, pier, meter, cpus, seconds), {mode: {"pier": [], "dperf": []} for mode in modes}, []

    def least():
        return min(ns for some in runs.values() for of in some.values() for r in of for ns in r["line_ns"])

    for mode in modes:
        for turn in range(2 * rounds):
            if turn >= rounds and all(by_place(runs[mode], least())[0].values()):
                break
            for who, of in runs[mode].items():
                before = line_ns(meter, cpus)
                of.append(pair.measure(mode, who))
                of[-1]["line_ns"] = [before, line_ns(meter, cpus)]
    for mode in modes:
        kept, elsewhere = by_place(runs[mode], least())
        result += [summary(mode, who, of, kept[who], elsewhere[who]) for who, of in runs[mode].items()]
    return result
