"""Whether a CPU stood still: on a shared machine the host may take one away for a second and more.

A watcher on each CPU asks to be woken every 20 ms, ahead of all that the tests run there. When it is
not for LONG, the CPU did nothing else meanwhile, either.
"""
import contextlib
import os
import struct
import time

TICK, LONG = 0.02, 0.2
STALL = struct.Struct('dd')  # when it ended, how long it was, in seconds of time.monotonic()


class Stalls:
    def __init__(self, cpus):
        self.seen = []
        self.pipe, write = os.pipe()
        self.watchers = []
        parent = os.getpid()
        for cpu in cpus:
            pid = os.fork()
            if not pid:
                watch(cpu, write, parent)
            self.watchers.append(pid)
        os.close(write)
        for _ in cpus:
            os.read(self.pipe, STALL.size)  # it is awake
        os.set_blocking(self.pipe, False)

    def longest(self, since):
        """Seconds of the longest one that ended after SINCE, 0 if there was none."""
        try:
            while data := os.read(self.pipe, STALL.size):
                self.seen.append(STALL.unpack(data))
        except BlockingIOError:
            pass
        return max((length for end, length in self.seen if end >= since), default=0)

    def stop(self):
        for pid in self.watchers:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        os.close(self.pipe)


def watch(cpu, write, parent):
    try:
        os.sched_setaffinity(0, {cpu})
        with contextlib.suppress(PermissionError):  # not in every container
            os.nice(-20)
        before = time.monotonic()
        os.write(write, STALL.pack(before, 0))
        while os.getppid() == parent:
            time.sleep(TICK)
            now = time.monotonic()
            if now - before >= LONG:
                os.write(write, STALL.pack(now, now - before))
            before = now
    finally:
        os._exit(0)
