"""What all parts share: building, the machine, processes that are watched while they are measured, and
series with their spread."""

import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "bench"
RESULTS = BENCH / "results"

# A sample is thrown out if what was measured waited for a CPU, or the host took it away, for more than
# this part of the time. It is repeated REPEATS times at most.
WAIT_MAX = float(os.environ.get("BENCH_WAIT_MAX", "0.03"))
STEAL_MAX = float(os.environ.get("BENCH_STEAL_MAX", "0.02"))
REPEATS = 3


class NotRun(Exception):
    """A part, or a line of it, that cannot be measured here, and why."""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def output(*command):
    try:
        return subprocess.run(command, cwd=ROOT, check=True, text=True,
                              capture_output=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def commit():
    """The commit, "-dirty" if what is measured is not as it is there: results and README, which a run writes, are not."""
    at = output("git", "describe", "--always", "--exclude=*")
    changed = output("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results", ":!README.md")
    return at + ("-dirty" if changed and at != "unknown" else "")


def machine():
    fields = {}
    for line in output("lscpu").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return {
        "cpu": fields.get("Model name", "unknown"),
        "cpus": os.cpu_count(),
        "virtual": fields.get("Hypervisor vendor") or
        ("yes" if "hypervisor" in fields.get("Flags", "").split() else "no"),
        "kernel": platform.release(),
        "compiler": output("cc", "--version").splitlines()[0],
        "dpdk": output("pkg-config", "--modversion", "libdpdk"),
        "commit": commit(),
    }


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


# Rounds of what takes turns, rounds where a sample takes seconds, and seconds of a sample over a link.
SIZES = {"quick": (3, 2, 0.3), "usual": (5, 3, 0.5), "thorough": (7, 7, 1.0)}


class Context:
    """A run of bench/run: where it builds, how long it measures, what it cannot run."""

    def __init__(self, options):
        self.options = options
        self.quick = options.quick
        self.build_dir = ROOT / os.environ.get("BUILD", "build-bench")
        self.size = "quick" if self.quick else "thorough" if getattr(options, "thorough", False) else "usual"
        rounds, few, seconds = SIZES[self.size]
        self.rounds = options.rounds or rounds
        self.few = options.rounds or few
        self.seconds = options.seconds or seconds
        self.not_run = []
        self.thrown_out = 0
        self.machine = machine()
        self.folder = tempfile.TemporaryDirectory(prefix="pier-bench-")
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu, self.client_cpu = (cpus + cpus)[:2]
        self.two_cpus = len(cpus) >= 2

    def sized(self, quick, usual, thorough):
        return {"quick": quick, "usual": usual, "thorough": thorough}[self.size]

    def skip(self, what, why):
        say(f"not run: {what}: {why}")
        self.not_run.append({"what": what, "why": why})

    def build(self, *targets, where=None, options=()):
        where = where or self.build_dir
        if not (where / "build.ninja").exists():
            subprocess.run(["meson", "setup", str(where), str(ROOT), "--buildtype=release",
                            "-Dtests=false", *options], check=True, stdout=sys.stderr)
        subprocess.run(["ninja", "-C", str(where), *targets], check=True, stdout=sys.stderr)
        return where

    def program(self, name):
        return str(self.build_dir / "bench" / name)

    def socket(self):
        return os.path.join(self.folder.name, "memif.sock")

    def save(self, part, result):
        """One file for each part, so that parts can be measured at different times."""
        result = {"part": part, "date": now(), "quick": self.quick, "size": self.size,
                  "rounds": self.rounds, "machine": self.machine,
                  "not_run": self.not_run, "thrown_out": self.thrown_out, **result}
        self.not_run, self.thrown_out = [], 0
        RESULTS.mkdir(exist_ok=True)
        name = f"{part}-quick.json" if self.quick else f"{part}.json"
        if not result.get("figures") and (RESULTS / name).exists():
            say(f"kept as it was: bench/results/{name}")
            return result
        (RESULTS / name).write_text(json.dumps(result, indent=1) + "\n")
        say(f"written: bench/results/{name}")
        return result


def which(name, path=None):
    found = path or shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        raise NotRun(f"{name} is not installed")
    if not os.access(found, os.X_OK):
        raise NotRun(f"{found} cannot be run")
    return found


def steal(cpus):
    """Seconds that the host took from the CPUs."""
    total = 0
    with open("/proc/stat", encoding="ascii") as f:
        for line in f:
            name, *values = line.split()
            if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cpus:
                total += int(values[7])
    return total / os.sysconf("SC_CLK_TCK")


def cpu_busy(cpu):
    """Seconds of user, system and interrupt time of one CPU."""
    with open("/proc/stat", encoding="ascii") as f:
        for line in f:
            if line.startswith(f"cpu{cpu} "):
                v = [int(x) for x in line.split()[1:]]
                return (v[0] + v[1] + v[2] + v[5] + v[6]) / os.sysconf("SC_CLK_TCK")
    raise NotRun(f"CPU {cpu} is not in /proc/stat")


class Watch:
    """How long the tasks of some processes waited in a run queue, and what the host stole, while it is
    on. The poll is slow, so that it disturbs little."""

    def __init__(self, pids, cpus):
        self.pids, self.cpus = pids, cpus
        self.waits = {}
        self.first = None
        self.done = threading.Event()

    def look(self):
        for pid in self.pids:
            try:
                tasks = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue
            for task in tasks:
                try:
                    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                        wait = int(f.read().split()[1]) / 1e9
                except (OSError, IndexError, ValueError):
                    continue
                self.waits[task] = wait
        if self.first is None:
            self.first = dict(self.waits)

    def poll(self):
        while not self.done.wait(0.5):
            self.look()

    def __enter__(self):
        self.look()
        self.start, self.stolen = time.monotonic(), steal(self.cpus)
        self.thread = threading.Thread(target=self.poll)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.look()
        elapsed = max(time.monotonic() - self.start, 1e-3)
        self.wait = max((self.waits[t] - self.first.get(t, 0) for t in self.waits), default=0) / elapsed
        self.steal = (steal(self.cpus) - self.stolen) / elapsed / max(len(self.cpus), 1)

    def told(self, *shares):
        """What threads that ended before the last look say of themselves."""
        self.wait = max(self.wait, *shares)

    def disturbed(self):
        return self.wait > WAIT_MAX or self.steal > STEAL_MAX

    def about(self):
        return {"run_queue_wait": round(self.wait, 4), "steal": round(self.steal, 4)}


def undisturbed(ctx, what, sample):
    """sample() returns (value, watch); again while it was disturbed. None: it always was."""
    for _ in range(1 + REPEATS):
        value, watch = sample()
        value["disturbance"] = watch.about()
        if not watch.disturbed():
            return value
        ctx.thrown_out += 1
        say(f"  {what}: thrown out (waited {watch.wait:.1%}, stolen {watch.steal:.1%})")
    return None


def start(command, cpus, **more):
    """Start what is measured on these CPUs, ahead of all else where that is allowed. A nice value counts
    within a session's group only (sched_autogroup), so that the group has to come first as well."""
    process = subprocess.Popen(["taskset", "-c", ",".join(map(str, cpus)), *command], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **more)
    try:
        os.setpriority(os.PRIO_PROCESS, process.pid, -20)
        with open(f"/proc/{process.pid}/autogroup", "w", encoding="ascii") as f:
            f.write("-20")
    except OSError:
        pass
    return process


def run_watched(command, cpus, timeout=120):
    """A program's JSON, and how it was disturbed."""
    process = start(command, cpus)
    with Watch([process.pid], cpus) as watch:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise NotRun(f"{os.path.basename(command[0])} did not end within {timeout} s") from None
    if process.returncode:
        raise NotRun(f"{os.path.basename(command[0])} {' '.join(command[1:])}: {last_words(process, err)}")
    if err.strip():
        say(err.strip())
    return json.loads(out), watch


def stop(process, sig=signal.SIGTERM, timeout=10):
    if process.poll() is None:
        process.send_signal(sig)
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def last_words(process, text):
    """Why a process that failed did, in words even where it said none."""
    said = text.strip()[-300:]
    if process.returncode < 0:
        end = f"ended by {signal.Signals(-process.returncode).name}"
    else:
        end = f"ended with {process.returncode}"
    return f"{said} ({end})" if said else end


def series(values):
    values = sorted(v for v in values if v is not None)
    if not values:
        return None
    return {"median": statistics.median(values), "min": values[0], "max": values[-1],
            "runs": len(values)}


def collect(samples, key):
    return series([s[key] for s in samples if s.get(key) is not None])
