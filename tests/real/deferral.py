#!/usr/bin/env python3
"""Deferral on real parts, the ring scaled down to 24 slots of seconds: what is due over many
slots waits in Kafka while workers are killed throughout, the broker and Redis once. Meanwhile
some bookings are cancelled and some numbers opted out. Then each is fired exactly once, none
early, none lost, none after it was cancelled or opted out (carillon-bench verify). Beside it, single
cases (deferral_cases.py), side by side.

    deferral.py short|full|cases [--seed N] [--calm] [--only CASE]

`cases` are the single ones alone, in their long form, as in `full`."""

import argparse
import contextlib
import os
import subprocess
import threading
import time

import deferral_cases
from chaos import Nemesis, plan_of
from real import BENCH, ROOT, Real, Tally, say

SIZES = {
    # events, rate, workers, kills of each, a slot, the span of due times, to drain in
    "short": dict(count=8000, rate=1000, workers=2, shards=2, kills=3, slot_ms=3000, over_ms=36000,
                  drain_s=70, sms=2000, email=1500, changes=12),
    "full": dict(count=200000, rate=4000, workers=2, shards=2, kills=8, slot_ms=8000, over_ms=160000,
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


def change(real, config, row, key):
    """Cancels the booking of a reminder, or opts the number of a confirmation out, or blocks
    it for all tenants. What went wrong, or None."""
    tenant, number = key.split("#")[0].split("/")
    name = int(row[0][15:23])
    what = (["--tenant", "*", "--blocked"] if name % 2 else ["--tenant", tenant])
    words = (["bookings", "cancel", "--config", config, "--tenant", tenant, "--booking",
              f"booking-{name}"] if row[7] == "reminder" else
             ["suppress", "add", "--config", config, "--address", number, *what])
    done = real.carillon(*words, check=False)
    if done.returncode == 0 and time.time() * 1000 + 1000 < int(row[6]):
        return None
    return f"{' '.join(words)}: {done.returncode} {done.stderr}"


def change_some(real, config, rows, count, nemesis, tally):
    """What was changed in time is expected to be refused. Kafka and Redis are not struck while
    a command runs: of one that failed nobody could say what it changed."""
    keys = {(row["partition"], row["offset"]): row["key"].decode()
            for row in real.dump("carillon.events")}
    refused, failed = set(), []
    late = sorted((row for row in rows if row[7] in ("reminder", "booking_confirmed")
                   and row[8].startswith("sms")), key=lambda row: -int(row[6]))
    for row in late[:count]:
        with contextlib.ExitStack() as stack:
            for part in ("kafka", "redis"):
                if part in nemesis.locks:
                    stack.enter_context(nemesis.locks[part])
            if int(row[6]) < time.time() * 1000 + AHEAD_MS:
                break  # a part was away for long
            wrong = change(real, config, row, keys[int(row[2]), int(row[3])])
        if wrong:
            failed.append(wrong)
        else:
            refused.add(row[0][:23])
    for row in rows:
        if row[0][:23] in refused and row[8] not in ("dead", "letter"):
            row[8] = "refused"
    write_rows(real, rows)
    tally.check(f"{len(refused)} were cancelled or opted out in time", refused and not failed,
                failed)


def deferrals(real):
    return real.dump("carillon.deferred.1")


def run(real, size, seed, arguments, tally):
    flags = [] if arguments.calm else ["--fault", "all=0.01", "--seed", str(seed)]
    real.start("redis")
    real.start_provider("--latency", "25", *flags)
    config = real.set_up()
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
    change_some(real, config, journal_rows(real), size["changes"], nemesis, tally)
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


def run_case(case, real, tally, **more):
    started = time.time()
    try:
        case(real, tally, **more)
        say(f"{case.__name__}: over after {time.time() - started:.1f} s")
    except (Exception, SystemExit) as error:
        tally.check(f"{case.__name__}: comes to its end", False, f"{type(error).__name__} {error}")


def run_cases(real, tally, full, only):
    """Side by side; `full`: also what takes longer."""
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", real.path("clock_shift.so"),
                    os.path.join(ROOT, "tests/real/clock_shift.c")], check=True)
    deferral_cases.start_provider(real)
    cases = [(deferral_cases.generations, {}), (deferral_cases.far, {}),
             (deferral_cases.days, dict(parked=full)), (deferral_cases.emptied, {})]
    if full:
        cases += [(deferral_cases.middle, {})]
    threads = [threading.Thread(target=run_case, args=(case, real, tally), kwargs=more)
               for case, more in cases if only in case.__name__]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    real.end("provider-cases")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=[*SIZES, "cases"])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    parser.add_argument("--only", default="", help="cases whose name holds that")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 100000
    tally = Tally()
    say(f"deferral {arguments.size}, seed {seed}")
    size = SIZES.get(arguments.size, SIZES["short"])
    with Real(sms_limit=size["sms"], email_limit=size["email"], horizon_ms=2000,
              shards=size["shards"], deferral=DEFERRAL.format(**size)) as real:
        real.start("kafka")
        if arguments.size != "cases":
            run(real, size, seed, arguments, tally)
        run_cases(real, tally, arguments.size != "short", arguments.only)
        real.keep = tally.failed > 0
    tally.end()


if __name__ == "__main__":
    main()
