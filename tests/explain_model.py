#!/usr/bin/env python3
"""What the events of one run do to each other (C9, O2, O1), against a plain reading of the
rules: explain_model.py [PROGRAM] [ROUNDS]. A failing round is printed with its seed."""

import json
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "build/carillon"
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def make(seed):
    dice = random.Random(seed)
    tenant = {"tenant_id": "t", "quiet_hours": [{"class": "reminder", "enabled": False}],
              "kinds": [{"kind": k, "email": False} for k in ("reminder", "additional_reminder", "receipt")],
              "frequency_caps": [{"class": c, "count": dice.randint(1, 4), "period_seconds": p}
                                 for c in ("reminder", "system") for p in (600, 86400)
                                 if dice.random() < 0.5]}
    events = []
    for number in range(dice.randint(2, 60)):
        event = {"event_id": f"e{number if dice.random() < 0.7 else dice.randint(0, 9)}", "tenant_id": "t",
                 "kind": dice.choice(["reminder", "reminder", "additional_reminder", "receipt"]),
                 "due_at": text(NOW + timedelta(seconds=30 * dice.randint(-20, 20)) + dice.choice([0, 0, 0, 3]) * DAY),
                 "recipient": {"sms": f"+3361234567{dice.randint(0, 2)}"},
                 "booking": {"booking_id": f"b{dice.randint(0, 1)}", "revision": dice.randint(0, 1)}}
        event["expires_at"] = text(NOW + dice.choice([-1, 1, 100]) * HOUR + 4 * DAY * dice.randint(0, 1))
        if dice.random() < 0.3:
            event["customer_id"] = f"c{dice.randint(0, 1)}"
        if dice.random() < 0.1:
            event["resend"] = True
        events.append(event)
    return tenant, events


def time_of(word):
    return datetime.strptime(word, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def one_pass(tenant, events, taken):
    """Decisions in order, where reminders are taken to go in the minutes of `taken`."""
    went, counted, takes, out = [], [], set(), []
    for event in events:
        due, expires = time_of(event["due_at"]), time_of(event["expires_at"])
        at, sms = max(due, NOW), event["recipient"]["sms"]
        kind_class = "system" if event["kind"] == "receipt" else "reminder"
        who = (kind_class, event.get("customer_id") or sms, "customer_id" in event)
        minute = (event["booking"]["booking_id"], event["booking"]["revision"],
                  due.replace(second=0), sms)
        if at >= expires:
            out.append("too_late")
            continue
        capped = any(sum(w == who and at - timedelta(seconds=c["period_seconds"]) < t <= at for w, t in counted)
                     >= c["count"] for c in tenant["frequency_caps"] if c["class"] == kind_class)
        window_end = max(at + 72 * HOUR, expires + DAY)
        again = any(e == event["event_id"] and s == sms and
                    (at < end if start <= at else start < window_end)
                    for e, s, start, end in went)
        if capped:
            out.append("frequency_capped")
        elif event["kind"] == "additional_reminder" and not event.get("resend") and minute in taken:
            out.append("collapsed")
        elif again:
            out.append("duplicate")
        else:
            out.append("goes")
            went.append((event["event_id"], sms, at, window_end))
            counted.append((who, at))
            if event["kind"] == "reminder" and not event.get("resend"):
                takes.add(minute)
    return out, takes


def model(tenant, events):
    taken = {(e["booking"]["booking_id"], e["booking"]["revision"],
              time_of(e["due_at"]).replace(second=0), e["recipient"]["sms"])
             for e in events if e["kind"] == "reminder" and not e.get("resend")
             and max(time_of(e["due_at"]), NOW) < time_of(e["expires_at"])}
    for _ in range(8):
        out, takes = one_pass(tenant, events, taken)
        if takes == taken:
            break
        taken = takes
    return out


def explain(tenant, events):
    with tempfile.NamedTemporaryFile("w") as file:
        json.dump([tenant], file)
        file.flush()
        ran = subprocess.run([PROGRAM, "explain", "--now", text(NOW), "--tenants", file.name],
                             input="\n".join(map(json.dumps, events)).encode(), capture_output=True,
                             timeout=60, check=True)
    legs = [json.loads(line)["legs"][0] for line in ran.stdout.splitlines()]
    return ["goes" if leg["decision"] in ("send", "defer") else leg["reason"] for leg in legs]


def main():
    passed = failed = 0
    seen = set()
    for seed in range(ROUNDS):
        tenant, events = make(seed)
        wanted, got = model(tenant, events), explain(tenant, events)
        seen.update(wanted)
        if wanted == got:
            passed += 1
            continue
        failed += 1
        for number, (want, have) in enumerate(zip(wanted, got)):
            if want != have:
                print(f"seed {seed}, event {number + 1}: expected {want}, got {have}")
    if seen != {"goes", "too_late", "frequency_capped", "collapsed", "duplicate"}:
        failed += 1
        print(f"the rounds only showed {sorted(seen)}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
