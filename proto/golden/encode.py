#!/usr/bin/env python3
"""Golden records: NAME.json is written by hand in canonical form, NAME.pb is what protoc
makes of it. Nothing of carillon's own code is used, so tests can be held against them.

  encode.py          writes each .pb anew
  encode.py --check  says `N passed, N failed`: each .pb is what protoc makes of its .json,
                     and each .json is canonical
"""
import glob, json, os, re, subprocess, sys
from datetime import datetime, timezone

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(here)
MESSAGES = {"event": "Event", "outcome": "Outcome", "tenant": "Tenant",
            "recipient": "RecipientState", "booking": "BookingState"}
TOKEN = re.compile(r"(message|enum)\s+(\w+)\s*\{|\}|(optional|repeated)\s+([\w.]+)\s+(\w+)\s*=\s*(\d+)|"
                   r"map<string, string>\s+(\w+)\s*=\s*(\d+)|(\w+)\s*=\s*\d+;")


def schema():
    """{type: {field: (type, repeated, number)}} and {enum: [names]}, read from the .proto files."""
    messages, enums = {}, {}
    for path in glob.glob(os.path.join(root, "carillon/v1/*.proto")):
        text = re.sub(r"//.*", "", open(path).read())
        stack = []
        for m in TOKEN.finditer(text):
            if m.group(1):
                stack.append((m.group(1), m.group(2)))
                (messages if m.group(1) == "message" else enums)[m.group(2)] = {} if m.group(1) == "message" else []
            elif m.group(0) == "}":
                stack.pop()
            elif m.group(3):
                messages[stack[-1][1]][m.group(5)] = (m.group(4), m.group(3) == "repeated", int(m.group(6)))
            elif m.group(7):
                messages[stack[-1][1]][m.group(7)] = ("map", False, int(m.group(8)))
            elif m.group(9) and stack and stack[-1][0] == "enum":
                enums[stack[-1][1]].append(m.group(9))
    return messages, enums


MESSAGE_TYPES, ENUMS = schema()


def quoted(text):
    return '"' + "".join("\\%03o" % b for b in text.encode()) + '"'


def enum_name(enum, value):
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum).upper() + "_"
    name = prefix + value.upper()
    assert name in ENUMS[enum], (enum, value)
    return name


def value_text(kind, value):
    """One value in protobuf's text format."""
    if kind == "string":
        return ": " + quoted(value)
    if kind == "google.protobuf.Timestamp":
        at = datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        seconds = int(at.replace(microsecond=0).timestamp())
        return " { seconds: %d nanos: %d }" % (seconds, at.microsecond * 1000) if at.microsecond else " { seconds: %d }" % seconds
    if kind == "bool":
        assert isinstance(value, bool)
        return ": " + str(value).lower()
    if kind in ENUMS:
        return ": " + enum_name(kind, value)
    if kind in ("int64", "uint64"):
        assert isinstance(value, str)
        return ": " + value
    if kind in ("int32", "uint32"):
        assert isinstance(value, int)
        return ": %d" % value
    return " { " + message_text(kind, value) + " }"


def message_text(kind, document):
    fields, lines, last = MESSAGE_TYPES[kind], [], 0
    for name, value in document.items():
        type_, repeated, number = fields[name]
        assert number > last, "fields in the order of their numbers"
        last = number
        if type_ == "map":
            lines += ["%s { key: %s value: %s }" % (name, quoted(k), quoted(v)) for k, v in value.items()]
        else:
            lines += [name + value_text(type_, v) for v in (value if repeated else [value])]
    return "\n".join(lines)


def encode(path):
    raw = open(path, encoding="utf-8").read()
    document = json.loads(raw)
    assert raw == json.dumps(document, ensure_ascii=False, separators=(",", ":")), "canonical JSON, no line end"
    kind = MESSAGES[os.path.basename(path).split("-")[0].split(".")[0]]
    protos = sorted(glob.glob(os.path.join(root, "carillon/v1/*.proto")))
    return subprocess.run(["protoc", "-I" + root, "-I/usr/include", "--encode=carillon.v1." + kind] + protos,
                          input=message_text(kind, document).encode(), stdout=subprocess.PIPE, check=True).stdout


def main():
    good = bad = 0
    for path in sorted(glob.glob(os.path.join(here, "*.json"))):
        pb = path[:-5] + ".pb"
        try:
            wire = encode(path)
            if "--check" not in sys.argv:
                open(pb, "wb").write(wire)
            assert open(pb, "rb").read() == wire, "not what protoc makes of the JSON"
            good += 1
        except Exception as problem:
            print("%s: %r" % (os.path.basename(path), problem))
            bad += 1
    print("%d passed, %d failed" % (good, bad))
    sys.exit(bad > 0)


main()
