"""Single cases of deferral on real parts, each with topics, a group and a Redis of its own, so
that they run side by side: a generation that another follows, days that pass, a Redis that is
emptied, a slot that is fired when its worker is killed."""

import json
import os
import signal
import subprocess
import time

from real import BENCH, ROOT, now_ms, say
from scenarios import rfc3339

DAY_MS = 86400000
SLOT_MS = 2000
CONFIG = """\
worker: {{name: worker, shards: {shards}, adapters: {root}/deploy/providers, drain_ms: 3000}}
deferral: {{slots: {slots}, slot_ms: {slot_ms}, spread: {spread}, far_spread: 1, lead_ms: 1000, min_delay_ms: 500, time_sample_ms: 500}}
kafka: {{bootstrap_servers: "{kafka}", topic_prefix: "{prefix}", group: "{prefix}carillon", partitions: 2, commit_interval_ms: 1000, session_timeout_ms: 2000, heartbeat_interval_ms: 500}}
redis: {{address: "{redis}"}}
schedule: {{horizon_ms: 1000, hold_ms: 1000}}
rules: {{platform_zone: UTC, address_key: not-a-secret}}
outcomes: {{format: json}}
providers:
  - {{name: own, adapter: webhook, base_url: "http://127.0.0.1:{port}", in_flight: 128, credentials: [{{name: token, value: x}}]}}
routes:
  - {{name: sms, provider: own, channel: sms, from: "+33755500000", limit_per_second: {limit}}}
"""


def start_provider(real):
    real.spawn("provider-cases", [BENCH, "provider", "--latency", "25", "--journal",
                                  real.path("cases.journal")], log="cases.log")
    ports = real.wait_for("the provider's ports", lambda: real.first_line("cases.log"), 10)
    real.case_port = json.loads(ports)["plain"]


class Case:
    """`real` has a Kafka, and a provider of the cases' own (start_provider)."""

    def __init__(self, real, tally, name, **options):
        self.real, self.tally, self.name, self.prefix = real, tally, name, f"{name}."
        self.options = dict(slots=6, slot_ms=SLOT_MS, spread=1, shards=1, limit=0)
        self.options.update(options)
        self.shift_ms, self.number = 0, 0
        self.folder = real.path(f"redis-{name}")
        self.start_redis()
        self.config = self.write_config()
        self.command("setup")
        tenants = real.path(f"{name}-tenants.jsonl")
        with open(tenants, "w") as file:
            file.write(json.dumps({"tenant_id": "t", "verified": True}) + "\n")
        self.command("tenants", "put", tenants)

    def check(self, what, fine, detail=""):
        return self.tally.check(f"{self.name}: {what}", fine, detail)

    # Redis: its clock is the one that counts.

    def start_redis(self):
        clock = {"LD_PRELOAD": self.real.path("clock_shift.so"),
                 "CLOCK_SHIFT_S": str(self.shift_ms // 1000)} if self.shift_ms else {}
        ran = subprocess.run([os.path.join(ROOT, "deploy/redis/start.sh"), self.folder], check=True,
                             stdout=subprocess.PIPE, text=True, env={**os.environ, **clock})
        env = dict(line.split("=", 1) for line in ran.stdout.splitlines())
        self.port = env["REDIS_PORT"]

    def stop_redis(self, *how):
        subprocess.run([os.path.join(ROOT, "deploy/stop.sh"), self.folder, *how], check=True)

    def redis(self, *words):
        return subprocess.run(["redis-cli", "-p", self.port, *words], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()

    def go_to(self, when_ms):
        """The server's clock is set on."""
        self.stop_redis()
        self.shift_ms = (when_ms - now_ms()) // 1000 * 1000
        self.start_redis()
        say(f"{self.name}: it is {rfc3339(self.now())}")

    def now(self):
        return now_ms() + self.shift_ms

    # Workers and commands.

    def write_config(self, **changes):
        self.options.update(changes)
        path = self.real.path(f"{self.name}.yaml")
        with open(path, "w") as file:
            file.write(CONFIG.format(root=ROOT, kafka=self.real.brokers, prefix=self.prefix,
                                     redis=f"127.0.0.1:{self.port}",
                                     port=self.real.case_port, **self.options))
        return path

    def command(self, *words, check=True):
        split = 1 if words[0] in ("tenants", "suppress", "bookings") else 0
        done = self.real.carillon(*words[:split + 1], "--config", self.config, *words[split + 1:],
                                  check=False)
        if check and done.returncode != 0:
            raise SystemExit(f"carillon {' '.join(words)}: {done.returncode}\n{done.stderr}")
        return done

    def worker(self, number):
        return f"worker-{self.name}{number}"

    def start(self, *numbers):
        for number in numbers:
            self.real.start_worker(self.worker(number), f"{self.name}.yaml")
        for number in numbers:
            name = self.worker(number)
            self.wait(f"worker {number} to be ready", lambda: self.real.is_ready(name), 40)

    def stop(self, *numbers):
        for number in numbers:
            code = self.real.end(self.worker(number))
            self.check(f"worker {number} drains and ends with 0", code == 0,
                       f"{code}\n{self.real.tail(self.worker(number) + '.log')}")

    def wait(self, what, probe, wait_s):
        end = time.time() + wait_s
        while time.time() < end:
            if probe():
                return True
            time.sleep(0.1)
        raise SystemExit(f"{self.name}: waited {wait_s} s in vain for {what}\n" + "".join(
            self.real.tail(f"{name}.log", 4) for name in list(self.real.processes)
            if name.startswith(self.worker(""))))

    # Records.

    def events(self, count, due_ms, apart_ms=0, kind="receipt"):
        """Puts events that are due then, each `apart_ms` after the one before."""
        out = []
        for _ in range(count):
            self.number += 1
            out.append({"event_id": f"{self.name}-{self.number}", "tenant_id": "t", "kind": kind,
                        "recipient": {"sms": f"+336{self.number:08d}"},
                        "due_at": rfc3339(due_ms + len(out) * apart_ms),
                        "due_ms": due_ms + len(out) * apart_ms})
            if kind != "receipt":
                out[-1]["booking"] = {"booking_id": f"b{self.number}",
                                      "starts_at": rfc3339(due_ms + DAY_MS)}
        self.real.produce(f"{self.prefix}carillon.events", [
            (e["event_id"].encode(),
             json.dumps({k: v for k, v in e.items() if k != "due_ms"}).encode(), {}) for e in out])
        return out

    def dump(self, topic):
        return self.real.dump(f"{self.prefix}carillon.{topic}")

    def in_ring(self, which):
        """The events whose records lie there, each with its number of records."""
        out = {}
        for row in self.dump(f"deferred.{which}"):
            event_id = row["key"].decode().split("#")[0]
            out[event_id] = out.get(event_id, 0) + 1
        return out

    def wait_for_records(self, which, count, wait_s=15):
        self.wait(f"{count} records in {which}", lambda: sum(self.in_ring(which).values()) >= count,
                  wait_s)

    def outcomes(self):
        out = {}
        for row in self.dump("outcomes"):
            outcome = json.loads(row["value"])
            if outcome.get("reason") == "contact_missing":
                continue  # of the e-mail that a receipt could be, too
            out.setdefault(outcome["event_id"], []).append(outcome)
        return out

    def wait_for_ends(self, events, wait_s):
        """Each has its outcome."""
        wanted = {e["event_id"] for e in events}
        self.wait(f"{len(wanted)} outcomes", lambda: wanted <= set(self.outcomes()), wait_s)

    def calls(self):
        """leg_id -> when its calls began, by this machine's clock."""
        out = {}
        done = subprocess.run([BENCH, "show", self.real.path("cases.journal")], check=True,
                              stdout=subprocess.PIPE, text=True)
        for line in done.stdout.splitlines():
            call = json.loads(line)
            out.setdefault(call["key"], []).append(call["first_ns"] // 1000000)
        return out

    def check_sent(self, what, events, late_ms=5000, risky=False):
        """Each exactly once, not early, and not later than that; `risky`: a kill may have
        made a second call, which its outcome has to tell."""
        outcomes, calls, wrong, replays = self.outcomes(), self.calls(), [], 0
        for e in events:
            told = outcomes.get(e["event_id"], [])
            replays += sum(o.get("replay", False) for o in told)
            own = [o for o in told if not o.get("replay", False)] or told[:1]
            went = [ms + self.shift_ms for o in own for ms in calls.get(o["leg_id"], [])]
            once = len(went) == 1 or (risky and len(went) == 2 and own[0].get("dup_risk", False))
            if len(own) != 1 or own[0]["outcome"] != "sent" or not once or \
                    min(went) < e["due_ms"] or max(went) > e["due_ms"] + late_ms:
                wrong.append((e["event_id"], [(o["outcome"], o.get("reason")) for o in told],
                              [ms - e["due_ms"] for ms in went]))
        self.check(f"{len(events)} {what}: each once, in time", not wrong, wrong[:5])
        return replays

    def close(self):
        self.stop_redis("KILL")


def generations(real, tally):
    """What lies in an older generation is fired from there, what is new goes into the newer one;
    then the old one is over, and goes, while a worker serves it."""
    case = Case(real, tally, "generations", shards=2)
    case.start(0)
    old = case.events(20, now_ms() + 5500, 100)
    case.wait_for_records("1", 20)
    case.stop(0)
    case.write_config(slots=5)
    refused = case.command("run", check=False)
    case.check("a config that no generation fits ends with 78", refused.returncode == 78,
               refused.returncode)
    case.command("setup", "--ring")
    stays = case.command("setup", "--remove-over")
    case.check("it is not over while something waits in it", "deferred.1 stays" in stays.stderr,
               stays.stderr)
    case.start(0, 1)
    new = case.events(20, now_ms() + 3500, 100)
    case.wait_for_records("2", 20)
    case.wait_for_ends(old + new, 20)
    case.check_sent("of the old generation", old, late_ms=8000)
    case.check_sent("of the new one", new)
    case.check("nothing new went into the old one", case.in_ring("1").keys() ==
               {e["event_id"] for e in old}, case.in_ring("1"))
    case.wait("the old generation to be over", lambda: "deleting topic generations.carillon."
              "deferred.1" in case.command("setup", "--remove-over").stdout, 25)
    more = case.events(10, now_ms() + 3000, 50)
    case.wait_for_ends(more, 15)
    case.check_sent("after the old one was deleted", more)
    case.stop(0, 1)
    case.close()


def far(real, tally):
    """What does not fit into the ring yet is copied there when it does; where nobody was there
    to do it, it is fired from where it lies."""
    case = Case(real, tally, "far")
    case.start(0, 1)
    begun = now_ms()
    copied = case.events(20, begun + 11000, 50)
    missed = case.events(20, begun + 19000, 50)
    case.wait_for_records("far", 40)
    case.wait_for_records("1", 20)
    case.wait("the time for a kill", lambda: now_ms() >= begun + 10500, 20)
    for number in (0, 1):
        case.real.end(case.worker(number), signal.SIGKILL)
    case.check("no more were copied than fit", case.in_ring("1").keys() ==
               {e["event_id"] for e in copied}, case.in_ring("1"))
    case.wait("the slots of the others to be over", lambda: now_ms() >= begun + 22500, 20)
    case.start(0, 1)
    case.wait_for_ends(copied + missed, 20)
    case.check_sent("copied", copied, late_ms=17000)
    case.check_sent("whose slot was over", missed, late_ms=10000)
    case.check("those were never copied", not case.in_ring("1").keys() &
               {e["event_id"] for e in missed}, case.in_ring("1"))
    case.stop(0, 1)
    case.close()


def days(real, tally, parked=False):
    """What is due in days, and in weeks: the server's clock is set on. `parked`: also what is
    due later than any day of far, which is looked at in between."""
    case = Case(real, tally, "days")
    case.start(0)
    soon = case.events(5, now_ms() + 3 * DAY_MS, 50)
    later = case.events(5, now_ms() + 45 * DAY_MS, 50) if parked else []
    case.wait_for_records("far", 5 + len(later))
    case.go_to(soon[0]["due_ms"] - 14000)
    case.wait_for_ends(soon, 40)
    case.check_sent("after three days", soon)
    case.check("they went by the ring", case.in_ring("1").keys() ==
               {e["event_id"] for e in soon}, case.in_ring("1"))
    if parked:
        dues = [int(row["headers"]["carillon-due"]) for row in case.dump("deferred.far")
                if "carillon-event-due" in row["headers"]]
        case.check("what is due later than any day is parked for an earlier one",
                   len(dues) == 5 and max(dues) < later[0]["due_ms"] - 10 * DAY_MS, dues)
        case.go_to(max(dues) + 3600000)
        case.wait_for_records("far", 15, 40)
        case.go_to(later[0]["due_ms"] - 14000)
        case.wait_for_ends(later, 40)
        case.check_sent("after 45 days", later)
    case.stop(0)
    case.close()


def emptied(real, tally):
    """Redis forgets everything while records wait, once by FLUSHALL and once by a crash without
    its file. What was opted out, blocked or cancelled meanwhile does not go; all others do."""
    case = Case(real, tally, "emptied", shards=2)
    case.start(0, 1)
    begun = now_ms()
    sent = case.events(40, begun + 12000, 100)
    count_ms = begun + 20000
    out, blocked = case.events(5, count_ms), case.events(5, count_ms)
    cancelled = case.events(5, count_ms, kind="booking_confirmed")
    case.wait("the records to wait", lambda: len(case.in_ring("1")) + len(case.in_ring("far")) >=
              55, 10)
    for e in out:
        case.command("suppress", "add", "--tenant", "t", "--address", e["recipient"]["sms"])
    case.redis("FLUSHALL")
    case.wait("the epoch to begin again", lambda: case.redis("EXISTS", "e1") == "1", 20)
    for e in blocked:
        case.command("suppress", "add", "--tenant", "*", "--address", e["recipient"]["sms"],
                     "--blocked")
    case.stop_redis("KILL")
    subprocess.run(["rm", "-rf", os.path.join(case.folder, "appendonlydir")], check=True)
    case.start_redis()
    case.command("setup") # its functions
    for e in cancelled:
        case.command("bookings", "cancel", "--tenant", "t", "--booking",
                     e["booking"]["booking_id"])
    acknowledged = now_ms()
    say(f"emptied: all was said {count_ms - acknowledged} ms before it counts")
    refused = out + blocked + cancelled
    case.wait_for_ends(sent + refused, 40)
    case.check_sent("that nothing forbids", sent, late_ms=12000)
    outcomes, calls = case.outcomes(), case.calls()
    wrong = [(e["event_id"], [(o["outcome"], o.get("reason")) for o in outcomes[e["event_id"]]])
             for e in refused for o in outcomes[e["event_id"]]
             if o["outcome"] not in ("suppressed", "cancelled") or calls.get(o.get("leg_id"))]
    case.check(f"{len(refused)} opted out, blocked or cancelled: none goes",
               acknowledged + 1000 < count_ms and not wrong, wrong)
    case.stop(0, 1)
    case.close()


def middle(real, tally, count=12000, limit=1500):
    """A worker is killed in the middle of what it fires: all go once, or say why not."""
    case = Case(real, tally, "middle", shards=2, limit=limit)
    case.start(0, 1)
    events = case.events(count, now_ms() + 6000)
    case.wait_for_records("1", count)
    case.wait("a third to be sent", lambda: len(case.outcomes()) >= count // 3, 30)
    case.real.end(case.worker(0), signal.SIGKILL)
    case.start(0)
    case.wait_for_ends(events, 30 + count // limit)
    replays = case.check_sent("of one instant", events, late_ms=20000 + 1000 * count // limit,
                              risky=True)
    case.check(f"{replays} replays: progress was known to within two seconds or so",
               replays <= 3 * limit, replays)
    case.stop(0, 1)
    case.close()
