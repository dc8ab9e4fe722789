#!/usr/bin/env python3
"""What a dead route holds up goes to the ring, so commits never stick, and others never notice.
A steady load of events due now goes to live routes; then some routes die, each in its own way
(front.py); later they live again. Meanwhile, in every partition of events and ring, the oldest
record neither below the watermark nor in the bitmap is never older than 5 s (since it was there
and due), the live route keeps 95 % of its throughput. As they live again the worker is killed,
calls that nobody answers in hand; in the end everything held was sent, once.

    dead_route.py short|full [--ways refuse,swallow,drop,slow,503] [--seed N] [--dead-s N]
                             [--rate N] [--deadline-ms N]

short: all ways at once, each on a route of its own. full: one way after the other, for ten
minutes each, at a rate far above what the route would carry."""

import argparse
import collections
import json
import signal
import threading
import time
import urllib.request

import real as parts
from ages import Ages, Commit, commits_of
from front import MODES, Front
from real import BENCH, Real, Tally, now_ms, say

COUNTRIES = ["FR", "GB", "DE", "ES", "IT"]  # whose numbers load makes
WAYS = ["refuse", "swallow", "drop", "slow", "503"]
MOST_MS = 5000
KEPT = 0.95
SIZES = {
    "short": dict(alive_s=8, dead_s=14, rate=250, mix="auto_reply=50,receipt=40,reminder=10",
                  drain_s=60, shift_s=2, slots=24, slot_ms=5000, backoff_ms=12000),
    "full": dict(alive_s=60, dead_s=600, rate=300, mix="auto_reply=45,receipt=45,reminder=10",
                 drain_s=900, shift_s=20, slots=24, slot_ms=30000, backoff_ms=300000),
}
PROVIDER = """\
  - name: {name}
    adapter: twilio
    base_url: "{url}"
    in_flight: 64
    credentials: [{{name: account_sid, value: ACreal}}, {{name: auth_token, value: not-a-secret}}]
"""
ROUTE = """\
  - {{name: {name}, provider: {name}, channel: sms, from: "+33755500000", countries: [{country}]}}
"""
CONFIG_HEAD, CONFIG_TAIL = parts.CONFIG.split("providers:\n")
EMAIL = CONFIG_TAIL[CONFIG_TAIL.index("  - name: sendgrid"):CONFIG_TAIL.index("routes:\n")]
EMAIL_ROUTE = "  - {{name: email, provider: sendgrid, channel: email, from: no-reply@example.com}}\n"


def config_of(fronts):
    """Beside the live e-mail route one for each front. As shipped: deadlines, commits, retries."""
    head = CONFIG_HEAD.replace("commit_interval_ms: 200", "commit_interval_ms: 1000").replace(
        ", retry_least_ms: 50, retry_most_ms: 1000", "")
    providers = routes = ""
    for (name, front), country in zip(fronts.items(), COUNTRIES):
        providers += PROVIDER.format(name=f"sms_{name}", url=front.url)
        routes += ROUTE.format(name=f"sms_{name}", country=country)
    text = (providers + "routes:\n" + routes).replace("{", "{{").replace("}", "}}")
    at = text.index("routes:\n")
    return f"{head}providers:\n{EMAIL}{text[:at]}{text[at:]}{EMAIL_ROUTE}"


class Gauge(threading.Thread):
    """What the worker says of itself, each second: the age of its oldest record in hand."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.ages, self.over = port, [], threading.Event()

    def read(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=2) as page:
            return [float(line.rsplit(" ", 1)[1]) for line in page.read().decode().splitlines()
                    if line.startswith(name + "{") or line.startswith(name + " ")]

    def run(self):
        while not self.over.wait(1):
            try:
                oldest = max(self.read("carillon_kafka_oldest_unsettled_timestamp_seconds"))
                self.ages.append((now_ms(), now_ms() - oldest * 1000 if oldest else 0))
            except (OSError, ValueError):
                pass

    def worst(self, from_ms, until_ms):
        return max((age for at, age in self.ages if from_ms <= at < until_ms), default=0)


def records_of(real):
    """(group, topic, partition) -> [(offset, since when it is there and due)]"""
    of = collections.defaultdict(list)
    for topic in ("carillon.events", "carillon.events.urgent"):
        for record in real.dump(topic):
            of["carillon", topic, record["partition"]].append(
                (record["offset"], record["time_ms"]))
    for topic in ("carillon.deferred.1", "carillon.deferred.far"):
        for record in real.dump(topic):
            due = int(record["headers"].get("carillon-due", record["time_ms"]))
            of["carillon.ring", topic, record["partition"]].append(
                (record["offset"], max(due, record["time_ms"])))
    return of


def judge_ages(real, from_ms, until_ms, gauge, tally, ways):
    commits, worst = commits_of(real), {}
    for place, records in records_of(real).items():
        nothing_yet = Commit(records[0][1], 0, [])
        age, at = Ages(records, [nothing_yet] + commits.get(place, [])).worst(from_ms, until_ms)
        group = "ring" if place[0].endswith(".ring") else "events"
        worst[group] = max(worst.get(group, (0, 0, "")), (age, at - from_ms, f"{place[1]}/{place[2]}"))
    for group, (age, at, place) in sorted(worst.items()):
        tally.check_time(f"{ways}: the oldest open record of {group} is never older than {MOST_MS} ms: "
                         f"{age} ms, {at / 1000:.1f} s after death in {place}", age <= MOST_MS)
    own = gauge.worst(from_ms, until_ms)
    say(f"     {ways}: the worker's own gauge says {own:.0f} ms at most")
    return worst


def outcomes_of(real):
    return [(record["time_ms"], json.loads(record["value"])) for record in real.dump("carillon.outcomes")]


def judge_throughput(outcomes, rows, alive, dead, tally, ways):
    """Of the live route: sent of what was offered, dead against alive."""
    def kept(window):
        begin, end = window
        offered = sum(begin <= int(row[4]) < end for row in rows if "email" in row[8])
        sent = sum(begin <= at < end for at, o in outcomes
                   if o["outcome"] == "sent" and o.get("channel") == "email")
        return sent / max(offered, 1)
    before, during = kept(alive), kept(dead)
    tally.check_time(f"{ways}: the live route keeps {KEPT:.0%} of its throughput: "
                     f"{during / before:.1%} ({during:.1%} of what was offered, {before:.1%} before)",
                     during >= KEPT * before)


def run(real, size, seed, ways, tally):
    label = ", ".join(ways)
    for part in ("kafka", "redis"):
        real.start(part)
    real.start_provider()
    fronts = {way: Front(real.ports["plain"]) for way in ways}
    parts.CONFIG = config_of(fronts)
    real.set_up()
    gauge = Gauge(real.start_worker("worker"))
    real.wait_for("the worker to be ready", lambda: real.is_ready("worker"), 30)
    gauge.start()
    seconds = size["alive_s"] + size["dead_s"] + size["shift_s"]
    load = real.spawn("load", [
        BENCH, "load", "--brokers", real.brokers, "--count", str(seconds * size["rate"]),
        "--rate", str(size["rate"]), "--seed", str(seed), "--mix", size["mix"],
        "--countries", str(len(ways)), "--journal", real.path("load.journal")])
    born = now_ms()
    time.sleep(size["alive_s"])
    died = now_ms()
    for way, front in fronts.items():
        front.become(way)
    time.sleep(size["dead_s"])
    healed = now_ms()
    gauge.over.set()
    real.end("worker", signal.SIGKILL)
    for front in fronts.values():
        front.become("alive")
    real.fault("stop", died, healed)  # a call that was swallowed may be repeated
    real.start_worker("worker")
    real.fault("worker", healed, now_ms())
    load.wait()
    say(f"{label}: dead for {(healed - died) / 1000:.1f} s; load: {real.tail('load.log', 1).strip()}")
    started = time.time()
    try:
        real.drain(size["drain_s"])
        tally.check(f"{label}: all that was held is through {time.time() - started:.1f} s later", True)
    except SystemExit as error:
        tally.check(f"{label}: all that was held is through", False,
                    f"{error}; of events, far and ring wait {real.waiting()}")
    imbalance = Gauge(real.processes["worker"].admin_port).read("carillon_books_imbalance")
    tally.check(f"{label}: the books balance", not any(imbalance), imbalance)
    tally.check(f"{label}: the worker ends with 0", real.end("worker") == 0, real.tail("worker.log"))
    real.end("provider")
    judge(real, fronts, born, died, healed, gauge, tally, label)


def judge(real, fronts, born, died, healed, gauge, tally, label):
    with open(real.path("load.journal")) as file:
        rows = [line.split("\t") for line in file]
    outcomes = outcomes_of(real)
    judge_ages(real, died, healed, gauge, tally, label)
    judge_throughput(outcomes, rows, (born + 2000, died), (died, healed), tally, label)
    ends = collections.Counter((o.get("channel"), o["outcome"], o.get("reason", ""),
                                "replay" if o.get("replay") else "") for _, o in outcomes)
    for end, count in sorted(ends.items(), key=str):
        say(f"     {label}: {count} {' '.join(str(word) for word in end if word)}")
    wrong = sum(count for (_, outcome, reason, _), count in ends.items()
                if outcome not in ("sent", "ambiguous") and reason != "contact_missing")
    doubt = sum(count for (_, outcome, _, _), count in ends.items() if outcome == "ambiguous")
    swallowed = sum(front.taken for way, front in fronts.items() if way == "swallow")
    tally.check(f"{label}: everything was sent, but what was swallowed twice ({doubt})",
                wrong == 0 and doubt <= swallowed / 2, (wrong, doubt, swallowed))
    code, report = real.verify()
    print(report, flush=True)
    tally.check(f"{label}: verify finds nothing", code == 0, code)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--dead-s", type=int, default=None)
    parser.add_argument("--rate", type=int, default=None)
    parser.add_argument("--deadline-ms", type=int, default=10000)
    parser.add_argument("--times-decide", action="store_true")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 100000
    size = dict(SIZES[arguments.size])
    size["dead_s"] = arguments.dead_s or size["dead_s"]
    size["rate"] = arguments.rate or size["rate"]
    ways = arguments.ways.split(",")
    assert all(way in MODES for way in ways)
    tally = Tally(times_decide=arguments.times_decide or arguments.size == "full")
    say(f"dead routes {arguments.size}, seed {seed}")
    deferral = (f"slots: {size['slots']}, slot_ms: {size['slot_ms']}, spread: 2, far_spread: 1, "
                f"lead_ms: 1000, time_sample_ms: 500, backoff_most_ms: {size['backoff_ms']}")
    for now in [ways] if arguments.size == "short" else [[way] for way in ways]:
        with Real(tls=False, partitions=4, deadline_ms=arguments.deadline_ms,
                  deferral=deferral) as real:
            run(real, size, seed, now, tally)
            real.keep = tally.failed > 0
    tally.end()


if __name__ == "__main__":
    main()
