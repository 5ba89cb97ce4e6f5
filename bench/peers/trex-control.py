#!/usr/bin/env python3
"""Tells a TRex that waits (t-rex-64 -i --astf) to run trex-pier.py; prints a line of JSON for each second: its
counters of the client's side, "seconds" since the start, and of a hundred how busy its core is ("cpu")."""

import argparse
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--folder", required=True, help="TRex's, with t-rex-64 in it")
    p.add_argument("--rpc-port", type=int, required=True)
    p.add_argument("--pub-port", type=int, required=True)
    p.add_argument("--seconds", type=int, required=True)
    p.add_argument("tunables", nargs="*", help="of trex-pier.py, behind --")
    a = p.parse_args()
    sys.path.insert(0, f"{a.folder}/automation/trex_control_plane/interactive")
    from trex.astf.api import ASTFClient
    trex = ASTFClient(server="127.0.0.1", sync_port=a.rpc_port, async_port=a.pub_port, verbose_level="error")
    trex.connect()
    try:
        trex.reset()
        trex.load_profile(str(HERE / "trex-pier.py"), tunables={"tunables": a.tunables})
        trex.clear_stats()
        start = time.monotonic()
        trex.start(mult=1, duration=a.seconds + 1, client_mask=1)
        for n in range(1, a.seconds + 1):
            time.sleep(max(start + n - time.monotonic(), 0))
            found = trex.get_stats()
            print(json.dumps({"seconds": time.monotonic() - start, "cpu": found["global"]["cpu_util_raw"],
                              **found["traffic"]["client"]}), flush=True)
        trex.stop()
    finally:
        trex.disconnect()


if __name__ == "__main__":
    main()
