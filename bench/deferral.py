#!/usr/bin/env python3
"""What a restart costs while much waits in the ring: `make bench-deferral`. Real Kafka and Redis,
one worker of one shard, the config's default ring (96 slots of 30 min x 4 partitions) and default
deferral.memory_mb. lead_ms is a whole slot, so that the next slot is read at once and nothing of
it is due before the run is over.

Each time the worker dies by SIGKILL and is started again: with an empty ring, with `--far`
records in later slots, and with `--near` more in the slot that is read. A start is timed from
the fork; the group gives the ring only after the dead worker's session has timed out (2 s), so
the load is also timed from the assignment's first loaded record."""

import argparse
import json
import re
import signal
import statistics
import time
import urllib.request

from real import Real, say

SCALES = {"full": (1_000_000, 10_000_000), "tenth": (100_000, 1_000_000), "tiny": (10_000, 50_000)}
MEMORY_MB = 256
DEFERRAL = ("slots: 96, slot_ms: 1800000, spread: 4, far_spread: 4, lead_ms: 1800000, "
            f"memory_mb: {MEMORY_MB}, time_sample_ms: 1000")
NEWS = re.compile(r"^(process_resident_memory_bytes|carillon_deferred_loaded_records|"
                  r"carillon_deferred_payload_bytes) (\S+)", re.M)


class Bench:
    def __init__(self, real):
        self.real = real
        self.next = 0  # number of the next event
        self.started = 0.0

    def fill(self, *flags):
        count = sum(int(n) for n in flags[1::2])
        out = json.loads(self.real.bench("fill", "--brokers", self.real.brokers, "--first",
                                         str(self.next), *flags))
        self.next += count
        say(f"filled {out['acked']} in {out['seconds']:.0f} s")
        return out

    def kill(self):
        if "worker" in self.real.processes:
            self.real.end("worker", signal.SIGKILL)

    def start(self):
        """Seconds from the fork until it is ready."""
        self.started = time.monotonic()
        self.real.start_worker("worker")
        self.real.wait_for("the worker to be ready", lambda: self.real.is_ready("worker"), 120)
        return time.monotonic() - self.started

    def news(self):
        """Resident bytes, loaded records and bytes of their payloads, as the worker tells."""
        port = self.real.processes["worker"].admin_port
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                found = dict(NEWS.findall(answer.read().decode()))
        except OSError:
            return 0, 0, 0
        return (int(found["process_resident_memory_bytes"]),
                int(found.get("carillon_deferred_loaded_records", 0)),
                int(found.get("carillon_deferred_payload_bytes", 0)))

    def settled(self):
        """Resident bytes once the partitions were looked at and nothing grows any more."""
        time.sleep(5)
        return self.news()[0]

    def restart(self):
        self.kill()
        return self.start(), self.settled()

    def load(self, count):
        """Seconds from the fork and from the first record until all are loaded; resident bytes
        then, and the memory that payloads took at most."""
        self.kill()
        self.started = time.monotonic()
        self.real.start_worker("worker")
        first, loaded, payloads = None, 0, 0
        while loaded < count:
            _, loaded, held = self.news()
            now, payloads = time.monotonic(), max(payloads, held)
            first = first or (now if loaded else None)
            if now - self.started > 120:
                raise SystemExit(f"{loaded} of {count} are loaded after 120 s\n"
                                 + self.real.tail("worker.log"))
            time.sleep(0.02)
        return now - self.started, now - first, self.settled(), payloads


def measure(bench, near, far, rounds):
    bench.start()
    empty_s, empty_rss = bench.restart()
    print(f"empty_restart_seconds {empty_s:.2f}")
    print(f"empty_rss_bytes {empty_rss}", flush=True)
    bench.kill()
    bench.fill("--far", str(far))
    far_s, far_rss = bench.restart()
    print(f"far_records {far}")
    print(f"far_restart_seconds {far_s:.2f}")
    print(f"far_rss_bytes {far_rss}")
    print(f"far_rss_bytes_per_record {(far_rss - empty_rss) / far:.3f}", flush=True)
    bench.kill()
    bench.fill("--near", str(near))
    rows = [bench.load(near) for _ in range(rounds)]
    starts, loads, sizes, payloads = zip(*rows)
    rss, payloads = statistics.median(sizes), max(payloads)
    if payloads > 0.7 * (MEMORY_MB << 20):
        payloads = MEMORY_MB << 20  # it was full once: touched as a whole
    print(f"near_records {near}")
    print(f"start_to_loaded_seconds {spread(starts)}")
    print(f"load_seconds {spread(loads)}")
    print(f"loaded_rss_bytes {rss:.0f}")
    print(f"payload_bytes {payloads}")
    print(f"rss_bytes_per_entry {(rss - far_rss - payloads) / near:.1f}", flush=True)
    return max(loads) <= 5


def spread(values):
    return f"{statistics.median(values):.2f} [{min(values):.2f}-{max(values):.2f}]"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", default="full", choices=SCALES)
    parser.add_argument("--near", type=int, help="in the slot that is read")
    parser.add_argument("--far", type=int, help="in later slots")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    near, far = SCALES[arguments.scale]
    near, far = arguments.near or near, arguments.far or far
    with Real(tls=False, in_flight=64, shards=1, deferral=DEFERRAL) as real:
        real.start_all()
        good = measure(Bench(real), near, far, arguments.rounds)
    raise SystemExit(0 if good else "a load took more than 5 s")


if __name__ == "__main__":
    main()
