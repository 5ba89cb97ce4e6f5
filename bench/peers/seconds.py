"""What is made of the seconds of a run between a client and a metered server (served.py), and of the runs."""

import statistics

from served import FIELDS

WAITED = 0.1, 0.15      # of a second: with more run-queue wait, of server or client, it is left out
APART = 2               # times the least that a cache line took from CPU to CPU: the CPUs stood elsewhere


def second(client, before, after, waited_at_most=WAITED):
    """A second's figures from what the client counted in it and from the marks before and after it (the meter, what
    the server and the client have waited for their CPUs), or None if it was disturbed."""
    (m0, *wait0), (m1, *wait1) = before, after
    waited = [(b - a) * 1e-9 for a, b in zip(wait0, wait1)]
    if any(w > limit for w, limit in zip(waited, waited_at_most)):
        return None
    d = {k: m1[k] - m0[k] for k in FIELDS}
    units = client["units"]
    # What the server waited for its CPU is not its work; busy turns are hit as often as there are of them.
    kept = 1 - min(waited[0] * m1["hz"] / d["total"], 0.9)
    return dict(rate=units / client["seconds"], cycles=d["busy"] * kept / units, server_busy=d["busy"] / d["total"],
                client_busy=client["client_busy"], packets_in=d["rx"] / units, packets_out=d["tx"] / units,
                packets_a_turn=d["rx"] / max(d["busy_turns"], 1), client_rx_bps=client["client_rx_bps"],
                server_waited=waited[0], client_waited=waited[1])


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
