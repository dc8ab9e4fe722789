#!/usr/bin/env python3
"""Bad input as real records: each has its own clear end, and nothing else is disturbed."""

import json
import time

from real import Real, Tally

BASE = {
    "tenant_id": "tenant-1", "kind": "booking_confirmed", "locale": "en", "template": "bench",
    "recipient": {"sms": "+33612345678", "preference": "sms"},
    "variables": {"name": "Camille", "phrase": "see you tomorrow", "token": "x"},
}


def event(number, **changes):
    """A good event but for the changes; None removes, a.b goes down."""
    token = f"bench-0000bad0-{number:08d}"
    e = json.loads(json.dumps(BASE))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
    e.update(event_id=token, created_at=now, booking={"booking_id": f"b{number}",
                                                      "starts_at": later})
    e["variables"]["token"] = token + "-0"
    e["recipient"]["sms"] = f"+336{number:08d}"
    for path, value in changes.items():
        at, *rest = path.split("__")
        part = e
        while rest:
            part, at, *rest = part[at], rest[0], *rest[1:]
        if value is None:
            part.pop(at, None)
        else:
            part[at] = value
    return e


def as_json(e):
    return json.dumps(e, ensure_ascii=False).encode()


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def text_field(number, text):
    return varint(number << 3 | 2) + varint(len(text)) + text


def as_protobuf(e):
    """Enough of proto/carillon/v1/event.proto for these cases."""
    out = text_field(1, e["event_id"].encode()) + text_field(2, e["tenant_id"].encode())
    out += varint(3 << 3) + varint(2)  # booking_confirmed
    recipient = text_field(1, e["recipient"]["sms"].encode()) + varint(5 << 3) + varint(2)
    starts = varint(1 << 3) + varint(int(time.time()) + 86400)
    out += text_field(11, recipient) + text_field(12, text_field(3, starts))
    out += text_field(10, b"en") + text_field(19, b"bench")
    for name, value in e["variables"].items():
        out += text_field(20, text_field(1, name.encode()) + text_field(2, value.encode()))
    return out


class Case:
    """What is put in, and what must come: a letter (reason, field or detail), an outcome."""

    def __init__(self, name, value, outcome=None, reason=None, detail=None, letter=None,
                 letter_text=None, calls=0, headers=None, key=b"k", truncated=False):
        self.name, self.value, self.headers, self.key = name, value, headers or {}, key
        self.outcome, self.reason, self.detail = outcome, reason, detail
        self.letter, self.letter_text = letter, letter_text
        self.calls, self.truncated = calls, truncated


def dead(name, value, detail, **more):
    """A dead letter and an outcome `dead` that names the field."""
    return Case(name, value, outcome="dead", reason="malformed", detail=detail, letter=True, **more)


def dead_leg(name, value, detail):
    """A leg alone: an outcome and no dead letter."""
    return Case(name, value, outcome="dead", reason="malformed", detail=detail)


def letter(name, value, **more):
    """A dead letter alone: nobody can say whose it is."""
    return Case(name, value, letter=True, **more)


def cases():
    number = iter(range(1, 1000))

    def bad(**changes):
        return as_json(event(next(number), **changes))

    good = event(next(number))
    sent = dict(outcome="sent", calls=1)
    cloud = event(next(number))
    binary_cloud = event(next(number))
    crlf_body = event(next(number), variables__phrase="first line\r\nBcc: victim@example.com")
    subject = event(next(number), kind="direct_message", template=None, author={"role": "owner"},
                    recipient={"email": "camille@example.com"},
                    content={"subject": "Hi\r\nBcc: victim@example.com", "text": "hello"})
    big = event(next(number), kind="direct_message", template=None, author={"role": "owner"},
                recipient={"email": "camille@example.com"}, content={"text": "x" * 1_000_000})
    return [
        Case("a good record, JSON", as_json(good), **sent),
        Case("a good record, protobuf", as_protobuf(event(next(number))), **sent),
        Case("CloudEvents, structured", as_json({
            "specversion": "1.0", "id": "1", "source": "/test", "type": "carillon.event.v1",
            "datacontenttype": "application/json", "data": cloud}),
            headers={"content-type": b"application/cloudevents+json"}, **sent),
        Case("CloudEvents, binary", as_json(binary_cloud), headers={
            "ce_specversion": b"1.0", "ce_id": b"2", "ce_source": b"/test",
            "ce_type": b"carillon.event.v1", "content-type": b"application/json"}, **sent),
        Case("unknown fields are ignored", bad(nobody_knows={"a": [1, 2]}), **sent),
        letter("an empty record", b""),
        letter("a null record", None),
        letter("protobuf that ends too early", as_protobuf(event(next(number)))[:-3]),
        letter("neither protobuf nor JSON", b"\xff\xfe\x00 what is this"),
        letter("JSON that ends too early", as_json(event(next(number)))[:40], letter_text="line 1"),
        letter("JSON with a stray comma: position said", b'{\n  "kind": "reminder",,\n}',
               letter_text="line 2"),
        letter("bytes that are no UTF-8", as_json(event(next(number))).replace(
            b"Camille", b"Cam\xff\xfeille")),
        dead("unknown kind", bad(kind="carrier_pigeon"), "kind"),
        dead("no kind", bad(kind=None), "kind"),
        dead("no tenant", bad(tenant_id=None), "tenant_id"),
        dead("no recipient", bad(recipient=None), "recipient"),
        dead("no start of the booking", bad(booking__starts_at=None), "booking.starts_at"),
        dead("a wrong type", bad(recipient__sms=33612345678), "recipient.sms"),
        dead("a time that is none", bad(due_at="tomorrow"), "due_at"),
        dead_leg("a template variable missing", bad(variables__phrase=None), "variables.phrase"),
        dead("a template that nobody has", bad(template="no-such"), "template"),
        dead("a code without its code", bad(kind="one_time_code"), "variables.code"),
        dead("a field too long", bad(tenant_id="t" * 65), "tenant_id"),
        dead("a person's kind without an author", bad(
            kind="direct_message", template=None, content={"text": "hi"}), "author.role"),
        dead("1 MB of text", as_json(big), "content.text"),
        dead("audience of another kind", bad(audience="business"), "audience"),
        dead_leg("a line break in the subject", as_json(subject), "content.subject"),
        Case("a line break in a body is only text", as_json(crlf_body), **sent),
        Case("a number with letters", bad(recipient__sms="+336abc"), outcome="suppressed",
             reason="contact_invalid"),
        Case("no address at all", bad(recipient__sms=None), outcome="suppressed",
             reason="contact_missing"),
        Case("too late", bad(expires_at="2020-01-01T00:00:00Z",
                             created_at="2019-12-31T00:00:00Z"),
             outcome="expired", reason="too_late"),
        Case("a good record at the end", as_json(event(next(number))), **sent),
    ]


def letter_says(record):
    names = ("carillon-reason", "carillon-detail", "carillon-field")
    return " ".join(f"{n}={record['headers'].get(n, b'').decode(errors='replace')}" for n in names)


def judge(tally, case, place, outcomes, letters, calls):
    found = outcomes.get(place, [])
    dead_letter = letters.get(place)
    told = "; ".join(f"{o.get('channel', '-')} {o['outcome']} {o.get('reason', '')} "
                     f"{o.get('detail', '')}" for o in found)
    if dead_letter:
        told += " | letter " + letter_says(dead_letter)
    problems = []
    if bool(case.letter) != bool(dead_letter):
        problems.append("a letter" if dead_letter else "no letter")
    if dead_letter:
        if dead_letter["value"] != (case.value if not case.truncated else b""):
            problems.append("the letter's bytes are not the original's")
        if dead_letter["key"] != case.key:
            problems.append("the letter's key is not the original's")
        if not dead_letter["append_time"]:
            problems.append("the letter has no append time")
        if case.letter_text and case.letter_text not in letter_says(dead_letter):
            problems.append(f"the letter does not say {case.letter_text}")
    if case.outcome is None:
        problems += ["an outcome for an unreadable record"] * any(
            o["outcome"] != "dead" for o in found)
    else:
        hits = [o for o in found if o["outcome"] == case.outcome
                and (case.reason is None or o.get("reason") == case.reason)
                and (case.detail is None or o.get("detail") == case.detail)]
        if not hits:
            problems.append(f"no outcome {case.outcome} {case.reason or ''} {case.detail or ''}")
    if calls != case.calls:
        problems.append(f"{calls} calls, expected {case.calls}")
    tally.check(case.name, not problems, f"{', '.join(problems)} [{told}]")


def token_of(case):
    at = (case.value or b"").find(b"bench-0000bad0-")
    return case.value[at:at + 23].decode() if at >= 0 else None


def main():
    tally = Tally()
    with Real(partitions=2) as real:
        real.start_all()
        real.start_worker("worker-0")
        all_cases = cases()
        places = real.produce("carillon.events",
                              [(c.key, c.value, c.headers) for c in all_cases])
        try:
            real.drain(40)
            tally.check("every record is done", True)
        except SystemExit as error:
            tally.check("every record is done", False, error)
            print(real.tail("worker-0.log", 20))
        tally.check("the worker drains and ends with 0", real.end("worker-0") == 0,
                    real.tail("worker-0.log"))
        real.end("provider")
        outcomes, letters, calls = {}, {}, {}
        for record in real.dump("carillon.outcomes"):
            o = json.loads(record["value"])
            place = (o["origin"].get("partition", 0), int(o["origin"].get("offset", 0)))
            outcomes.setdefault(place, []).append(o)
        for record in real.dump("carillon.dead"):
            h = record["headers"]
            letters[(int(h["carillon-partition"]), int(h["carillon-offset"]))] = record
        for line in real.bench("show", real.path("provider.journal")).splitlines():
            token = json.loads(line)["token"][:23]
            calls[token] = calls.get(token, 0) + 1
        for case, place in zip(all_cases, places):
            judge(tally, case, place, outcomes, letters, calls.get(token_of(case), 0))
        tally.check("nothing else was called",
                    sum(calls.values()) == sum(c.calls for c in all_cases), calls)
        real.keep = tally.failed > 0
    tally.end()


if __name__ == "__main__":
    main()
