"""bench/run: what it makes of other programs' results, and what it does not overwrite."""

import argparse
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path[:0] = [str(BENCH), str(BENCH / "peers")]

import seconds  # noqa: E402
import served  # noqa: E402
import trex  # noqa: E402
from runner import common, others  # noqa: E402


def context(**given):
    options = argparse.Namespace(quick=False, rounds=None, seconds=None,
                                 **{name: given.get(name) for name in ("dperf", "pktgen", "trex", "wrk", "iperf3")})
    return common.Context(options)


class Bench(unittest.TestCase):
    def setUp(self):
        quiet = contextlib.redirect_stderr(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def test_each_given_program_is_run_or_named(self):
        ctx = context(dperf="d", pktgen="p", trex="t", wrk="w", iperf3="i")
        with mock.patch.object(others, "one", lambda _, name, path: {name: path}), \
                mock.patch.object(others, "floods", lambda _, path: {"pktgen": path}), \
                mock.patch.object(common.Context, "build"):
            figures = others.measure(ctx)
        self.assertEqual(set(figures), {"dperf", "pktgen", "trex", "wrk", "iperf3"})
        self.assertEqual(ctx.not_run, [])
        with mock.patch.object(common.Context, "build"):
            self.assertEqual(others.measure(context()), {})

    def test_flood(self):
        flood = {"kind": "syn", "pktgen": {"opackets": 10, "ipackets": 9}, "accounted": True,
                 "equations": [{"what": "sent = received", "left": 10, "right": 10}]}
        line = others.flood_line(flood)
        self.assertEqual(line["notes"], "9 answers, each accounted for")
        self.assertEqual(line["rate"]["median"], 10)
        flood = {**flood, "accounted": False, "equations": [{"what": "sent = received", "left": 10, "right": 8}]}
        self.assertIn("NOT accounted for: sent = received", others.flood_line(flood)["notes"])

    def test_nothing_measured_overwrites_nothing(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(common, "RESULTS", pathlib.Path(folder)):
            path = pathlib.Path(folder) / "match.json"
            context().save("match", {"figures": {}})
            self.assertEqual(json.loads(path.read_text())["figures"], {})
            context().save("match", {"figures": {"a": 1}})
            context().save("match", {"figures": {}})
            self.assertEqual(json.loads(path.read_text())["figures"], {"a": 1})
            context().save("match", {"figures": {"b": 2}})
            self.assertEqual(json.loads(path.read_text())["figures"], {"b": 2})

    def test_results_are_no_change(self):
        """What a part wrote does not make the next part's commit another one than was measured."""
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(common, "ROOT", pathlib.Path(folder)):
            root = pathlib.Path(folder)

            def git(*words):
                subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=root, check=True,
                               capture_output=True)

            self.assertEqual(common.commit(), "unknown")
            (root / "bench/results").mkdir(parents=True)
            files = [root / name for name in ("README.md", "bench/results/ring.json", "engine.c")]
            for path in files:
                path.write_text("1")
            git("init", "-q")
            git("add", ".")
            git("commit", "-qm", "t")
            clean = common.commit()
            files[0].write_text("2")
            files[1].write_text("2")
            self.assertEqual(common.commit(), clean)
            files[2].write_text("2")
            self.assertEqual(common.commit(), clean + "-dirty")

    def test_servers_are_compared_where_the_cpus_stood_alike(self):
        near, far, moved = [80, 90], [400, 390], [80, 400]
        runs = {"pier": [{"line_ns": near, "n": 1}, {"line_ns": far, "n": 2}, {"line_ns": moved, "n": 3}],
                "dperf": [{"line_ns": far, "n": 4}, {"line_ns": far, "n": 5}, {"line_ns": moved, "n": 6}]}
        kept, elsewhere = seconds.by_place(runs, 80)
        self.assertEqual({who: [r["n"] for r in v] for who, v in kept.items()}, {"pier": [2], "dperf": [4, 5]})
        self.assertEqual({who: [r["n"] for r in v] for who, v in elsewhere.items()}, {"pier": [1], "dperf": []})
        for who, v in runs.items():
            for r in v:
                r.update(rows=[{"rate": 1e6 * r["n"], "cycles": 100 * r["n"], "server_busy": 1, "client_busy": 0}],
                         left_out=0, tsc_hz=1, retransmissions={"again": 1}, errors={})
        row = seconds.summary("short", "dperf", runs["dperf"], kept["dperf"], elsewhere["dperf"])
        self.assertEqual((row["cycles"], row["cycles_min"], row["runs"]), (450, 400, [2, 0, 3]))
        self.assertEqual(row["retransmissions"], {"again": 3})
        self.assertNotIn("elsewhere", row)
        row = seconds.summary("short", "pier", runs["pier"], kept["pier"], elsewhere["pier"])
        self.assertEqual(row["elsewhere"], {"rate": 1e6, "cycles": 100})

    def marks(self, counters, packets):
        """What a run of TRex leaves: of each second its counters, the meter, and what both sides have waited."""
        hz = 1000
        return [({"seconds": n, "cpu": 99, **{k: v * n for k, v in counters.items()}},
                 {**dict.fromkeys(served.FIELDS, 0), "hz": hz, "busy": n * hz // 2, "total": n * hz, "rx": packets * n,
                  "tx": packets * n}, 0, 0) for n in range(1, 5)]

    def test_trex(self):
        found = trex.figures("short", self.marks({"tcps_closed": 5, "tcps_rcvbyte": 500}, 15))
        self.assertEqual([(r["rate"], r["cycles"], r["packets_in"]) for r in found["rows"]], [(5, 100, 3)])
        self.assertEqual(found["rows"][0]["client_rx_bps"], 4000)
        found = trex.figures("keepalive", self.marks({"tcps_rcvbyte": 116 * 8, "tcps_drops": 1}, 8))
        self.assertEqual([(r["rate"], r["packets_out"]) for r in found["rows"]], [(8, 1)])
        self.assertEqual(found["errors"]["tcps_drops"], 4)
        self.assertIs(trex.usable(found), found)

    def test_a_trex_whose_ring_is_spoiled_is_not_measured(self):
        found = trex.figures("short", self.marks({"tcps_closed": 5, "tcps_rcvbyte": 500}, 5000))
        with self.assertRaisesRegex(served.Failed, "README"):
            trex.usable(found)

    def test_what_is_no_trex(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in (folder, f"{folder}/t-rex-64"):
                with self.assertRaisesRegex(served.Failed, "no _t-rex-64"):
                    trex.folder(path)
