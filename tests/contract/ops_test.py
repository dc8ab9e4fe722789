#!/usr/bin/env python3
"""The commands that look into topics and write what stands of bookings and recipients, on a
real Kafka and Redis (KAFKA_BOOTSTRAP, REDIS_PORT). Prints `ok` or `not ok` and the sentence."""

import atexit
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

CARILLON = os.environ.get("CARILLON", "build/carillon")
BROKERS = os.environ["KAFKA_BOOTSTRAP"]
REDIS = os.environ["REDIS_PORT"]
PREFIX = f"ops{os.getpid()}."
FOLDER = tempfile.mkdtemp()
atexit.register(shutil.rmtree, FOLDER, True)
PARTITIONS = 3


def config_of(name, brokers=BROKERS, prefix=PREFIX, redis=REDIS):
    path = os.path.join(FOLDER, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'kafka: {{bootstrap_servers: "{brokers}", topic_prefix: "{prefix}", '
                   f'partitions: {PARTITIONS}}}\n'
                   f'deferral: {{slots: 8, spread: 1, far_spread: 1}}\n'
                   f'redis: {{address: "127.0.0.1:{redis}", connect_timeout_ms: 500}}\n')
    return path


CONFIG = config_of("good.yaml")


class Ran:
    def __init__(self, process, stdin=b""):
        out, err = process.communicate(stdin, timeout=120)
        self.code, self.out, self.err = process.returncode, out.decode(), err.decode()

    def __repr__(self):
        return f"exit {self.code}\n--- out\n{self.out}--- err\n{self.err}"


def begin(*arguments, config=CONFIG):
    return subprocess.Popen([CARILLON, *arguments, "--config", config], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*arguments, config=CONFIG, stdin=""):
    return Ran(begin(*arguments, config=config), stdin.encode())


def redis(*arguments, stdin=None):
    return subprocess.run(["redis-cli", "-p", REDIS, "--raw", *arguments], input=stdin,
                          capture_output=True, check=True).stdout


def kcat(*arguments, stdin=None):
    return subprocess.run(["kcat", "-b", BROKERS, *arguments], input=stdin, capture_output=True,
                          check=True).stdout


def produce(topic, rows, *flags):
    """Records of (key, value); values without line ends."""
    lines = b"".join(key.encode() + b"\t" + value.encode() + b"\n" for key, value in rows)
    kcat("-P", "-t", PREFIX + topic, "-K", "\t", "-X", "partitioner=murmur2_random", *flags,
         stdin=lines)


def outcome(event_id, leg=None, offset=1, settled_at="2026-11-20T10:00:00.000Z", **more):
    row = {"event_id": event_id, "leg_id": leg or f"leg of {event_id}", "tenant_id": "salon",
           "kind": "reminder", "class": "reminder", "channel": "sms", "outcome": "sent", "attempts": 1,
           "settled_at": settled_at,
           "origin": {"topic": "carillon.events", "partition": 0, "offset": str(offset)}, **more}
    return event_id, json.dumps({key: value for key, value in row.items() if value is not None})


def state_key(kind, tenant, subject):
    return f"{kind}:{{{hashlib.sha256(f'{tenant}{chr(0)}{subject}'.encode()).hexdigest()[:32]}}}"


def pieces(kind, tenant, subject):
    """What Redis holds: aspect -> protobuf."""
    rest, found = redis("get", state_key(kind, tenant, subject))[:-1], {}
    while rest:
        aspect, _, rest = rest.partition(b"|")
        _, _, rest = rest.partition(b"|")
        size, _, rest = rest.partition(b"|")
        found[aspect.decode()], rest = rest[:int(size)], rest[int(size):]
    return found


def varints(wire):
    """The varint fields and packed lists of a flat message: number -> value."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            n |= (wire[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if wire[at - 1] < 128:
                return n

    while at < len(wire):
        tag = varint()
        if tag & 7 == 0:
            fields[tag >> 3] = varint()
        else:
            size = varint()
            fields[tag >> 3] = wire[at:at + size]
            at += size
    return fields


def booking(name, tenant="t"):
    """(revision, cancelled, confirmed) as Redis has them, None where nothing stands."""
    found = pieces("b1", tenant, name)
    fields = varints(b"".join(found.values()))
    return fields and (fields.get(3, 0), fields.get(4, 0), fields.get(5, 0))


def classes(address, tenant="t"):
    return set(varints(pieces("r1", tenant, address)["unsubscribe"])[5])


MARKETING, REMINDER, ALERT = 5, 3, 6


# why

def each_leg_of_an_event_is_found_in_either_form():
    produce("carillon.outcomes", [
        outcome("two-legs", "a", provider="twilio", route="fr", provider_message_id="SM9"),
        outcome("two-legs", "b", channel="email", outcome="suppressed", reason="unsubscribed",
                attempts=None)])
    kcat("-P", "-t", PREFIX + "carillon.outcomes", "-k", "evt-bad", "-X",
         "partitioner=murmur2_random", "proto/golden/outcome-dead.pb")
    ran = run("why", "two-legs")
    assert ran.code == 0, ran
    assert ran.out.startswith("two-legs (reminder, reminder) of tenant salon"), ran
    assert "  sms was sent over route fr (twilio); the provider calls it SM9" in ran.out, ran
    assert "  email did not go (suppressed): the recipient unsubscribed" in ran.out, ran
    assert "outcomes in partition" in ran.err and ran.err.startswith("read "), ran
    ran = run("why", "evt-bad")
    assert ran.code == 0 and "did not go (dead)" in ran.out, ran


def the_first_outcome_of_a_leg_counts_and_replays_are_told_with_it():
    produce("carillon.outcomes", [
        outcome("again", outcome="failed", reason="bad_recipient"),
        outcome("again", outcome="sent", replay=True, channel=None),
        outcome("again", offset=2, outcome="duplicate", reason="duplicate", detail="failed")])
    ran = run("why", "again", "--json")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["outcome"] for row in rows] == ["failed", "duplicate"], ran
    ran = run("why", "again")
    assert "Told again 1 time" in ran.out and ran.out.count("again (reminder") == 2, ran


def a_replay_that_stands_alone_is_told_as_one():
    produce("carillon.outcomes", [outcome("alone", replay=True, channel=None)])
    ran = run("why", "alone")
    assert ran.code == 0 and "a leg was sent. This is a replay" in ran.out, ran


def another_partition_is_read_only_where_that_is_asked():
    for partition in range(PARTITIONS):
        produce("carillon.outcomes", [outcome(f"astray-{partition}")], "-p", str(partition))
    found = [run("why", f"astray-{i}").code for i in range(PARTITIONS)]
    assert sorted(set(found)) == [0, 1] or set(found) == {1}, found
    for i in range(PARTITIONS):
        ran = run("why", f"astray-{i}", "--all-partitions")
        assert ran.code == 0 and "in all partitions" in ran.err, ran


def what_is_not_there_is_exit_1_and_says_what_was_read():
    ran = run("why", "nobody")
    assert ran.code == 1 and ran.out == "" and "nothing was found of nobody" in ran.err, ran
    ran = run("why", "two-legs", "--since", "now")
    assert ran.code == 1 and "read 0 outcomes" in ran.err, ran
    ran = run("why", "two-legs", "--tenant", "other")
    assert ran.code == 1, ran


def a_long_partition_is_read_to_its_oldest_record():
    rows = [outcome("long", "first")]
    rows += [outcome(f"filler-{i}", tenant_id="filler") for i in range(90000)]
    rows += [outcome("long", "last", channel="email")]
    produce("carillon.outcomes", rows)
    ran = run("why", "long", "--json")
    legs = [json.loads(line)["leg_id"] for line in ran.out.splitlines()]
    assert legs == ["first", "last"], ran
    read = int(ran.err.split()[1])
    assert read > 25000, ran  # three stretches at least


def no_record_is_lost_between_two_stretches():
    rows = [outcome("border", f"leg {i}") for i in range(10)]  # the first stretch has 4096
    rows += [outcome(f"more-{i}", tenant_id="border") for i in range(4090)]
    produce("carillon.outcomes", rows, "-p", "1")
    ran = run("why", "border", "--json", "--all-partitions")
    assert [json.loads(line)["leg_id"] for line in ran.out.splitlines()] == [
        f"leg {i}" for i in range(10)], ran


def outcomes_of_a_time_are_counted():
    produce("carillon.outcomes", [
        outcome("s1", tenant_id="counted"), outcome("s2", tenant_id="counted", dup_risk=True),
        outcome("s2", tenant_id="counted", replay=True),
        outcome("s3", tenant_id="counted", outcome="suppressed", reason="landline"),
        outcome("s4", tenant_id="counted", settled_at="2026-11-20T09:59:59.999Z"),
        outcome("s5", tenant_id="counted", settled_at="2026-11-21T00:00:00.000Z")])
    ran = run("why", "--stats", "--from", "2026-11-20T10:00:00Z", "--to", "2026-11-21", "--tenant",
              "counted", "--json")
    got = json.loads(ran.out)
    assert ran.code == 0 and (got["total"], got["dup_risk"], got["replays"]) == (3, 1, 0), ran
    assert got["outcomes"] == [
        {"outcome": "sent", "reason": "", "count": 2, "dup_risk": 1},
        {"outcome": "suppressed", "reason": "landline", "count": 1, "dup_risk": 0}], ran
    ran = run("why", "--stats", "--from", "2026-11-19", "--tenant", "filler")
    assert "90000 in all" in ran.out, ran


# export

COLUMNS = ["date", "time", "conversation_id", "event_id", "transaction_id", "booking_id",
           "customer_id", "customer_reference", "channel", "location", "author", "sentiment",
           "facet", "kind", "status", "reason", "tenant"]


def a_tenants_outcomes_are_exported_in_the_order_they_were_settled():
    full = dict(tenant_id="shop", conversation_id="v,1", transaction_id='x"1', booking_id="b\n1",
                customer_id="=1+1", customer_reference="r 1", location_id="l1",
                labels={"sentiment": "negative", "facet": "staff"})
    produce("carillon.outcomes", [
        outcome("late", tenant_id="shop", settled_at="2026-11-20T12:00:00.000Z"),
        outcome("full", settled_at="2026-11-20T11:00:00.789Z", kind="feedback_alert",
                outcome="suppressed", reason="alert_filtered", **full),
        outcome("from", tenant_id="shop", settled_at="2026-11-20T00:00:00.000Z"),
        outcome("to", tenant_id="shop", settled_at="2026-11-21T00:00:00.000Z"),
        outcome("told", tenant_id="shop", settled_at="2026-11-20T10:00:00.000Z"),
        outcome("told", tenant_id="shop", settled_at="2026-11-20T10:00:00.001Z", replay=True),
        outcome("edge", tenant_id="shop", settled_at="2026-11-19T23:59:59.999Z"),
        outcome("edge", tenant_id="shop", settled_at="2026-11-20T00:00:00.001Z", replay=True),
        outcome("lone", tenant_id="shop", settled_at="2026-11-20T13:00:00.000Z", replay=True,
                channel=None)])
    ran = run("export", "--csv", "--tenant", "shop", "--from", "2026-11-20", "--to", "2026-11-21")
    assert ran.code == 0, ran
    rows = list(csv.reader(io.StringIO(ran.out, newline="")))
    assert rows[0] == COLUMNS, ran
    assert [row[3] for row in rows[1:]] == ["from", "told", "full", "late", "lone"], ran
    assert rows[3] == ["2026-11-20", "11:00:00", "v,1", "full", 'x"1', "b\n1", "=1+1", "r 1", "sms",
                       "l1", "customer", "negative", "staff", "feedback_alert", "suppressed",
                       "alert_filtered", "shop"], rows[3]
    assert rows[5][8] == "" and rows[5][10] == "business", rows[5]
    assert all(line.endswith("\r") for line in ran.out.replace("b\n1", "").split("\n")[:-1]), ran


# bookings

def a_booking_is_cancelled_confirmed_and_revised():
    assert run("bookings", "revise", "--tenant", "t", "--booking", "b1", "--revision", "3").code == 0
    assert booking("b1") == (3, 0, 0)
    assert run("bookings", "confirm", "--tenant", "t", "--booking", "b1").code == 0
    assert booking("b1") == (3, 0, 1)
    assert run("bookings", "cancel", "--tenant", "t", "--booking", "b1").code == 0
    assert booking("b1") == (3, 1, 1)
    for revision in ("2", "3"):
        ran = run("bookings", "revise", "--tenant", "t", "--booking", "b1", "--revision", revision)
        assert ran.code == 65 and "known: 3" in ran.err, ran
    assert booking("b1") == (3, 1, 1)
    for _ in range(2):  # the same again, after a failure
        assert run("bookings", "revise", "--tenant", "t", "--booking", "b1", "--revision",
                   "4").code == 0
    assert booking("b1") == (4, 0, 0)
    ran = run("bookings", "confirm", "--tenant", "t", "--booking", "b1", "--revision", "3")
    assert ran.code == 65, ran
    last = kcat("-C", "-e", "-q", "-t", PREFIX + "carillon.bookings.state", "-f", "%k\n")
    assert last.count(b"t/b1\n") == 5, last


def what_redis_lost_of_a_booking_is_read_from_the_topic():
    assert run("bookings", "revise", "--tenant", "t", "--booking", "b2", "--revision", "7").code == 0
    redis("del", state_key("b1", "t", "b2"))
    assert run("bookings", "cancel", "--tenant", "t", "--booking", "b2").code == 0
    assert booking("b2") == (7, 1, 0)
    produce("carillon.bookings.state", [("t/b2", '{"tenant_id":"t","booking_id":"b2",'
                                                 '"revision":"9"}')])
    assert run("bookings", "confirm", "--tenant", "t", "--booking", "b2").code == 0
    assert booking("b2") == (9, 1, 1)  # what it did not say stays
    produce("carillon.bookings.state", [("t/b2", '{"cancelled":false,"revision":"10"}')])
    assert run("bookings", "confirm", "--tenant", "t", "--booking", "b2").code == 0
    assert booking("b2") == (10, 0, 1)


def what_the_followers_mark_covers_is_taken_from_redis():
    assert run("bookings", "revise", "--tenant", "t", "--booking", "b3", "--revision", "2").code == 0
    run_id = [line for line in redis("info", "server").decode().split("\r\n")
              if line.startswith("run_id:")][0][7:]
    for partition in range(PARTITIONS):
        mark = f"m1:{{{PREFIX}carillon.bookings.state/{partition}}}"
        redis("set", mark, f"~{run_id}|1000000")
    redis("del", state_key("b1", "t", "b3"))  # the topic is not asked, so nothing is known
    assert run("bookings", "cancel", "--tenant", "t", "--booking", "b3").code == 0
    assert booking("b3") == (0, 1, 0)
    for partition in range(PARTITIONS):  # of another life of Redis
        mark = f"m1:{{{PREFIX}carillon.bookings.state/{partition}}}"
        redis("set", mark, f"{'0' * 40}|1000000")
    redis("del", state_key("b1", "t", "b3"))
    assert run("bookings", "confirm", "--tenant", "t", "--booking", "b3").code == 0
    assert booking("b3") == (0, 1, 1)


def bookings_that_make_no_sense_are_usage():
    for arguments in (["cancel"], ["cancel", "--tenant", "t"],
                      ["erase", "--tenant", "t", "--booking", "b"],
                      ["revise", "--tenant", "t", "--booking", "b"],
                      ["revise", "--tenant", "t", "--booking", "b", "--revision", "new"],
                      ["cancel", "--tenant", "a/b", "--booking", "b"]):
        ran = run("bookings", *arguments)
        assert ran.code == 64, (arguments, ran)


# suppress list and import

def a_file_is_imported_but_for_its_bad_lines():
    ran = run("suppress", "import", "-", stdin=(
        "tenant_id,address,customer_id,opted_out,unsubscribed_classes,blocked,source\r\n"
        't,+33612345678,,true,,,"the ""old"" system"\r\n'
        "t,Jo@Example.fr,,,marketing;alert,,\r\n"
        "t,nobody,,,marketing,,\r\n"
        "t,+33612345678,,maybe,,,\r\n"
        "t,+33612345679,,,marketing,,\r\n"
        "t,,c9,,,yes,\r\n"))
    assert ran.code == 65 and "3 documents in force, 3 wrong" in ran.err, ran
    for line in (4, 5, 6):
        assert f"-:{line}: error: " in ran.err, ran
    assert b'the "old" system' in pieces("r1", "t", "+33612345678")["opt_out"]
    assert classes("jo@example.fr") == {MARKETING, ALERT}
    assert varints(pieces("r1", "t", "c9")["block"])[6] == 1


def what_is_listed_can_be_imported_and_explained():
    ran = run("suppress", "list", "--tenant", "t")
    rows = {row.get("address") or row["customer_id"]: row
            for row in map(json.loads, ran.out.splitlines())}
    assert ran.code == 0 and rows["+33612345678"]["opted_out"] is True, ran
    assert sorted(rows["jo@example.fr"]["unsubscribed_classes"]) == ["alert", "marketing"], ran
    assert rows["c9"]["blocked"] is True, ran
    again = run("suppress", "import", "-", stdin=ran.out)
    assert again.code == 0 and run("suppress", "list", "--tenant", "t").out == ran.out, again
    path = os.path.join(FOLDER, "recipients")
    with open(path, "w", encoding="utf-8") as file:
        file.write(ran.out)
    event = {"event_id": "e", "tenant_id": "t", "kind": "receipt",
             "recipient": {"sms": "+33612345678"}}
    said = subprocess.run([CARILLON, "explain", "--recipients", path], input=json.dumps(event),
                          capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["legs"][0]["reason"] == "unsubscribed", said


def a_list_is_of_one_recipient_where_that_is_asked():
    ran = run("suppress", "list", "--tenant", "t", "--address", "JO@example.fr")
    assert [json.loads(line)["address"] for line in ran.out.splitlines()] == ["jo@example.fr"], ran
    ran = run("suppress", "list", "--tenant", "t", "--customer", "c9")
    assert json.loads(ran.out)["customer_id"] == "c9", ran
    assert run("suppress", "remove", "--tenant", "t", "--customer", "c9").code == 0
    ran = run("suppress", "list", "--tenant", "t", "--customer", "c9")
    assert ran.code == 0 and ran.out == "", ran
    assert run("suppress", "list", "--tenant", "nobody").out == ""


def classes_join_those_that_are_known_wherever_these_stand():
    def lines(*rows):
        return "".join(json.dumps({"tenant_id": "t", "address": "join@example.fr",
                                   "unsubscribed_classes": row}) + "\n" for row in rows)
    assert run("suppress", "import", "-", stdin=lines(["marketing"], ["alert"])).code == 0
    assert classes("join@example.fr") == {MARKETING, ALERT}
    redis("del", state_key("r1", "t", "join@example.fr"))  # only the topic knows them
    assert run("suppress", "import", "-", stdin=lines(["reminder"])).code == 0
    assert classes("join@example.fr") == {MARKETING, ALERT, REMINDER}


def an_import_that_stops_says_where_to_go_on():
    rows = [json.dumps({"tenant_id": "stop", "customer_id": f"c{i}", "blocked": True})
            for i in range(3000)]
    path = os.path.join(FOLDER, "stop.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(rows))
    redis("config", "set", "maxmemory", "1")
    try:
        ran = run("suppress", "import", path)
    finally:
        redis("config", "set", "maxmemory", "0")
    assert ran.code == 69 and "stopped at line 1: go on with --from-line 1" in ran.err, ran
    ran = run("suppress", "import", path, "--from-line", "2001")
    assert ran.code == 0 and "1000 documents in force" in ran.err, ran
    assert not pieces("r1", "stop", "c1999") and pieces("r1", "stop", "c2000")


def five_thousand_a_second_are_imported():
    count = 50000
    path = os.path.join(FOLDER, "many.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("tenant_id,address,opted_out,unsubscribed_classes\n")
        for i in range(count):
            file.write(f"many,+336{i:08d},true,\n" if i % 2 else
                       f"many,a{i}@example.com,,marketing\n")
    started = time.monotonic()
    ran = run("suppress", "import", path)
    seconds = time.monotonic() - started
    assert ran.code == 0 and f"{count} documents in force" in ran.err, ran
    print(f"# {count / seconds:.0f} documents a second")
    assert count / seconds > 5000, seconds
    assert len(run("suppress", "list", "--tenant", "many").out.splitlines()) == count


# away

def kafka_and_redis_that_are_away_are_exit_69():
    for name, process in AWAY.items():
        ran = Ran(process)
        assert ran.code == 69 and "kafka 127.0.0.1:1: " in ran.err, (name, ran)
    nowhere = config_of("redis.yaml", redis=1)
    for arguments in (["bookings", "cancel", "--tenant", "t", "--booking", "b"],
                      ["suppress", "import", "-"]):
        ran = run(*arguments, config=nowhere)
        assert ran.code == 69 and "redis 127.0.0.1:1" in ran.err, ran


def a_topic_that_is_missing_is_for_setup_to_create():
    missing = config_of("missing.yaml", prefix="never.")
    for arguments in (["why", "e"], ["why", "--stats"], ["suppress", "list", "--tenant", "t"]):
        ran = run(*arguments, config=missing)
        assert ran.code == 78 and "`carillon setup`" in ran.err, ran


def main():
    failed = False
    here = sys.modules[__name__]
    tests = [test for name, test in vars(here).items()
             if callable(test) and test.__module__ == __name__ and "_" in name and
             test.__code__.co_argcount == 0 and test.__code__.co_firstlineno > FIRST_LINE]
    redis("flushall")
    assert run("setup").code == 0
    for test in tests:
        try:
            test()
            print("ok " + test.__name__.replace("_", " "), flush=True)
        except Exception:  # pylint: disable=broad-except
            failed = True
            print("not ok " + test.__name__.replace("_", " "), flush=True)
            traceback.print_exc(file=sys.stdout)
    return failed


FIRST_LINE = classes.__code__.co_firstlineno
# They wait for a broker in vain: meanwhile the others are tested.
AWAY_CONFIG = config_of("kafka.yaml", brokers="127.0.0.1:1") # written once: they read it meanwhile
AWAY = {name: begin(*arguments, config=AWAY_CONFIG)
        for name, arguments in (("why", ["why", "e"]),
                                ("list", ["suppress", "list", "--tenant", "t"]),
                                ("bookings", ["bookings", "cancel", "--tenant", "t", "--booking",
                                              "b"]))}
sys.exit(main())
