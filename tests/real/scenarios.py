#!/usr/bin/env python3
"""The scenarios of tests/scenarios end to end: Kafka, Redis, provider simulator, one worker.
scenarios.py [--short] [--part N/M] [--only WORD]

The worker takes its time from Redis, so each scenario's `now` has a Redis whose clock is set
to it (clock_shift.c); events carry that time too. All scenarios of one `now` are in one run,
each with tenants, bookings and platform-wide addresses of its own. --short: every fourth one
of the most common `now`. --part: of the worlds each M-th, from the N-th. --only: those whose
name contains the word.

What `explain` says (held against the file as tests/scenarios/run.py does) must happen, leg
by leg. The rules name where a worker differs, and that is derived here:
- Q7: what goes later, or is not due and not refused for what may refuse before, has no
  outcome: it waits. For this the plan is asked of explain, with state that permits all.
- Section 1: of several true reasons the one that needs no state comes first.
- The contract: what state refuses as a whole, at admission, ends each of the event's legs, with
  channel; but where C3 has not chosen one yet, there is no leg.
- Q8: what is due less than a call's deadline before a window begins waits for its end.
- Section 6: a leg that waits holds no key yet, so those that wait are left out of O1 and C9.
- A scenario whose answer changes within two minutes is about an instant, which no running
  clock can stand on; and settings that `tenants put` refuses cannot come about.
"""

import argparse
import collections
import datetime
import json
import os
import subprocess
import sys
import time
import urllib.request

import real as parts
from real import ROOT, Real, Tally, say

sys.path.insert(0, os.path.join(ROOT, "tests/scenarios"))
import run as scenarios
import simple_yaml

# The ring reaches to 8:20 h from now, when no window ends: what is just beyond it lies in the far
# topic first, and is counted twice when it has come nearer.
CONFIG = """\
worker: {{name: worker, shards: 1, adapters: {root}/deploy/providers, drain_ms: 2000}}
deferral: {{slots: 8, slot_ms: 5000000, spread: 1, far_spread: 1, time_sample_ms: 1000}}
kafka: {{bootstrap_servers: "{kafka}", topic_prefix: "{prefix}", group: "{prefix}carillon", partitions: 1, commit_interval_ms: 200, session_timeout_ms: 10000}}
redis: {{address: "{redis}"}}
rules: {{platform_zone: UTC, address_key: not-a-secret}}
outcomes: {{format: json}}
providers:
  - {{name: own, adapter: webhook, base_url: "http://127.0.0.1:{port}", credentials: [{{name: token, value: x}}]}}
routes:
  - {{name: sms, provider: own, channel: sms, from: "+33755500000"}}
  - {{name: email, provider: own, channel: email, from: no-reply@example.com}}
  - {{name: push, provider: own, channel: push, from: app}}
"""

# What may refuse an event before it is due.
BEFORE_DUE = {"G1", "G2", "G3", "Q3"}
# Asked with recipient or booking state, or of other events.
BY_STATE = {"G4", "G5", "G8", "G9", "C6", "C7", "C8", "C9", "O1", "O2"}
ONE_CHANNEL = {"payment_request", "direct_message", "auto_reply", "feedback_reply"}
TOLD = ("outcome", "channel", "reason", "detail", "zone", "zone_source", "template", "segments",
        "encoding")
MOST_MS = 120 * 1000
DEADLINE_MS = 10 * 1000


def at_ms(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def rfc3339(ms):
    moment = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def replaced(node, names):
    if isinstance(node, dict):
        return {key: replaced(value, names) for key, value in node.items()}
    if isinstance(node, list):
        return [replaced(value, names) for value in node]
    return names.get(node.lower(), node) if isinstance(node, str) else node


def own(case, number):
    """The scenario with names that no other one has."""
    names = {}
    for document in case["recipients"]:
        if document["tenant_id"] != "*":
            continue
        address = document.get("address", "")
        if address.startswith("+"):
            names[address] = address[:-4] + f"{number % 10000:04d}"
        elif address:
            names[address.lower()] = f"n{number}." + address.lower()
        if "customer_id" in document:
            names[document["customer_id"].lower()] = f"{document['customer_id']}-{number}"
    case = {**case, **replaced({k: case[k] for k in ("recipients", "events", "tenants")}, names)}
    for kind in ("tenants", "recipients", "bookings", "events"):
        for document in case[kind]:
            tenant = document.get("tenant_id")
            if isinstance(tenant, str) and tenant not in ("", "*") and len(tenant) < 50:
                document["tenant_id"] = f"{tenant}-{number}"
    for event in case["events"]:
        if isinstance(event.get("event_id"), str) and 0 < len(event["event_id"]) < 100:
            event["event_id"] = f"{number}-{event['event_id']}"
        if isinstance(event.get("dedup_key"), str) and len(event["dedup_key"]) < 100:
            event["dedup_key"] = f"{number}-{event['dedup_key']}"
    return case


class Scenario:
    def __init__(self, name, number, given, scenario):
        self.name = name
        self.case = own(json.loads(json.dumps(scenarios.expand(given, scenario))), number)
        self.key = str(number).encode()
        self.words = [] # in which explain differs from the file

    def explain(self, config, later_ms=0, **changed):
        case = {**self.case, **changed}
        case["now"] = rfc3339(at_ms(case["now"]) + later_ms)
        folder = os.path.dirname(config)
        command = [parts.CARILLON, "explain", "--config", config, "--now", case["now"]]
        for kind in ("tenants", "recipients", "bookings"):
            path = os.path.join(folder, f"explain-{kind}")
            with open(path, "w") as file:
                json.dump(case[kind], file)
            command += ["--" + kind, path]
        lines = "".join(json.dumps(event) + "\n" for event in case["events"])
        ran = subprocess.run(command + ["-"], input=lines.encode(), capture_output=True, check=True)
        return [json.loads(line)["legs"] for line in ran.stdout.decode().splitlines()]

    def is_of_an_instant(self, config):
        def essence(events):
            return [[(leg.get("channel"), leg["decision"], leg.get("reason")) for leg in legs]
                    for legs in events]
        said = self.explain(config)
        for wanted, legs in zip(self.case["legs"], said):
            self.words += scenarios.differences(wanted, legs)
        return essence(said) != essence(self.explain(config, MOST_MS))

    def permissive(self):
        """State that refuses nothing."""
        documents = []
        for event in self.case["events"]:
            to = recipient_of(event)
            if not event.get("tenant_id"):
                continue
            subjects = [{"address": to[k].lower()} for k in ("sms", "email") if to.get(k)]
            subjects += [{"customer_id": event["customer_id"]}] if event.get("customer_id") else []
            first = event.get("kind") == "marketing_consent_request"
            documents += [{"tenant_id": event.get("tenant_id", ""), **subject,
                           "consent_attested": True, "reply_allowed": True,
                           "marketing_consent": "first_yes" if first else "confirmed"}
                          for subject in subjects]
        return documents

    def expect(self, config):
        """Per event the outcomes, and whether anything of it waits (and what for)."""
        now = at_ms(self.case["now"])
        plans = [self.explain(config, recipients=self.permissive(), bookings=[], events=[event])[0]
                 for event in self.case["events"]]
        late = [self.explain(config, recipients=self.permissive(), bookings=[],
                             events=[due_later_by(event, DEADLINE_MS)])[0]
                for event in self.case["events"]]
        waits = [why_it_waits(plan, event, now, after)
                 for plan, event, after in zip(plans, self.case["events"], late)]
        goes = [i for i, why in enumerate(waits) if not why]
        if goes != list(range(len(waits))):
            now_legs = dict(zip(goes, self.explain(
                config, events=[self.case["events"][i] for i in goes]) if goes else []))
        else:
            now_legs = dict(enumerate(self.explain(config)))
        out = []
        for i, (event, plan) in enumerate(zip(self.case["events"], plans)):
            legs = now_legs.get(i, [])
            legs = [first_told(plan, leg) for leg in legs]
            if plan and is_whole(plan) and first_gate(plan[0]) not in BY_STATE:
                legs = plan if legs else []
            elif is_whole(legs) and not has_a_choice(event):
                legs = told_by_leg(legs[0], plan)
            out.append((legs, waits[i] or [why_leg(leg) for leg in legs
                                           if leg["decision"] == "defer"]))
        return out


def first_gate(leg):
    return next((g["id"] for g in leg["gates"] if g["verdict"] == "refuse"), None)


def is_whole(legs):
    return len(legs) == 1 and "channel" not in legs[0]


def recipient_of(event):
    to = event.get("recipient")
    return to if isinstance(to, dict) else {}


def has_a_choice(event):
    to = recipient_of(event)
    return event.get("kind") in ONE_CHANNEL and not event.get("channel") and \
        to.get("sms") and to.get("email")


def told_by_leg(whole, plan):
    return [{**whole, **{k: leg[k] for k in ("channel", "address_hash") if k in leg}}
            if goes(leg) or first_gate(leg) in BY_STATE else leg for leg in plan]


def goes(leg):
    return leg["decision"] in ("send", "defer")


def why_leg(leg):
    return "quiet_hours" if leg["reason"] == "quiet_hours" else "due_later"


def due_later_by(event, ms):
    try:
        return {**event, "due_at": rfc3339(at_ms(event["due_at"]) + ms)}
    except (KeyError, ValueError, AttributeError, TypeError):
        return event


def why_it_waits(plan, event, now, after):
    """The one reason for which the whole event waits, in a list; [] where it does not."""
    later = [leg for leg in plan if leg["decision"] == "defer"]
    if any(leg["decision"] == "send" for leg in plan):
        return []
    if later:
        first = min(later, key=lambda leg: at_ms(leg["not_before"]))
        closing = [leg for leg in after if leg.get("reason") == "quiet_hours" and
                   leg.get("address_hash") == first.get("address_hash")]
        return ["quiet_hours" if closing else why_leg(first)]
    try:
        due = at_ms(event.get("due_at") or event.get("created_at") or "")
    except (ValueError, AttributeError, TypeError):
        return []
    before = all(first_gate(leg) in BEFORE_DUE or leg.get("reason") == "too_many_attachments"
                 for leg in plan)
    return ["due_later"] if due > now and not before else []


def first_told(plan, leg):
    """What needs no state is asked first."""
    for planned in plan:
        if planned.get("channel") == leg.get("channel") and \
                planned.get("address_hash") == leg.get("address_hash") and \
                not goes(planned) and first_gate(planned) not in BY_STATE:
            return planned
    return leg


def as_outcome(leg):
    want = {"outcome": "sent" if leg["decision"] == "send" else leg["decision"],
            "channel": leg.get("channel"), "address_hash": leg.get("address_hash")}
    for key in TOLD[2:]:
        if key in leg and not (leg["decision"] == "duplicate" and key == "detail"):
            want[key] = leg[key]
    return want


def untold(wanted, told):
    """What differs, in words."""
    left, out = list(told), []
    for want in map(as_outcome, wanted):
        found = next((o for o in left if all(o.get(k) == v for k, v in want.items())), None)
        if found is None:
            out.append(f"expected {json.dumps(want)}")
        else:
            left.remove(found)
    for outcome in left:
        out.append("told " + json.dumps({k: outcome[k] for k in TOLD if k in outcome}))
    return out


class World:
    """Everything for one `now`, but Kafka and the provider, which all share."""

    def __init__(self, real, now, number):
        self.real, self.now, self.number = real, now, number
        self.prefix = f"w{number}."
        real.options["prefix"] = self.prefix
        self.shift_s = str(at_ms(now) // 1000 - int(time.time()))
        self.folder = real.path(f"redis-{number}")
        self.clock = {"LD_PRELOAD": real.path("clock_shift.so"), "CLOCK_SHIFT_S": self.shift_s}
        ran = subprocess.run([os.path.join(ROOT, "deploy/redis/start.sh"), self.folder], check=True,
                             stdout=subprocess.PIPE, text=True, env={**os.environ, **self.clock})
        self.redis = dict(line.split("=", 1) for line in ran.stdout.splitlines())
        self.config = real.path(f"config-{number}.yaml")
        with open(self.config, "w") as file:
            file.write(CONFIG.format(root=ROOT, kafka=real.brokers, prefix=self.prefix,
                                     redis=f"127.0.0.1:{self.redis['REDIS_PORT']}",
                                     port=real.ports["plain"]))
        self.command("setup")

    def close(self):
        subprocess.run([os.path.join(ROOT, "deploy/stop.sh"), self.folder, "KILL"],
                       check=False, stdout=subprocess.DEVNULL)

    def command(self, *words, check=True):
        name, *rest = words
        split = 1 if name in ("tenants", "suppress", "bookings") else 0
        done = self.real.carillon(name, *rest[:split], "--config", self.config, *rest[split:],
                                  check=False)
        if check and done.returncode != 0:
            raise SystemExit(f"carillon {' '.join(words)}: {done.returncode}\n{done.stderr}")
        return done

    def write(self, name, documents):
        path = self.real.path(f"{name}-{self.number}.jsonl")
        with open(path, "w") as file:
            file.writelines(json.dumps(document) + "\n" for document in documents)
        return path

    def put_state(self, rows):
        tenants = [t for row in rows for t in row.case["tenants"]]
        refused = set()
        if tenants and self.command("tenants", "put", self.write("tenants", tenants),
                                    check=False).returncode != 0:
            for tenant in tenants: # one by one, to know which
                if self.command("tenants", "put", self.write("tenant", [tenant]),
                                check=False).returncode != 0:
                    refused.add(tenant["tenant_id"])
        rows = [row for row in rows
                if not refused & {t["tenant_id"] for t in row.case["tenants"]}]
        recipients = [d for row in rows for d in row.case["recipients"]]
        if recipients:
            done = self.command("suppress", "import", self.write("recipients", recipients),
                                check=False)
            if done.returncode not in (0, 65): # 65: documents that say nothing that counts
                raise SystemExit(f"carillon suppress import: {done.returncode}\n{done.stderr}")
        for document in [d for row in rows for d in row.case["bookings"]]:
            self.put_booking(document)
        return rows

    def put_booking(self, document):
        which = ["--tenant", document["tenant_id"], "--booking", document["booking_id"]]
        revision = ["--revision", str(document.get("revision", 0))]
        if document.get("revision"):
            self.command("bookings", "revise", *which, *revision)
        if document.get("cancelled"):
            self.command("bookings", "cancel", *which, *revision)
        if document.get("confirmed"):
            self.command("bookings", "confirm", *which, *revision)

    def produce(self, rows):
        lines = []
        for row in rows:
            for event in row.case["events"]:
                lines.append(f"{row.key.hex()}\t{json.dumps(event).encode().hex()}\n")
        self.real.bench("produce", "--brokers", self.real.brokers, "--topic",
                        self.prefix + "carillon.events", input="".join(lines),
                        env={**os.environ, **self.clock})

    def start_worker(self):
        self.worker = f"worker{self.number}"
        port = parts.free_port()
        self.real.spawn(self.worker, [parts.CARILLON, "run", "--config", self.config],
                        {"CARILLON_ADMIN__ADDRESS": f"127.0.0.1:{port}"})
        self.real.processes[self.worker].admin_port = port

    def waiting(self):
        """By reason, in the worker's hands or deferred, as its metrics have it."""
        port = self.real.processes[self.worker].admin_port
        found = collections.Counter()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return found
        for line in text.splitlines():
            if line.startswith(("carillon_waiting_jobs{", "carillon_deferred_legs_total{")):
                why = line.split('reason="')[1].split('"')[0].replace("not_due", "due_later")
                found[why] += int(float(line.split()[-1]))
        return +found

    def outcomes(self):
        by_event = collections.defaultdict(list)
        for row in self.real.dump("carillon.outcomes"):
            outcome = json.loads(row["value"])
            by_event[outcome["event_id"]].append(outcome)
        return by_event


def run_world(real, tally, now, number, rows):
    world = World(real, now, number)
    try:
        instants = [row for row in rows if row.is_of_an_instant(world.config)]
        rows = world.put_state([row for row in rows if row not in instants])
        world.produce(rows)
        world.start_worker()
        expected = [(row, row.expect(world.config)) for row in rows]
        told = sum(1 for _, events in expected for legs, _ in events
                   for leg in legs if leg["decision"] != "defer")
        waits = collections.Counter(why for _, events in expected for _, whys in events
                                    for why in whys)
        try:
            real.wait_for("all that is to be told", lambda: world.waiting() == waits and
                          sum(map(len, world.outcomes().values())) >= told, 20)
        except SystemExit:
            pass # what is missing is told below
        by_event = world.outcomes()
        for row, events in expected:
            words, wanted = list(row.words), collections.defaultdict(list)
            for event, (legs, _) in zip(row.case["events"], events):
                if any(leg.get("detail") == "event_id" for leg in legs):
                    continue # its dead letter alone
                wanted[str(event.get("event_id"))] += [leg for leg in legs
                                                       if leg["decision"] != "defer"]
            for event_id, legs in wanted.items():
                words += untold(legs, by_event.get(event_id, []))
            tally.check(row.name, not words, "; ".join(words))
        found = world.waiting()
        tally.check(f"{now}: what must not go yet waits, and says why", found == waits,
                    f"{dict(found)} instead of {dict(waits)}")
        for row in instants:
            say(f"     of an instant, not shown here: {row.name}")
        real.end(world.worker)
    finally:
        world.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    first, parts_count = map(int, options.part.split("/"))
    by_now = collections.defaultdict(list)
    number = 1000
    for path in scenarios.all_files():
        with open(path, encoding="utf-8") as file:
            document = simple_yaml.load(file.read())
        letter = os.path.basename(os.path.dirname(path))
        for scenario in document["scenarios"]:
            number += 1
            row = Scenario(f"{letter}: {scenario['name']}", number, document.get("given", {}),
                           scenario)
            if options.only in row.name:
                by_now[row.case["now"]].append(row)
    tally = Tally()
    worlds = sorted(by_now.items(), key=lambda item: -len(item[1]))
    with Real(tls=False) as real:
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", real.path("clock_shift.so"),
                        os.path.join(ROOT, "tests/real/clock_shift.c")], check=True)
        real.start("kafka")
        real.start_provider()
        if options.short:
            worlds = [(worlds[0][0], worlds[0][1][::4])]
        for index, (now, rows) in list(enumerate(worlds))[first - 1::parts_count]:
            run_world(real, tally, now, index + 1, rows)
    tally.end()


if __name__ == "__main__":
    main()
