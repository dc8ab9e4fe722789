#!/usr/bin/env python3
"""A year of quiet hours in virtual time: events of forty zones, in both hemispheres, through the
whole shard (year.c), which dies now and then. What left is held against an independent reading
of the rules by Python's zoneinfo: inside its hours, never early, none lost, none twice, and how
late. Last line: N passed, N failed.

    year.py PROGRAM [SEED [EVENTS]]"""
import bisect
import collections
import datetime as dt
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "zones"))
from decisions import DAY, FOLDER, UTC, Zone, parsed  # noqa: E402

ZONES = """Europe/Paris Europe/London Europe/Lisbon Europe/Chisinau Europe/Athens Africa/Casablanca
Africa/El_Aaiun Africa/Cairo Africa/Johannesburg Africa/Lagos Asia/Gaza Asia/Jerusalem Asia/Beirut
Asia/Tehran Asia/Kabul Asia/Kathmandu Asia/Kolkata Asia/Yangon Asia/Tokyo Asia/Pyongyang
Australia/Lord_Howe Australia/Adelaide Australia/Eucla Australia/Sydney Pacific/Auckland
Pacific/Chatham Pacific/Kiritimati Pacific/Apia Pacific/Norfolk Pacific/Marquesas Pacific/Honolulu
America/New_York America/Los_Angeles America/St_Johns America/Santiago America/Asuncion
America/Havana America/Sao_Paulo America/Nuuk Antarctica/Troll""".split()
START = int(dt.datetime(2026, 10, 1, tzinfo=UTC).timestamp())
END = int(dt.datetime(2027, 10, 1, tzinfo=UTC).timestamp())
# one tenant each a zone: which hours its reminders keep; None: the default
HOURS = [None, ["22:00-06:00"], ["21:00-08:30"], ["02:00-03:00"], ["01:30-02:30", "12:00-13:00"]]
DEFAULT = ["22:00-06:00"]
MARGIN_MS = 10000 + 250  # a call's deadline, and the age of the state it goes by
SMEAR_MS = 60000
RATE = 50
LATE_MS = 1000
READ_MS = 5000  # a record is read by then, also when the shard just died


# --- the rules, read once more -------------------------------------------------------------------

def easter(year):
    """Of the Gregorian calendar (Butcher, Meeus)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return dt.date(year, month, day + 1)


def is_french_holiday(date):
    fixed = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
    after = {1, 39, 50}
    return (date.month, date.day) in fixed or (date - easter(date.year)).days in after


LEGAL = {"+33": ("08:00-20:00", lambda d: d.weekday() < 6 and not is_french_holiday(d)),
         "+1": ("08:00-21:00", lambda d: True)}


def legal_closed(zone, legal, s):
    """The stretches between the openings in the days around an instant."""
    (low, high), allowed = parsed(legal[0]), legal[1]
    today = (s + zone.offset(s)) // DAY
    opens = [(zone.last(day * DAY + low), zone.first(day * DAY + high))
             for day in range(today - 6, today + 10)
             if allowed(dt.date(1970, 1, 1) + dt.timedelta(days=day))]
    return [(a[1], b[0]) for a, b in zip(opens, opens[1:])]


class Hours:
    def __init__(self, zones, windows, legal):
        self.zones, self.legal = zones, legal
        self.windows = [parsed(w) for w in windows]

    def closed(self, s):
        found = [stretch for zone in self.zones for w in self.windows for stretch in zone.closed(w, s)]
        if self.legal:
            found += [stretch for zone in self.zones for stretch in legal_closed(zone, self.legal, s)]
        return found

    def is_closed(self, ms):
        return any(low <= ms // 1000 < high for low, high in self.closed(ms // 1000))

    def startable(self, ms, most_ms):
        """The first instant that is open, and not too shortly before it is closed."""
        while ms < most_ms:
            stretches = self.closed(ms // 1000)
            until = max((high for low, high in stretches if low <= ms // 1000 < high), default=None)
            if until is None:
                until = next((high for low, high in sorted(stretches)
                              if ms < low * 1000 < ms + MARGIN_MS), None)
            if until is None:
                return ms
            ms = until * 1000
        return None


def smear(address, not_before, expires):
    h = 14695981039346656037
    for byte in address.encode():
        h = (h ^ byte) * 1099511628211 % 2**64
    room = min(SMEAR_MS, (expires - not_before) // 2)
    return (h >> 16) % room if room > 0 else 0


def expected(event):
    """From when it may leave, when it does as it is spread, and whether it had to wait for its
    hours. None: it expires."""
    hours, expires = event["hours"], event["expires"]
    ms, moved, least = max(event["due"], event["at"]), False, None
    while True:
        opens = hours.startable(ms, expires)
        if opens is None or opens >= expires:
            return None, None, moved
        if opens == ms:
            return ms if least is None else least, ms, moved
        if opens - event["at"] < READ_MS:
            least = opens  # they may open before it is read: then it waited for nothing
        moved = True
        ms = opens + smear(event["to"], opens, expires)


# --- a year's events -----------------------------------------------------------------------------

def rfc3339(ms):
    return dt.datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03}Z"


def countries():
    found = collections.defaultdict(list)
    with open(FOLDER + "/zone.tab") as file:
        for line in file:
            if not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                found[fields[0]].append(fields[2])
    return found


def tenants():
    for z, zone in enumerate(ZONES):
        for h, windows in enumerate(HOURS):
            rows = [{"class": "reminder", "start": w[:5], "end": w[6:]} for w in windows or []]
            kinds = [{"kind": kind, "sms": True, "email": False} for kind in ("reminder", "campaign")]
            yield {"tenant_id": f"t{z}-{h}", "verified": True, "zone": zone, "kinds": kinds,
                   "quiet_hours": rows}


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.zones = {name: Zone(name) for name in ZONES}
        self.changes = {name: list(zone.changes(2026, 2027)) for name, zone in self.zones.items()}
        self.changes = {n: [c for c in all if START < c < END] for n, all in self.changes.items()}
        self.spain = [Zone(name) for name in countries()["ES"]]

    def due(self, name):
        r, zone = self.random, self.zones[name]
        near = r.random()
        if near < 0.25 and self.changes[name]:
            return (r.choice(self.changes[name]) + r.randint(-40000, 40000)) * 1000 + r.randrange(1000)
        day = r.randrange((END - START) // DAY - 2) * DAY + START + DAY
        if near < 0.6:  # at a round local time, as people do
            wall = day + r.choice([0, 2, 6, 8, 9, 18, 20, 21, 22, 23]) * 3600 + r.choice([0, 0, 1800])
            return zone.first(wall) * 1000 - r.choice([0, 0, 0, 1, 5000, 30000])
        return (day + r.randrange(DAY)) * 1000 + r.randrange(1000)

    def ahead(self):
        r, kind = self.random, self.random.random()
        most = 0 if kind < 0.1 else 90 if kind < 0.2 else 2 * DAY if kind < 0.5 else 66 * DAY
        return r.randrange(most * 1000 + 1)

    def event(self, n):
        r = self.random
        name, h = r.choice(ZONES), r.randrange(len(HOURS))
        due = self.due(name)
        at = max(due - self.ahead(), START * 1000)
        due = max(due, at)
        is_campaign = r.random() < 0.2
        to = r.choice(["+336", "+1212"]) if is_campaign else "+4477"
        recipient, tenant = {}, ZONES.index(name)
        zones, how = [self.zones[name]], r.random()
        if how < 0.4:  # the profile's zone wins over the tenant's
            recipient["zone"], tenant = name, r.randrange(len(ZONES))
        elif how < 0.45 and not is_campaign:  # misspelt: all zones of the number's country
            recipient["zone"], to, zones = "Europe/Pariss", "+346", self.spain
        windows = (HOURS[h] if HOURS[h] and not is_campaign else None) or DEFAULT
        recipient["sms"] = to = f"{to}{n:07}"
        body = {"event_id": f"e{n}", "tenant_id": f"t{tenant}-{h}", "recipient": recipient,
                "due_at": rfc3339(due)}
        if is_campaign:
            expires = due + r.choice([1, 1, 5]) * DAY * 1000
            body |= {"kind": "campaign", "content": {"text": "Come in"}, "expires_at": rfc3339(expires)}
        else:
            expires = due + r.randrange(3600000, 40 * 3600000)
            body |= {"kind": "reminder", "booking": {"booking_id": f"b{n}", "starts_at": rfc3339(expires)}}
        legal = next((LEGAL[code] for code in LEGAL if is_campaign and to.startswith(code)), None)
        return {"id": f"e{n}", "at": at, "due": due, "expires": expires, "to": to, "zone": name,
                "hours": Hours(zones, windows, legal), "legal": legal, "body": body}


def play(program, seed, events, restarts):
    with tempfile.TemporaryDirectory(prefix="carillon-year-") as folder:
        settings, records = folder + "/tenants", folder + "/events"
        with open(settings, "w") as file:
            file.writelines(json.dumps(t) + "\n" for t in tenants())
        with open(records, "w") as file:
            file.writelines(f"{e['at']} {json.dumps(e['body'])}\n" for e in events)
        end = max(e["expires"] for e in events) + 2 * DAY * 1000
        done = subprocess.run([program, str(seed), str(restarts), str(RATE), settings, records,
                               str(len(events)), str(end)], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            print(f"{program} ended with {done.returncode}")
        return done.stdout.splitlines(), done.returncode


# --- judging -------------------------------------------------------------------------------------

class Check:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, bad, show=str):
        self.failed += bool(bad)
        self.passed += not bad
        print(f"{'FAILED' if bad else 'ok'}: {what}")
        for case in list(bad)[:5] if bad and bad is not True else []:
            print("    " + show(case))


def at_fraction(ordered, fraction):
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


def main():
    program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 8000
    restarts = 6
    maker = Maker(seed)
    events = sorted((maker.event(n) for n in range(count)), key=lambda e: e["at"])
    lines, code = play(program, seed, events, restarts)
    sent, ended = collections.defaultdict(list), collections.defaultdict(list)
    hops, far, turns = 0, 0, 0
    for line in lines:
        word, rest = line.split(" ", 1)
        if word == "sent":
            ms, event = rest.split()
            sent[event].append(int(ms))
        elif word == "ended":
            outcome = json.loads(rest)
            ended[outcome["event_id"]].append(outcome)
        elif word == "hop":
            hops, far = hops + 1, far + (rest.split()[1] == "far")
        elif word == "turns":
            turns = int(rest)

    closed, early, lost, other, twice, late = [], [], [], [], [], []
    moved_in, expired, moved_count = collections.Counter(), 0, 0
    for e in events:
        least, when, moved = expected(e)
        went, ends = sent[e["id"]], ended[e["id"]]
        first = [o for o in ends if not o.get("replay")] or ends[:1]
        if not ends:
            lost.append(e["id"])
            continue
        told = (first[0]["outcome"], first[0].get("reason", ""))
        right = ("sent", "") if when is not None else ("expired", "quiet_past_expiry")
        if told != right or bool(went) != (when is not None):
            other.append((e["id"], told, right, len(went)))
            continue
        if len(went) > 1 or len(first) > 1:
            twice.append((e["id"], went, first))
        if when is None:
            expired += 1
            continue
        if moved:
            moved_count += 1
            moved_in[e["zone"]] += 1
        closed += [(e["id"], e["zone"], ms) for ms in went if e["hours"].is_closed(ms)]
        early += [(e["id"], ms, when) for ms in went if ms < least]
        late.append((max(min(went) - when, 0), e["id"]))
    late.sort()

    check = Check()
    p99 = at_fraction(late, 0.99)[0] if late else None
    night = sum(1 for e in events for c in maker.changes[e["zone"]]
                if bisect.bisect([e["due"] // 1000], c) and c - e["due"] // 1000 < DAY)
    print(f"seed {seed}: {count} events of {len(ZONES)} zones, {moved_count} waited for their hours, "
          f"{night} due in the day before a clock changed, {expired} expired; "
          f"{hops} hops, {far} of them far; {restarts} deaths; {turns} turns")
    if late:
        print("late ms: " + ", ".join(f"p{int(f * 1000) / 10:g} {at_fraction(late, f)[0]}"
                                      for f in (0.5, 0.9, 0.99, 0.999)) + f", most {late[-1][0]}")
    check("the shard lived to the end", code != 0)
    check("every release is inside its hours", closed)
    check("none is early", early)
    check("none is lost", lost)
    check("each ends as the rules say", other)
    check("none goes twice", twice if len(twice) > restarts else [])
    check("lateness p99 is at most a second", p99 is None or p99 > LATE_MS)
    check("events waited in every zone", [z for z in ZONES if not moved_in[z]])
    check("some expired in their quiet hours, and were told so", expired == 0)
    check("far was used, more than once for some", far < 100 or hops < count)
    for ms, event in late[-3:] if p99 is not None and p99 > LATE_MS else []:
        print(f"    {event} is {ms} ms late")
    print(f"{check.passed} passed, {check.failed} failed")
    return check.failed > 0


sys.exit(main())
