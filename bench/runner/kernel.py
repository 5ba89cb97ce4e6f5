"""The kernel's TCP: nginx and an epoll echo server, in a namespace of their own, over a veth pair.

The server, and the softirqs that receive for it (RPS), are on one CPU, the client and its softirqs on
another. The server's CPU time is all that /proc/stat says of its CPU, so that interrupts count too,
which is more than the process's own time."""

import contextlib
import json
import os
import re
import subprocess
import time

from . import common

SERVER, CLIENT = "pier-bench-s", "pier-bench-c"
ADDRESS = "198.18.7.2"
BODY = 64


def ip(*args):
    run = subprocess.run(["ip", *args], capture_output=True, text=True, check=False)
    if run.returncode:
        raise common.NotRun(f"ip {' '.join(args)}: {run.stderr.strip()}")


def inside(ns, *command):
    return ["ip", "netns", "exec", ns, *command]


def steer(ns, device, cpu):
    """Receive on this CPU: veth's softirq otherwise runs where the sender is."""
    path = f"/sys/class/net/{device}/queues/rx-0/rps_cpus"
    run = subprocess.run(inside(ns, "sh", "-c", f"echo {1 << cpu:x} >{path}"), capture_output=True,
                         text=True, check=False)
    if run.returncode:
        raise common.NotRun(f"RPS cannot be set: {run.stderr.strip()}")


@contextlib.contextmanager
def namespaces(ctx):
    if os.geteuid():
        raise common.NotRun("network namespaces need root")
    made = []
    try:
        for ns in (SERVER, CLIENT):
            ip("netns", "add", ns)
            made.append(ns)
        ip("link", "add", "bench0", "netns", SERVER, "type", "veth", "peer", "name", "bench1",
           "netns", CLIENT)
        for ns, device, address in ((SERVER, "bench0", ADDRESS), (CLIENT, "bench1", "198.18.7.1")):
            ip("-n", ns, "addr", "add", f"{address}/24", "dev", device)
            ip("-n", ns, "link", "set", device, "up")
            ip("-n", ns, "link", "set", "lo", "up")
            subprocess.run(inside(ns, "sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1",
                                  "net.ipv4.ip_local_port_range=1024 65535"), check=False)
        steer(SERVER, "bench0", ctx.server_cpu)
        steer(CLIENT, "bench1", ctx.client_cpu)
        yield
    finally:
        for ns in made:
            subprocess.run(["ip", "netns", "del", ns], check=False)


def nginx_config(ctx):
    """Port 80 keeps connections, port 81 closes after each answer, as pier's `requests = 1`."""
    folder = ctx.folder.name
    body = "x" * (BODY - 1) + "\\n"
    path = os.path.join(folder, "nginx.conf")
    server = "server {{ listen {port} backlog=4096; {more} location / {{ return 200 '{body}'; }} }}"
    with open(path, "w", encoding="ascii") as f:
        f.write(f"""user root; daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; use epoll; multi_accept on; }}
http {{ access_log off; default_type text/plain; keepalive_requests 1000000000; tcp_nodelay on;
client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{server.format(port=80, more="keepalive_timeout 1h;", body=body)}
{server.format(port=81, more="keepalive_timeout 0;", body=body)}
}}
""")
    return path


def on(cpu, ns, *command):
    return inside(ns, "taskset", "-c", str(cpu), *command)


def wait_for(ns, port, process):
    for _ in range(200):
        if process.poll() is not None:
            raise common.NotRun(f"the server: {common.last_words(process, process.communicate()[1])}")
        listening = subprocess.run(inside(ns, "ss", "-Hltn", f"sport = :{port}"), text=True,
                                   capture_output=True, check=False).stdout
        if listening.strip():
            return
        time.sleep(0.02)
    raise common.NotRun(f"nothing listens on port {port}")


def wrk(ctx, port, seconds):
    command = on(ctx.client_cpu, CLIENT, common.which("wrk", ctx.options.wrk), "-t1", "-c128",
                 f"-d{max(int(seconds), 1)}s", f"http://{ADDRESS}:{port}/")
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def result(out):
        requests = re.search(r"(\d+) requests in ([\d.]+)(m?s)", out)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        if not requests or bad:
            raise common.NotRun(f"wrk: {out.strip()[-200:]}")
        return (int(requests.group(1)),
                float(requests.group(2)) / (1000 if requests.group(3) == "ms" else 1),
                sum(map(int, errors.groups())) if errors else 0)
    return process, result


def epoll(ctx, seconds):
    process = subprocess.Popen(on(ctx.client_cpu, CLIENT, ctx.program("bench_epoll_echo"), ADDRESS,
                                  "7", "128", "64", str(seconds)), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def result(out):
        value = json.loads(out)
        return value["units"], value["seconds"], 0
    return process, result


def sample(ctx, start):
    """One run: units, and what the two CPUs did meanwhile."""
    cpus = [ctx.server_cpu, ctx.client_cpu]
    before, begin = [common.cpu_busy(c) for c in cpus], time.monotonic()
    process, result = start()
    with common.Watch([], cpus) as watch:
        out, err = process.communicate(timeout=60)
    busy = [common.cpu_busy(c) - b for c, b in zip(cpus, before)]
    elapsed = time.monotonic() - begin
    if process.returncode:
        raise common.NotRun(f"the client: {common.last_words(process, err)}")
    units, seconds, errors = result(out)
    shares = [b / elapsed for b in busy]
    return {"rate": units / seconds, "cpu_us": busy[0] / units * 1e6,
            "rate_per_core": units / busy[0], "server_busy": shares[0], "client_busy": shares[1],
            "errors": errors,
            "bound": "server" if shares[0] >= max(shares[1], 0.9) else
                     "client" if shares[1] >= 0.9 else "neither"}, watch


def summary(samples, counts):
    result = {k: common.collect(samples, k) for k in ("rate", "cpu_us", "rate_per_core",
                                                      "server_busy", "client_busy")}
    bounds = [s["bound"] for s in samples]
    return {**result, "counts": counts, "errors": max(s["errors"] for s in samples),
            "bound": max(set(bounds), key=bounds.count),
            "disturbance": [s["disturbance"] for s in samples]}


def servers(ctx, stack):
    """Start what can be started; what to measure, by name."""
    lines = {}
    seconds = max(3 * ctx.seconds, 1)

    def start(command, port):
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stack.callback(common.stop, process)
        wait_for(SERVER, port, process)
    try:
        start(on(ctx.server_cpu, SERVER, ctx.program("bench_epoll_echo"), ADDRESS, "7"), 7)
        lines["echo"] = (lambda: epoll(ctx, seconds), "packets/s")
    except common.NotRun as why:
        ctx.skip("epoll echo server", str(why))
    try:
        common.which("wrk", ctx.options.wrk)
        start(on(ctx.server_cpu, SERVER, common.which("nginx"), "-c", nginx_config(ctx)), 81)
        lines["request"] = (lambda: wrk(ctx, 80, seconds), "requests/s")
        lines["short"] = (lambda: wrk(ctx, 81, seconds), "connections/s")
    except common.NotRun as why:
        ctx.skip("nginx", str(why))
    return lines


def measure(ctx):
    if not ctx.two_cpus:
        raise common.NotRun("two CPUs are needed")
    ctx.build("bench/bench_epoll_echo")
    samples = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(namespaces(ctx))
        lines = servers(ctx, stack)
        for turn in range(min(ctx.few, 5)):
            for name, (start, _) in lines.items():
                if ctx.options.names and name not in ctx.options.names:
                    continue
                common.say(f"round {turn + 1}: kernel {name}")
                value = common.undisturbed(ctx, name, lambda s=start: sample(ctx, s))
                if value:
                    samples.setdefault(name, []).append(value)
        return {k: summary(v, lines[k][1]) for k, v in samples.items()}
