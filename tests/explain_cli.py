#!/usr/bin/env python3
"""How `carillon explain` reads and answers: explain_cli.py [PROGRAM]. Each function is
one behaviour, named as a sentence."""

import json
import os
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "build/carillon"
NOW = "2026-11-24T12:00:00Z"
FOLDER = tempfile.mkdtemp()


def receipt(number=1, **more):
    return {"event_id": f"e{number}", "tenant_id": "t", "kind": "receipt",
            "recipient": {"sms": "+33612345678"}, **more}


def file_of(name, text):
    path = os.path.join(FOLDER, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def explain(*arguments, stdin="", now=NOW):
    ran = subprocess.run([PROGRAM, "explain", "--now", now, *arguments], input=stdin.encode(),
                         capture_output=True, timeout=60)
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


def rows(out):
    return [json.loads(line) for line in out.splitlines()]


def ids(out):
    return [row["event_id"] for row in rows(out)]


def a_single_document_may_span_lines():
    path = file_of("one.json", json.dumps(receipt(), indent=2))
    code, out, err = explain(path)
    assert code == 0 and ids(out) == ["e1"] and err == "", (code, out, err)


def an_array_is_a_sequence():
    path = file_of("array.json", json.dumps([receipt(1), receipt(2)], indent=1))
    code, out, _ = explain(path)
    assert code == 0 and ids(out) == ["e1", "e2"]


def lines_are_a_sequence_and_blank_ones_nothing():
    lines = json.dumps(receipt(1)) + "\n\n  \r\n" + json.dumps(receipt(2))
    code, out, err = explain(file_of("lines.json", lines))
    assert code == 0 and ids(out) == ["e1", "e2"] and err == ""


def no_file_or_a_dash_is_standard_input():
    for arguments in ([], ["-"]):
        code, out, _ = explain(*arguments, stdin=json.dumps(receipt(7)))
        assert code == 0 and ids(out) == ["e7"]


def nothing_in_gives_nothing_out():
    for text in ("", "\n \n", "[]", "[ ]\n"):
        assert explain(stdin=text) == (0, "", ""), text


def all_files_of_a_run_are_one_sequence():
    first, second = file_of("a.json", json.dumps(receipt())), file_of("b.json", json.dumps(receipt()))
    code, out, _ = explain(first, second)
    assert [row["legs"][0]["decision"] for row in rows(out)] == ["send", "duplicate"]


def a_line_that_is_no_json_is_told_by_line_and_position():
    text = json.dumps(receipt(1)) + "\n{\"a\":\n" + json.dumps(receipt(2)) + "\n"
    code, out, err = explain(stdin=text)
    assert code == 65 and ids(out) == ["e1", "e2"], (code, out)
    assert "standard input:2:6: error" in err, err


def broken_utf8_is_no_json():
    ran = subprocess.run([PROGRAM, "explain", "--now", NOW], input=b'{"event_id":"\xff"}\n',
                         capture_output=True, timeout=20)
    assert ran.returncode == 65 and ran.stdout == b""


def what_stands_before_a_fault_in_an_array_is_judged():
    code, out, err = explain(stdin="[" + json.dumps(receipt(1)) + ",\n{]")
    assert code == 65 and ids(out) == ["e1"] and ":2:" in err


def json_that_does_not_decode_is_judged_dead():
    cases = {
        '{"event_id":"x","tenant_id":"t","kind":"nokind"}': "kind",
        '{"event_id":"x","tenant_id":"t","kind":"receipt","due_at":"soon"}': "due_at",
        '{"event_id":7,"tenant_id":"t","kind":"receipt"}': "event_id",
        '{"event_id":"x","kind":"receipt"}': "tenant_id",
        '{"tenant_id":"t","kind":"receipt"}': "event_id",
        '{"event_id":"x","tenant_id":"t"}': "kind",
        '{"event_id":"x","tenant_id":"t","kind":"receipt","recipient":{"line_type":"fax"}}':
            "recipient.line_type",
    }
    for text, path in cases.items():
        code, out, _ = explain(stdin=text)
        leg = rows(out)[0]["legs"][0]
        assert code == 0, text
        assert (leg["decision"], leg["reason"], leg["detail"]) == ("dead", "malformed", path), leg
        assert "channel" not in leg


def json_that_is_no_object_is_judged_dead():
    for text in ("42", '"x"', "null", "[[1]]"):
        code, out, _ = explain(stdin=text)
        assert code == 0 and rows(out)[0]["legs"][0]["reason"] == "malformed", (text, out)


def a_dead_event_keeps_the_id_and_kind_that_could_be_read():
    row = rows(explain(stdin='{"event_id":"x","tenant_id":"t","kind":"receipt","due_at":"x"}')[1])[0]
    assert row["event_id"] == "x" and row["kind"] == "receipt" and row["class"] == "system", row


def unknown_fields_are_warned_of_once():
    code, out, err = explain(stdin=json.dumps(receipt(1, colour="red", booking={"room": 1})))
    assert code == 0 and err.count("colour") == 1 and err.count("booking.room") == 1, err


def names_may_be_camel_case_and_enums_upper_case():
    text = ('{"eventId":"x","tenantId":"t","kind":"KIND_RECEIPT","dueAt":"2026-11-24T13:00:00+01:00",'
            '"recipient":{"email":"a@b.fr"},"booking":{"revision":3}}')
    code, out, err = explain(stdin=text)
    assert code == 0 and err == "" and rows(out)[0]["legs"][1]["decision"] == "send", out


def of_two_documents_with_one_key_the_later_stands_whole():
    recipients = file_of("recipients", "\n".join(json.dumps(d) for d in [
        {"tenant_id": "t", "address": "+33612345678", "opted_out": True, "line_type": "landline"},
        {"tenant_id": "t", "address": "+33612345678", "line_type": "mobile"}]))
    tenants = file_of("tenants", json.dumps([{"tenant_id": "t", "zone": "Asia/Tokyo"},
                                             {"tenant_id": "t", "locale": "fr"}]))
    leg = rows(explain("--recipients", recipients, "--tenants", tenants,
                       stdin=json.dumps(receipt()))[1])[0]["legs"][0]
    assert leg["decision"] == "send" and leg["zone"] == "FR", leg


def a_wrong_state_file_is_said_and_nothing_is_judged():
    for text in ('{"tenant_id":"t","verified":"yes"}', "{", '{"zone":"UTC"}'):
        code, out, err = explain("--tenants", file_of("bad", text), stdin=json.dumps(receipt()))
        assert code == 65 and out == "" and "bad:1" in err, (code, out, err)


def a_file_that_is_not_there_is_said():
    code, out, err = explain(os.path.join(FOLDER, "nowhere"))
    assert code != 0 and out == "" and "nowhere" in err


def a_wrong_command_line_exits_64():
    for arguments in (["--nonsense"], ["--now"], ["--now", "soon"], ["--tenants"]):
        code, out, err = explain(*arguments, stdin=json.dumps(receipt()))
        assert code == 64 and out == "" and err, (arguments, code)


def a_bad_config_exits_78():
    code, out, err = explain("--config", file_of("c.yaml", "nonsense: 1\n"), stdin=json.dumps(receipt()))
    assert code == 78 and out == "" and "nonsense" in err, (code, err)


def a_config_gives_zone_and_templates():
    config = file_of("good.yaml", "rules: {platform_zone: Asia/Tokyo}\ntemplates:\n"
                     "  - {name: hello, channel: email, locale: en, text: 'Hi {{who}}'}\n")
    event = receipt(template="hello", recipient={"email": "a@b.fr"})
    for variables, decision in (({"who": "Ann"}, "send"), ({}, "dead")):
        code, out, _ = explain("--config", config, stdin=json.dumps({**event, "variables": variables}))
        assert code == 0 and rows(out)[0]["legs"][1]["decision"] == decision, out
    code, out, _ = explain("--config", config, stdin=json.dumps(receipt(recipient={"email": "a@b.fr"})))
    leg = rows(out)[0]["legs"][1]
    assert (leg["zone"], leg["zone_source"]) == ("Asia/Tokyo", "platform"), leg


def options_may_be_joined_with_their_values():
    ran = subprocess.run([PROGRAM, "explain", f"--now={NOW}", "--text"],
                         input=json.dumps(receipt()).encode(), capture_output=True, timeout=20)
    assert ran.returncode == 0 and b"goes now" in ran.stdout


def sentences_tell_the_reason():
    recipients = file_of("r2", json.dumps([{"tenant_id": "t", "address": "+33612345678", "opted_out": True}]))
    code, out, _ = explain("--text", "--recipients", recipients, stdin=json.dumps(receipt()))
    assert code == 0 and "unsubscribed" in out and "e1 (receipt" in out and "{" not in out, out


def fields_stand_in_the_order_of_the_contract():
    row = rows(explain(stdin=json.dumps(receipt(due_at="2026-11-24T13:00:00Z")))[1])[0]
    assert list(row) == ["event_id", "kind", "class", "legs"]
    assert list(row["legs"][0]) == [
        "channel", "address_hash", "decision", "reason", "zone", "zone_source", "not_before",
        "local_time", "segments", "encoding", "template", "gates"], list(row["legs"][0])
    assert list(row["legs"][0]["gates"][0]) == ["id", "verdict"]


def gates_after_the_refusal_are_skipped():
    gates = rows(explain(stdin=json.dumps(receipt(attachments=[{"url": "https://x/"}] * 5)))[1])[0]
    verdicts = {g["id"]: g["verdict"] for g in gates["legs"][0]["gates"]}
    assert verdicts["G11"] == "pass" and verdicts["G12"] == "refuse" and verdicts["C1"] == "skip"
    assert "G4" not in verdicts and "G3" not in verdicts


def the_address_itself_is_nowhere_in_the_answer():
    event = receipt(recipient={"sms": "+33612345678", "email": "secret@example.com"})
    for arguments in ([], ["--text"]):
        out = explain(*arguments, stdin=json.dumps(event))[1]
        assert "33612345678" not in out and "secret" not in out


def the_hash_of_an_address_does_not_depend_on_its_case():
    events = [receipt(n, recipient={"email": mail}) for n, mail in ((1, "A@B.fr"), (2, "a@b.FR"))]
    out = rows(explain(stdin="\n".join(map(json.dumps, events)))[1])
    assert out[0]["legs"][1]["address_hash"] == out[1]["legs"][1]["address_hash"]


def a_hundred_thousand_events_take_less_than_ten_seconds():
    line = json.dumps(receipt(1, dedup_key="%d", due_at="2026-11-24T22:00:00Z", kind="reminder",
                              booking={"booking_id": "%d", "starts_at": "2026-11-25T09:00:00Z"}))
    text = "".join(line.replace("%d", str(n)) + "\n" for n in range(100000))
    started = time.monotonic()
    code, out, _ = explain(stdin=text)
    took = time.monotonic() - started
    assert code == 0 and out.count("\n") == 100000 and took < 10, took


def main():
    passed = failed = 0
    tests = [f for name, f in globals().items()
             if callable(f) and name.count("_") >= 2 and f.__module__ == __name__]
    for test in tests:
        try:
            test()
            passed += 1
        except (AssertionError, KeyError, IndexError, ValueError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"{test.__name__}: {type(error).__name__}: {error}")
    subprocess.run(["rm", "-rf", FOLDER], check=False)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
