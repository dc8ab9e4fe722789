#!/usr/bin/env python3
"""Runs the scenarios through `carillon explain`: run.py [--carillon PROGRAM] [FILE ...]

A file says what holds in all of its scenarios (`given`: now, tenant, event), and each
scenario what differs, and what must come out. Mappings are laid over each other key by
key; null takes a key away. Beside `event` with `legs` a scenario may have `events`, each
with its own legs. Of a leg what is written must be so (null: must be absent); what is
not written is not looked at. The number and order of legs must be as written."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import simple_yaml

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIO_KEYS = {"name", "rule", "now", "tenant", "tenants", "recipients", "bookings", "event",
                 "events", "legs"}


def laid_over(base, over):
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    out = dict(base)
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = laid_over(out.get(key), value) if isinstance(value, dict) else value
    return out


def expand(given, scenario):
    """The documents of one scenario, and the legs expected of each event."""
    unknown = set(scenario) - SCENARIO_KEYS
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    tenants = scenario.get("tenants")
    if tenants is None:
        tenant = laid_over(given.get("tenant", {}), scenario.get("tenant", {}))
        tenants = [tenant] if tenant.get("tenant_id") else []
    base = laid_over(given.get("event", {}), scenario.get("event", {}))
    rows = scenario.get("events") or [{"legs": scenario["legs"]}]
    events, legs = [], []
    for number, row in enumerate(rows):
        row = dict(row)
        legs.append(row.pop("legs"))
        event = laid_over(base, row)
        event.setdefault("event_id", f"event-{number + 1}")
        events.append(event)
    return {"now": scenario.get("now", given.get("now")), "tenants": tenants,
            "recipients": scenario.get("recipients", []), "bookings": scenario.get("bookings", []),
            "events": events, "legs": legs}


def explain(carillon, case):
    with tempfile.TemporaryDirectory() as folder:
        command = [carillon, "explain", "--now", case["now"]]
        for kind in ("tenants", "recipients", "bookings"):
            path = os.path.join(folder, kind)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(case[kind], file)
            command += ["--" + kind, path]
        lines = "".join(json.dumps(event) + "\n" for event in case["events"])
        ran = subprocess.run(command + ["-"], input=lines.encode(), capture_output=True, timeout=20)
    if ran.returncode != 0 or ran.stderr:
        raise AssertionError(f"exit {ran.returncode}: {ran.stderr.decode().strip()}")
    return [json.loads(line) for line in ran.stdout.decode().splitlines()]


def differences(wanted, got):
    if len(wanted) != len(got):
        short = [{k: v for k, v in leg.items() if k != "gates"} for leg in got]
        return [f"{len(wanted)} legs expected, got {json.dumps(short)}"]
    out = []
    for index, (want, leg) in enumerate(zip(wanted, got)):
        for key, value in want.items():
            found = leg.get(key)
            if key == "refused_by":
                found = next((g["id"] for g in leg["gates"] if g["verdict"] == "refuse"), None)
            elif key == "gates":
                found = " ".join(g["id"] for g in leg["gates"])
            if found != value:
                out.append(f"leg {index + 1}: {key}: expected {value!r}, got {found!r}"
                           f" ({leg['decision']} {leg.get('reason', '')} {leg.get('detail', '')})")
    return out


def run_scenario(carillon, given, scenario):
    case = expand(given, scenario)
    got = explain(carillon, case)
    if len(got) != len(case["legs"]):
        return [f"{len(case['legs'])} lines expected, got {len(got)}"]
    out = []
    for number, (wanted, line) in enumerate(zip(case["legs"], got)):
        for word in differences(wanted, line["legs"]):
            out.append((f"event {number + 1}: " if len(got) > 1 else "") + word)
    return out


def all_files():
    for folder, _, names in sorted(os.walk(HERE)):
        for name in sorted(names):
            if name.endswith(".yaml"):
                yield os.path.join(folder, name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--carillon", default="build/carillon")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    passed = failed = 0
    for path in options.files or list(all_files()):
        with open(path, encoding="utf-8") as file:
            try:
                document = simple_yaml.load(file.read())
            except simple_yaml.YamlError as error:
                print(f"{path}: {error}")
                failed += 1
                continue
        for scenario in document["scenarios"]:
            try:
                words = run_scenario(options.carillon, document.get("given", {}), scenario)
            except (AssertionError, ValueError, KeyError) as error:
                words = [f"{type(error).__name__}: {error}"]
            if words:
                failed += 1
                print(f"{os.path.relpath(path)}: {scenario.get('name')}")
                for word in words:
                    print(f"    {word}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
