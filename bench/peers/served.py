"""Both ends of a memif: pier or another server at one, a client at the other, each on its CPU, and the meter that
counts the server's cycles (meter.c)."""

import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FIELDS = "hz busy total rx tx turns busy_turns tx_calls tx_refused".split()


class Failed(Exception):
    """What cannot be measured, and why."""


def free_huge_pages():
    return int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())


def need_huge_pages(n):
    if free_huge_pages() < n:
        raise Failed(f"{n} free huge pages of 2 MB are needed: sysctl vm.nr_hugepages=1024")


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


def line_ns(meter, cpus):
    """How long a cache line takes from one CPU to the other and back: a virtual machine's may move apart."""
    said = subprocess.run([str(pathlib.Path(meter).parent / "bench_line"), *map(str, cpus)], text=True,
                          capture_output=True, check=False)
    if said.returncode:
        raise Failed(f"bench_line, which is built with the meter: {said.stderr.strip()[-200:]}")
    return float(said.stdout)


class Memif:
    """The folder of one run, with its socket and what its programs print; what they leave goes with it."""

    def __init__(self, pier, meter, cpus):
        self.pier, self.meter, self.cpus = pier, meter, cpus

    def __enter__(self):
        self.folder, self.processes = pathlib.Path(tempfile.mkdtemp(prefix="pier-peers-")), []
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process, signal.SIGTERM)
        shutil.rmtree(self.folder)
        for name in ("client", "server"):   # what EAL leaves, with --in-memory too
            shutil.rmtree(f"/var/run/dpdk/{self.prefix(name)}", ignore_errors=True)

    @staticmethod
    def prefix(name):
        return f"peers-{name}-{os.getpid()}"

    def device(self, role):
        return f"--vdev=net_memif0,role={role},id=0,socket={self.folder}/memif,socket-abstract=no,rsize=11"

    def eal(self, role, name, mib):
        return ["--no-pci", "--in-memory", "-m", str(mib), f"--file-prefix={self.prefix(name)}", self.device(role)]

    def start(self, command, name, env, **more):
        log = open(self.folder / f"{name}.out", "w")
        process = subprocess.Popen(command, **{"stdout": log, **more}, stderr=subprocess.STDOUT, text=True,
                                   stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **env})
        self.processes.append(process)
        prefer(process.pid)
        return process

    def serve(self, who, command, env=None):
        """Starts the server `who`, metered, and waits until it listens on the socket."""
        env = {"METER": str(self.folder / "meter"), "LD_PRELOAD": str(self.meter), **(env or {})}
        server = self.start(command, "server", env)
        while not (self.folder / "memif").exists():
            try:
                server.wait(0.2)
                raise Failed(f"{who} ended: {self.said('server')}")
            except subprocess.TimeoutExpired:
                pass
        return server

    def serve_pier(self, sets):
        """pier with pier-peers.ini and what is to be different of it, {section.key: value}."""
        sets = {"port 0.device": "net_memif0", **sets}
        return self.serve("pier", [self.pier, *self.eal("server", "server", 256), f"--lcores=0@{self.cpus[0]}",
                                   "--no-telemetry", "--", "-c", str(HERE / "pier-peers.ini"),
                                   *[w for k, v in sets.items() for w in ("--set", f"{k}={v}")]])

    def said(self, name):
        return (self.folder / f"{name}.out").read_text()[-500:]

    def read_meter(self):
        try:
            data = (self.folder / "meter").read_bytes()[:8 * len(FIELDS)]
            return dict(zip(FIELDS, struct.unpack(f"{len(FIELDS)}Q", data)))
        except (OSError, struct.error):
            return None
