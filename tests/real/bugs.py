#!/usr/bin/env python3
"""The checkers' own test: a worker with one rule broken on purpose must be found out by
`carillon-bench verify`, by the invariant that speaks of it.

    bugs.py FOLDER   (with carillon_commit_before_ack and carillon_slot_overspend in it)"""

import os
import sys

import real
from real import BENCH, Real, Tally, say

BUGS = {
    # what shows it: outcomes that linger while offsets are committed; a queue at a low limit
    "commit_before_ack": dict(
        invariant="I10", sms=1000, environment={"CARILLON_KAFKA__LINGER_MS": "1000",
                                                "CARILLON_KAFKA__COMMIT_INTERVAL_MS": "50"}),
    "slot_overspend": dict(invariant="I9", sms=50, environment={}),
}


def run(name, bug, binary, tally):
    say(f"{name}: {bug['invariant']} has to find it")
    with Real(sms_limit=bug["sms"], email_limit=1000) as world:
        world.start_all()
        real.CARILLON = binary
        world.start_worker("worker-0", **bug["environment"])
        world.spawn("load", [
            BENCH, "load", "--brokers", world.brokers, "--count", "400", "--rate", "200",
            "--mix", "booking_confirmed=1", "--journal", world.path("load.journal")]).wait()
        world.drain(60)
        world.end("worker-0")
        world.end("provider")
        _, report = world.verify(f"--limit=twilio={bug['sms']}/s")
        lines = [line for line in report.splitlines()
                 if line.startswith(bug["invariant"] + " ")]
        tally.check(f"{name} is named by {bug['invariant']}",
                    any("VIOLATED" in line for line in lines), report)


def main():
    tally, good = Tally(), real.CARILLON
    for name, bug in BUGS.items():
        run(name, bug, os.path.join(sys.argv[1], f"carillon_{name}"), tally)
        real.CARILLON = good
    tally.end()


if __name__ == "__main__":
    main()
