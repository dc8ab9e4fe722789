#!/usr/bin/env python3
"""Changes of state against sends: race.py [--seed N] [--short]

Two workers send a steady stream to each of many subjects, more than their routes' limits let
through, so that legs are in every stage. Meanwhile each subject is opted out, blocked (by the
platform or its tenant), switched off by its tenant's settings, or its booking cancelled or
revised, by the command for it. No first byte to a subject leaves later than 1 s after its
command ended with 0. --short: fewer subjects."""

import argparse
import collections
import json
import subprocess
import threading
import time

import real as parts
from real import BENCH, Real, Tally, say, seeded
from scenarios import CONFIG, ROOT

RATE = 12          # events a second to each subject
EACH = 8           # subjects of each sort
SORTS = ("opt_out", "unsubscribe", "platform_block", "tenant_block", "settings", "half", "cancel",
         "revise")
LIMIT = 150        # of each route, a second
SETTINGS = ("settings", "half")  # of a tenant: the kind off on both channels, or on sms
ALLOWED_NS = 10**9


class Subject:
    def __init__(self, sort, index):
        self.sort, self.name = sort, f"{sort}-{index}"
        self.number = f"+336{SORTS.index(sort)}{index:07d}"
        self.email = f"{self.name}@example.com"
        self.count, self.ended_ns = 0, None

    def event(self):
        self.count += 1
        to = {"email": self.email} if self.sort == "unsubscribe" else {"sms": self.number}
        if self.sort == "half":
            to["email"] = self.email
        event = {"event_id": f"{self.name}#{self.count}", "tenant_id": self.tenant(),
                 "kind": "receipt", "recipient": to, "customer_id": self.name}
        if self.sort == "tenant_block":  # receipts pass it
            event.update(kind="auto_reply")
        if self.sort in ("cancel", "revise"):
            event.update(kind="booking_confirmed", booking={
                "booking_id": self.name, "revision": 1, "starts_at": "2100-01-01T00:00:00Z"})
        return event

    def tenant(self):
        return self.name if self.sort in SETTINGS else "race"

    def command(self, real):
        tenant = ["--tenant", self.tenant()]
        return {
            "opt_out": ["suppress", "add", *tenant, "--address", self.number],
            "unsubscribe": ["suppress", "add", *tenant, "--address", self.email],
            "platform_block": ["suppress", "add", "--tenant", "*", "--customer", self.name],
            "tenant_block": ["suppress", "add", *tenant, "--customer", self.name, "--blocked"],
            "settings": ["tenants", "put", self.settings(real)],
            "half": ["tenants", "put", self.settings(real)],
            "cancel": ["bookings", "cancel", *tenant, "--booking", self.name, "--revision", "1"],
            "revise": ["bookings", "revise", *tenant, "--booking", self.name, "--revision", "2"],
        }[self.sort]

    def settings(self, real):
        off = {"kind": "receipt", "sms": False, "email": self.sort == "half"}
        return written(real, {"tenant_id": self.name, "kinds": [off]})


def written(real, settings):
    path = real.path(f"{settings['tenant_id']}.json")
    with open(path, "w") as file:
        json.dump(settings, file)
    return path


def stream(real, subjects, stop):
    """Events to all of them, in a drawn order, until it is told to stop."""
    process = subprocess.Popen(
        [BENCH, "produce", "--brokers", real.brokers, "--topic", "carillon.events"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not stop.is_set():
        for subject in subjects:
            value = json.dumps(subject.event()).encode().hex()
            process.stdin.write(f"{subject.name.encode().hex()}\t{value}\n")
        process.stdin.flush()
        stop.wait(1 / RATE)
    process.stdin.close()
    process.wait()


def more_events(real, subjects, each):
    """Waits until so many more were written to each."""
    until = {subject: subject.count + each for subject in subjects}
    real.wait_for("more events", lambda: all(s.count >= n for s, n in until.items()), 60)


def change(real, config, subjects, random, errors):
    """Each subject's command at a moment of its own."""
    for subject in subjects:
        more_events(real, [subject], random.randrange(3))
        words = subject.command(real)
        done = real.carillon(*words[:2], "--config", config, *words[2:], check=False)
        if done.returncode != 0:
            errors.append(f"{' '.join(words)}: {done.returncode} {done.stderr}")
            return
        subject.ended_ns = time.time_ns()


def first_bytes(real):
    """leg_id -> when each of its calls began."""
    out = collections.defaultdict(list)
    done = subprocess.run([BENCH, "show", real.path("provider.journal")], check=True,
                          stdout=subprocess.PIPE, text=True)
    for line in done.stdout.splitlines():
        call = json.loads(line)
        out[call["key"]].append(call["first_ns"])
    return out


def judge(real, subjects, tally):
    calls = first_bytes(real)
    of_event = collections.defaultdict(list)
    for row in real.dump("carillon.outcomes"):
        outcome = json.loads(row["value"])
        of_event[outcome["event_id"].split("#")[0]].append(outcome)
    before = after = 0
    for subject in subjects:
        told = [o for o in of_event[subject.name]
                if subject.sort != "half" or o.get("channel") == "sms"]
        starts = [ns for o in told for ns in calls.get(o["leg_id"], [])]
        late = [(o["event_id"], o["outcome"], o.get("attempts"), (ns - subject.ended_ns) / 1e6)
                for o in told for ns in calls.get(o["leg_id"], [])
                if ns > subject.ended_ns + ALLOWED_NS]
        tally.check(f"{subject.name}: {len(starts)} sent, the last "
                    f"{(max(starts, default=subject.ended_ns) - subject.ended_ns) / 1e6:.0f} ms "
                    "after", not late,
                    f"event, end, attempts, ms after: {late}")
        before += len(starts)
        after += sum(o["outcome"] in ("suppressed", "cancelled") for o in told)
    say(f"{before} calls, {after} refused")
    tally.check("both happened: sends before and refusals after", before > 200 and after > 200)


def run(real, random, each, tally):
    real.start("kafka")
    real.start("redis")
    real.start_provider("--latency", "25")
    config = real.path("config.yaml")
    with open(config, "w") as file:
        file.write(CONFIG.replace(", from:", f", limit_per_second: {LIMIT}, from:").replace(
            "partitions: 1", "partitions: 8").format(
                root=ROOT, kafka=real.brokers, prefix="", port=real.ports["plain"],
                redis=f"127.0.0.1:{real.env['REDIS_PORT']}"))
    real.carillon("setup", "--config", config)
    real.carillon("tenants", "put", "--config", config,
                  written(real, {"tenant_id": "race", "verified": True}))
    subjects = [Subject(sort, i) for i in range(each) for sort in SORTS]
    random.shuffle(subjects)
    workers = ("worker-0", "worker-1")
    for worker in workers:
        real.start_worker(worker)
    for worker in workers:
        real.wait_for(f"{worker} to be ready", lambda: real.is_ready(worker), 30)
    stop, errors = threading.Event(), []
    producer = threading.Thread(target=stream, args=(real, subjects, stop), daemon=True)
    producer.start()
    more_events(real, subjects, 3 * RATE)
    halves = [threading.Thread(target=change, args=(real, config, subjects[i::2], random, errors))
              for i in range(2)]
    for half in halves:
        half.start()
    for half in halves:
        half.join()
    more_events(real, subjects, 2 * RATE)
    stop.set()
    producer.join()
    if not tally.check("every command ended with 0", not errors, errors):
        return
    real.wait_for("lag 0", lambda: real.lag() == 0, 30)
    for worker in workers:
        real.end(worker)
    judge(real, subjects, tally)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    tally = Tally()
    with Real(tls=False) as real:
        run(real, seeded(arguments.seed), 4 if arguments.short else EACH, tally)
    tally.end()


if __name__ == "__main__":
    main()
