#!/usr/bin/env python3
"""Urgent traffic never waits behind a morning's release: a crowd waits in the ring for one
instant, on a route that takes minutes for it. When it comes, one-time codes on the same route
go out as fast as before, and the route is used to its limit all the time.

    release.py [--seed N] [--count N]"""

import argparse
import json
import time

from real import BENCH, Real, Tally, now_ms, say

LIMIT = 200          # segments a second
URGENT = 10          # a second
AHEAD_S, AFTER_S = 14, 12
MOST_MS = 1000
DEFERRAL = "slots: 24, slot_ms: 10000, spread: 2, far_spread: 1, lead_ms: 2000, time_sample_ms: 500"


def crowd(count, due_ms):
    due = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(due_ms / 1000)) + f".{due_ms % 1000:03d}Z"
    for i in range(count):
        yield f"tenant-{i % 20}/{i}".encode(), json.dumps({
            "event_id": f"crowd-{i}", "tenant_id": f"tenant-{i % 20}", "kind": "auto_reply",
            "due_at": due, "recipient": {"sms": f"+337{i:08d}"}, "template": "bench", "locale": "en",
            "variables": {"name": "Camille", "phrase": "see you", "token": f"c{i}"}}).encode(), {}


def run(real, seed, count, tally):
    real.start_all()
    real.start_worker("worker")
    real.wait_for("the worker to be ready", lambda: real.is_ready("worker"), 30)
    due_ms = now_ms() + AHEAD_S * 1000
    real.produce("carillon.events", list(crowd(count, due_ms)))
    load = real.spawn("load", [
        BENCH, "load", "--brokers", real.brokers, "--rate", str(URGENT), "--seed", str(seed),
        "--count", str(URGENT * (int(due_ms - now_ms()) // 1000 + AFTER_S)), "--mix",
        "one_time_code=1", "--journal", real.path("load.journal")])
    load.wait()
    said = {row["event_id"]: row for row in (
        json.loads(record["value"]) for record in real.dump("carillon.outcomes"))
        if row["outcome"] == "sent" and "sent_at" in row}
    with open(real.path("load.journal")) as file:
        asked = {row[0][:-2]: int(row[4]) for row in (line.split("\t") for line in file)}
    judge(said, asked, due_ms, tally)


def at_ms(text):
    seconds, _, rest = text.rstrip("Z").partition(".")
    return (int(time.mktime(time.strptime(seconds + " UTC", "%Y-%m-%dT%H:%M:%S %Z"))) -
            time.timezone) * 1000 + int((rest + "000")[:3])


def judge(said, asked, due_ms, tally):
    waits = {"before": [], "after": []}
    until_ms = max(asked.values()) - 1500  # what was asked for last may be under way
    missing = []
    for event, planned in asked.items():
        if planned > until_ms:
            continue
        if event not in said:
            missing.append(event)
            continue
        waits["after" if planned >= due_ms - 100 else "before"].append(
            at_ms(said[event]["sent_at"]) - planned)
    tally.check("each one-time code was sent", not missing, missing[:5])
    for when, of in waits.items():
        of.sort()
        say(f"     {when} the release: {len(of)} one-time codes, median {of[len(of) // 2]} ms, "
            f"worst {of[-1]} ms")
    tally.check_time(f"beside the release none waited for {MOST_MS} ms: {waits['after'][-1]} ms",
                     waits["after"][-1] < MOST_MS)
    sent = [at_ms(row["sent_at"]) for event, row in said.items() if event.startswith("crowd-")]
    tally.check("nobody of the crowd went early", min(sent) >= due_ms, due_ms - min(sent))
    seconds = (until_ms - due_ms) / 1000 - 1
    used = sum(due_ms + 1000 <= at < until_ms for at in sent) / seconds + URGENT
    tally.check_time(f"the route was used: {used:.0f}/s of {LIMIT}", used >= 0.85 * LIMIT)
    tally.check(f"its limit of {LIMIT}/s was kept", used <= LIMIT)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--times-decide", action="store_true")
    arguments = parser.parse_args()
    tally = Tally(arguments.times_decide)
    say(f"release, seed {arguments.seed}")
    with Real(tls=False, partitions=4, sms_limit=LIMIT, horizon_ms=2000, deferral=DEFERRAL) as real:
        run(real, arguments.seed, arguments.count, tally)
        real.keep = tally.failed > 0
    tally.end()


if __name__ == "__main__":
    main()
