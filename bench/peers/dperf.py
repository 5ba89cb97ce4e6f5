"""dperf's client against pier and against dperf's own server over net_memif, in turns."""

import pathlib
import re
import shutil
import subprocess

from seconds import by_place, second, summary
from served import Failed, Memif, line_ns, need_huge_pages, poller_wait, stop

HERE = pathlib.Path(__file__).resolve().parent
MODES = {"short": {"listen 80.requests": "1"}, "keepalive": {}, "bulk": {"listen 80.body-size": "1318"}}
WARMUP = 4              # seconds: 3 in which dperf waits, 1 in which it starts slowly
RETRANSMITS = "synRt", "finRt", "ackRt", "pushRt"
ERRORS = "skErr", "httpErr", "http5XX", "rstTx", "rstRx", "tcpDrop", "dropTx", "badRx", "imissed"


def usable(path):
    """A dperf that can be given EAL arguments, without which it knows PCI devices only."""
    if not shutil.which(path):
        raise Failed(f"{path} is not a program")
    if b"DPERF_EAL" not in pathlib.Path(shutil.which(path)).read_bytes():
        raise Failed(f"{path} knows PCI devices only; bench/peers/README.md says what to change for memif")


def numbers(text):
    return {k: int(v.replace(",", "")) for k, v in re.findall(r"([A-Za-z0-9]+) +([\d,]+)(?=\s|$)", text)}


def parse(text):
    """What dperf printed: a dict for each second, and one of the totals."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)      # errors are in colour
    text, _, total = text.partition("Total Numbers:")
    return [numbers(part) for part in re.split(r"^seconds +", text, flags=re.M)[1:]], numbers(total)


class Pair:
    """dperf's client, and a server for it."""

    def __init__(self, dperf, pier, meter, cpus, seconds):
        self.dperf, self.pier, self.meter, self.cpus, self.seconds = dperf, pier, meter, cpus, seconds

    def conf(self, name, **change):
        text = (HERE / f"{name}.conf").read_text()
        for key, value in change.items():
            text, n = re.subn(rf"^{key}\s.*$", f"{key} {value}", text, flags=re.M)
            assert n == 1, (name, key)
        path = self.link.folder / f"{name}.conf"
        path.write_text(text)
        return str(path)

    def server(self, mode, who):
        if who == "pier":
            return self.link.serve_pier(MODES[mode])
        path = self.conf(f"dperf-server-{mode}", cpu=self.cpus[0], port="net_memif0 198.18.0.2 198.18.0.3")
        return self.link.serve(who, [self.dperf, "-c", path],
                               {"DPERF_EAL": " ".join(self.link.eal("server", "server", 700))})

    def client(self, mode):
        path = self.conf(f"dperf-client-{mode}", cpu=self.cpus[1], duration=f"{self.seconds + WARMUP}s",
                         port="net_memif0 198.18.0.3 198.18.0.2", slow_start="1")
        return self.link.start(["stdbuf", "-oL", self.dperf, "-c", path], "client",
                               {"DPERF_EAL": " ".join(self.link.eal("client", "client", 800))},
                               stdout=subprocess.PIPE)

    def watch(self, server, client):
        """Reads dperf until it ends, the meter with each of its seconds; polling would disturb."""
        lines, marks = [], []
        for line in client.stdout:
            lines.append(line)
            if line.startswith("seconds "):
                marks.append((self.link.read_meter(), poller_wait(server.pid), poller_wait(client.pid)))
            if server.poll() is not None:
                break
        return "".join(lines), marks

    def measure(self, mode, who):
        with Memif(self.pier, self.meter, self.cpus) as self.link:
            server = self.server(mode, who)
            client = self.client(mode)
            text, marks = self.watch(server, client)
            died = server.poll()
            stop(client)
            stop(server)
            if died is not None or (who == "pier" and server.returncode):
                raise Failed(f"{who} ended with {server.returncode}: {self.link.said('server')}")
            return figures(text, marks)


def counts(p):
    """What a second of dperf's says for `second`."""
    return dict(units=p["http2XX"], seconds=1, client_busy=p.get("cpuUsage", 0) / 100, client_rx_bps=p.get("bitsRx", 0))


def figures(text, marks):
    seconds, total = parse(text)
    rows, left_out = [], 0
    for i in range(WARMUP, len(seconds)):
        if i >= len(marks) or not seconds[i].get("http2XX") or not (marks[i - 1][0] and marks[i][0]) \
                or marks[i][0]["total"] == marks[i - 1][0]["total"]:
            continue
        row = second(counts(seconds[i]), marks[i - 1], marks[i])
        rows += [row] if row else []
        left_out += not row
    while rows and rows[-1]["rate"] < max(row["rate"] for row in rows) / 10:    # the client has ended
        rows.pop()
    return dict(rows=rows, left_out=left_out, tsc_hz=marks[-1][0]["hz"] if marks and marks[-1][0] else 0,
                retransmissions={k: total.get(k, 0) for k in RETRANSMITS},
                errors={k: total.get(k, 0) for k in ERRORS})


def measure(dperf, pier, meter, cpus, seconds, rounds, modes):
    """A list of dicts, one for each mode and server; up to twice the rounds until both servers had the CPUs alike."""
    usable(dperf)
    need_huge_pages(800)
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
