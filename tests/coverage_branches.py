#!/usr/bin/env python3
"""Branches of a layer that the unit tests took: coverage_branches.py OBJECTS LAYER [--least PERCENT] [--show]

Counted is each branch that the compiler made of a line of the layer's .c files, but for the
lines of a CHECK: what is impossible cannot be tested, and ends the process. --show: the lines
with a branch that was not taken."""

import argparse
import glob
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def check_lines(path):
    """The lines of each `CHECK(...)`, which may go over several."""
    out = set()
    with open(path) as file:
        lines = file.read().splitlines()
    depth, inside = 0, False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not inside and not text.startswith("CHECK("):
            continue
        inside = True
        out.add(number)
        depth += text.count("(") - text.count(")")
        if depth <= 0:
            inside, depth = False, 0
    return out


def branches_of(data):
    """(file, line) -> taken of each branch, of one object."""
    done = subprocess.run(["gcov", "-b", "--json-format", "--stdout", data], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for text in done.stdout.splitlines():
        for file in json.loads(text)["files"]:
            for line in file["lines"]:
                yield file["file"], line["line_number"], [b["count"] > 0 for b in line["branches"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("objects")
    parser.add_argument("layer")
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("--show", action="store_true")
    arguments = parser.parse_args()
    all_taken = all_count = 0
    for data in sorted(glob.glob(f"{arguments.objects}/engine/{arguments.layer}/*.gcda")):
        name = f"engine/{arguments.layer}/{os.path.basename(data)[:-5]}.c"
        if not os.path.exists(os.path.join(ROOT, name)):
            continue
        left_out = check_lines(os.path.join(ROOT, name))
        taken = count = 0
        for file, number, branches in branches_of(os.path.join(ROOT, data)):
            if file != name or number in left_out or not branches:
                continue
            taken += sum(branches)
            count += len(branches)
            if arguments.show and not all(branches):
                print(f"{name}:{number}: {len(branches) - sum(branches)} of {len(branches)}")
        if count:
            print(f"{100 * taken / count:6.1f} {count - taken:5d} of {count:5d}  {name}")
        all_taken += taken
        all_count += count
    part = 100 * all_taken / max(all_count, 1)
    print(f"{part:6.1f} % of {all_count} branches of engine/{arguments.layer} were taken")
    sys.exit(part < arguments.least)


if __name__ == "__main__":
    main()
