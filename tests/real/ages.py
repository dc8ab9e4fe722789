"""How old the oldest open record of each partition was, at each moment of a run: worked out
afterwards from what the group committed (__consumer_offsets: watermark and bitmap) and when
the records were there, independently of any worker's own gauge.

A commit is the broker's word from its time until the next one; in between the oldest open
record grows older. So the worst is known exactly, and not only each second."""

import base64
import bisect
import collections
import struct

Commit = collections.namedtuple("Commit", "time_ms value done")


def runs_of(metadata):
    """1|worker|base64url of varint run lengths from the watermark: open, done, open ..."""
    parts = metadata.split("|")
    if len(parts) < 3:
        return []
    bits = base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4))
    runs, run, shift = [], 0, 0
    for byte in bits:
        run |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            runs.append(run)
            run = shift = 0
    return runs


def commit_of(record):
    """(group, topic, partition), Commit; or None: not an offset commit (Kafka's versions 0 to 4)."""
    key, value = record["key"], record["value"]
    if value is None or struct.unpack_from(">h", key)[0] > 1:
        return None

    def text(data, at):
        size = struct.unpack_from(">h", data, at)[0]
        return data[at + 2:at + 2 + size].decode(), at + 2 + size
    group, at = text(key, 2)
    topic, at = text(key, at)
    partition = struct.unpack_from(">i", key, at)[0]
    version, offset = struct.unpack_from(">hq", value)
    metadata, at = text(value, 14 if version >= 3 else 10)
    return (group, topic, partition), Commit(struct.unpack_from(">q", value, at)[0], offset,
                                             runs_of(metadata))


def commits_of(real):
    of = collections.defaultdict(list)
    for record in sorted(real.dump("__consumer_offsets"),
                         key=lambda r: (r["partition"], r["offset"])):
        found = commit_of(record)
        if found:
            of[found[0]].append(found[1])
    return of


def first_open(offsets, commit):
    """Index of the first of the offsets that is neither below the watermark nor done."""
    at = bisect.bisect_left(offsets, commit.value)
    place, done = commit.value, False
    for run in commit.done:
        if done:
            while at < len(offsets) and place <= offsets[at] < place + run:
                at += 1
        elif at < len(offsets) and offsets[at] < place + run:
            return at
        place += run
        done = not done
    return at


class Ages:
    """Of one partition: records as (offset, when they were there or due), and its commits."""

    def __init__(self, records, commits):
        records = sorted(records)
        self.offsets = [offset for offset, _ in records]
        least, rest = [], 1 << 62
        for _, ms in reversed(records):
            rest = min(rest, ms)
            least.append(rest)
        self.least = least[::-1]  # the earliest of it and all behind it
        self.times = [ms for _, ms in records]
        self.commits = commits

    def oldest_ms(self, commit, at_ms):
        """When the oldest that is open was there; None: none is."""
        at = first_open(self.offsets, commit)
        if at == len(self.offsets):
            return None
        # what is done behind the first open one is done, so it is looked at one by one
        best, place, done, runs = 1 << 62, commit.value, False, iter(commit.done)
        run = next(runs, None)
        for i in range(at, len(self.offsets)):
            while run is not None and self.offsets[i] >= place + run:
                place += run
                done = not done
                run = next(runs, None)
            if run is None:
                best = min(best, self.least[i])
                break
            if not done:
                best = min(best, self.times[i])
        return best if best <= at_ms else None

    def worst(self, from_ms, until_ms):
        """(age in ms, when) of the oldest open record, at its worst between the two."""
        worst = (0, from_ms)
        for i, commit in enumerate(self.commits):
            begin = max(commit.time_ms, from_ms)
            end = self.commits[i + 1].time_ms if i + 1 < len(self.commits) else until_ms
            end = min(end, until_ms)
            if end <= begin:
                continue
            oldest = self.oldest_ms(commit, end)
            if oldest is not None and end - oldest > worst[0]:
                worst = (end - oldest, end)
        return worst
