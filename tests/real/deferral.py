#!/usr/bin/env python3
"""Deferral on real parts, the ring scaled down to 24 slots of seconds: what is due over many
slots waits in Kafka while workers are killed throughout, the broker and Redis once. Meanwhile
some bookings are cancelled and some numbers opted out. Then each is fired exactly once, none
early, none lost, none after it was cancelled or opted out (carillon-bench verify).

    deferral.py short|full [--seed N] [--calm]"""

import argparse
import time

from chaos import Nemesis, plan_of
from real import BENCH, Real, Tally, say, seeded

SIZES = {
    # events, rate, workers, kills of each, a slot, the span of due times, to drain in
    "short": dict(count=8000, rate=1000, workers=2, kills=3, slot_ms=3000, over_ms=36000,
                  drain_s=70, sms=2000, email=1500, changes=12),
    "full": dict(count=200000, rate=4000, workers=2, kills=8, slot_ms=8000, over_ms=160000,
                 drain_s=300, sms=4000, email=3000, changes=60),
}
DEFERRAL = ("slots: 24, slot_ms: {slot_ms}, spread: 2, far_spread: 1, lead_ms: 1500, "
            "min_delay_ms: 500, time_sample_ms: 500, memory_mb: 4")
AHEAD_MS = 9000  # a change is made at least so long before its event is due


def journal_rows(real):
    with open(real.path("load.journal")) as file:
        return [line.rstrip("\n").split("\t") for line in file]


def write_rows(real, rows):
    with open(real.path("load.journal"), "w") as file:
        file.writelines("\t".join(row) + "\n" for row in rows)


def change_some(real, config, rows, count, tally):
    """Cancels bookings of reminders and opts numbers of confirmations out; what was changed
    in time is expected to be refused."""
    keys = {(row["partition"], row["offset"]): row["key"].decode()
            for row in real.dump("carillon.events")}
    refused, failed = set(), []
    late = sorted((row for row in rows if row[7] in ("reminder", "booking_confirmed")
                   and row[8].startswith("sms") and int(row[6]) > time.time() * 1000 + AHEAD_MS),
                  key=lambda row: -int(row[6]))
    for row in late[:count]:
        token, due_ms = row[0], int(row[6])
        tenant, number = keys[int(row[2]), int(row[3])].split("#")[0].split("/")
        booking = ["--booking", f"booking-{int(token[15:23])}"]
        words = (["bookings", "cancel", "--config", config, "--tenant", tenant, *booking]
                 if row[7] == "reminder" else
                 ["suppress", "add", "--config", config, "--tenant", tenant, "--address", number])
        done = real.carillon(*words, check=False)
        if done.returncode == 0 and time.time() * 1000 + 1000 < due_ms:
            refused.add(token[:23])
        elif done.returncode != 0:
            failed.append(f"{' '.join(words)}: {done.returncode} {done.stderr}")
    for row in rows:
        if row[0][:23] in refused and row[8] not in ("dead", "letter"):
            row[8] = "refused"
    write_rows(real, rows)
    tally.check(f"{len(refused)} were cancelled or opted out in time", refused, failed)


def deferrals(real):
    return real.dump("carillon.deferred.1")


def run(real, size, seed, arguments, tally):
    flags = [] if arguments.calm else ["--fault", "all=0.01", "--seed", str(seed)]
    config = real.start_all("--latency", "25", *flags)
    workers = [f"worker-{i}" for i in range(size["workers"])]
    for name in workers:
        real.start_worker(name)
    for name in workers:
        real.wait_for(f"{name} to be ready", lambda: real.is_ready(name), 60)
    say(f"load: {size['count']} events at {size['rate']}/s, due over {size['over_ms']} ms")
    load = real.spawn("load", [
        BENCH, "load", "--brokers", real.brokers, "--count", str(size["count"]), "--rate",
        str(size["rate"]), "--seed", str(seed), "--duplicates", "0.01", "--defer-over",
        str(size["over_ms"]), "--format", "mixed", "--journal", real.path("load.journal")])
    plan = [] if arguments.calm else plan_of(size, seed, 0)
    nemesis = Nemesis(real, plan)
    nemesis.start()
    load.wait()
    say("load: " + real.tail("load.log", 1).strip())
    tally.check("all records are in Kafka", load.returncode in (0, 1), load.returncode)
    change_some(real, config, journal_rows(real), size["changes"], tally)
    nemesis.join()
    tally.check("whatever was struck came back", not nemesis.errors, nemesis.errors)
    started = time.time()
    try:
        real.drain(size["over_ms"] / 1000 + size["drain_s"])
        tally.check(f"the ring is done {time.time() - started:.1f} s later", True)
    except SystemExit as error:
        tally.check("the ring is done", False,
                    f"{error}; of events, far and ring wait {real.waiting()}")
    for name in workers:
        code = real.end(name)
        tally.check(f"{name} drains and ends with 0", code == 0,
                    f"{code}\n{real.tail(f'{name}.log')}")
    real.end("provider")
    waited = len(deferrals(real)) if size["count"] <= 10000 else None
    tally.check(f"{waited} records waited in the ring", waited is None or
                waited > size["count"] * 0.7, waited)
    code, report = real.verify()
    print(report, flush=True)
    tally.check("verify finds nothing", code == 0, code)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 100000
    size = SIZES[arguments.size]
    tally = Tally()
    say(f"deferral {arguments.size}, seed {seed}")
    with Real(sms_limit=size["sms"], email_limit=size["email"], horizon_ms=2000,
              deferral=DEFERRAL.format(**size)) as real:
        run(real, size, seed, arguments, tally)
        real.keep = tally.failed > 0
    tally.end()


if __name__ == "__main__":
    main()
