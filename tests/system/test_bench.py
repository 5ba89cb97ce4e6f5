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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

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
        self.assertEqual(set(figures), {"dperf", "pktgen", "wrk", "iperf3"})
        self.assertEqual([s["what"] for s in ctx.not_run], ["trex"])

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
