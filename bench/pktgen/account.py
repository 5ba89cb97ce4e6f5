"""Accounts for every packet that Pktgen-DPDK sent, by pier's counters."""

import json
import pathlib
import re
import sys

COUNTERS = pathlib.Path(__file__).resolve().parents[2] / "lib/base/include/base/counter.h"


def reasons():
    """The drop reasons of received packets and of packets to send: the first two lists of counter.h."""
    names = re.findall(r"X\([A-Z0-9_]+, ([a-z0-9_]+),", COUNTERS.read_text())
    names = names[:names.index("rx_packets")]
    return [n for n in names if n.startswith("rx_")], [n for n in names if n.startswith("tx_")]


def counters(text):
    """What --stats-at-exit printed, or JSON of /pier/stats."""
    if text.lstrip().startswith("{"):
        found = json.loads(text)
        found = found.get("/pier/stats", found)
        return {k: v for k, v in found.items() if isinstance(v, int)}
    return {k: int(v) for k, v in re.findall(r"^([a-z][a-z0-9_]+) +(\d+)(?=\s)", text, re.M)}


def check(c, sent, received):
    """The equations: a list of {what, left, right, terms}. They hold when left is right."""
    rx, tx = reasons()

    def some(names, sign=1):
        return {n: sign * c[n] for n in names if c.get(n)}

    # A SYN sent again is answered again and opens nothing: answers, not openings, are counted.
    used = some(["tx_synacks", "arp_requests_rx", "arp_replies_rx", "nd_solicits_rx", "nd_adverts_rx",
                 "mld_queries_rx", "icmp_echo_rx", "icmp_errors_rx", "half_open_reset", "conn_opened", "conn_reset_rx"])
    used.update(some(["synack_retransmits"], -1))
    used.update(some(rx))
    built = some(["tx_synacks", "tx_rsts", "tx_acks", "arp_tx", "nd_tx", "mld_reports_tx", "icmp_errors_tx",
                  "icmp_echo_rx"])
    lost = some(["tx_packets", "tx_refused", "tx_unprepared", "tx_link_down", "tx_queue_full"])
    return [
        dict(what="sent by pktgen = received by pier", left=sent, right=c.get("rx_packets", 0), terms={}),
        dict(what="received by pier = answered + dropped, each for one reason",
             left=c.get("rx_packets", 0), right=sum(used.values()), terms=used),
        dict(what="built by pier = given to the port + dropped before it",
             left=sum(built.values()), right=sum(lost.values()), terms={**built, **lost}),
        dict(what="given to the port by pier = received by pktgen", left=c.get("tx_packets", 0),
             right=received, terms={}),
    ]


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: account.py PIER_STATS PKTGEN_OUT: what pier printed at its end (or /pier/stats), "
                 "and what stats.lua wrote")
    c = counters(pathlib.Path(sys.argv[1]).read_text(errors="replace"))
    port = dict(line.split() for line in pathlib.Path(sys.argv[2]).read_text().splitlines())
    bad = 0
    for e in check(c, int(port["opackets"]), int(port["ipackets"])):
        ok = e["left"] == e["right"]
        bad += not ok
        print(f"{'ok   ' if ok else 'WRONG'} {e['what']}: {e['left']} = {e['right']}")
        for name, n in e["terms"].items():
            print(f"        {name:24} {n}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
