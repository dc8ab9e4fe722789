#!/usr/bin/env python3
"""CPU-us per message of the worker process, all threads: saturated with 256 in flight, and at
2,000/s, over plain HTTP/1.1 against the simulator; in each round beside the floor (the same
requests from a bare ring client). Medians of the rounds; the ratio is taken in each round,
because the host drifts between rounds more than the parts differ.

Worker and floor on the first core, provider, Redis and load on the second; Kafka where it
likes. A SCHED_IDLE spinner per core keeps an idle virtual core from going to sleep.
A message is a booking_confirmed by sms: one leg, protobuf in, JSON outcome out."""

import argparse
import os
import signal
import statistics
import subprocess
import time

from real import BENCH, CARILLON, Real, free_port, say


def cpu_s(pid):
    """CPU time of a whole process, ended threads too: its CPU clock."""
    return time.clock_gettime((~pid << 3) | 2)


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


class Bench:
    def __init__(self, real, arguments):
        self.real, self.arguments = real, arguments
        self.cores = sorted(os.sched_getaffinity(0))
        self.here, self.there = self.cores[0], self.cores[-1]
        self.first = 0  # number of the next event
        self.spinners = []

    def spin(self):
        for core in self.cores:
            self.spinners.append(self.real.spawn(
                f"spinner-{core}", ["chrt", "-i", "0", *pinned(core, [
                    "sh", "-c", "while :; do :; done"])]))

    def count(self):
        return self.real.calls()

    def floor(self):
        tls = ["--tls"] if self.arguments.tls else []
        done = subprocess.run(pinned(self.here, [
            BENCH, "floor", "--port", str(self.real.ports["tls" if tls else "plain"]),
            "--connections", "256", "--seconds", "1", *tls]), check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout.split("us=")[1].split()[0])

    def load(self, count, rate):
        done = subprocess.run(pinned(self.there, [
            BENCH, "load", "--brokers", self.real.brokers, "--count", str(count), "--first",
            str(self.first), "--rate", str(rate), "--mix", "booking_confirmed=1", "--format",
            self.arguments.events]), stdout=subprocess.PIPE, text=True)
        self.first += count
        return done.stdout

    def start_worker(self):
        port = free_port()
        self.real.spawn("worker", pinned(self.here, [
            CARILLON, "run", "--config", self.real.path("config.yaml"), "--io",
            self.arguments.io]), {"CARILLON_ADMIN__ADDRESS": f"127.0.0.1:{port}"})
        return self.real.processes["worker"].pid

    def window(self, pid, from_count, to_count, least_s=0.0):
        """CPU-us per call between two counts of calls."""
        self.real.wait_for("calls", lambda: self.count() >= from_count, 60)
        cpu, calls, start = cpu_s(pid), self.count(), time.time()
        self.real.wait_for("calls", lambda: self.count() >= to_count
                           and time.time() >= start + least_s, 120)
        used, made, took = cpu_s(pid) - cpu, self.count() - calls, time.time() - start
        return used * 1e6 / made, made / took, used / took

    def profile(self, pid):
        """perf of the saturated worker, to a file, for RESULTS.md."""
        subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-g", "-p", str(pid), "-o",
                        self.arguments.profile, "--", "sleep", "1.5"], check=False)

    def saturated(self):
        count = self.arguments.count
        self.load(count, 1_000_000)
        before = self.count()
        pid = self.start_worker()
        if self.arguments.profile:
            self.real.wait_for("calls", lambda: self.count() >= before + count // 8, 60)
            self.profile(pid)
            self.arguments.profile = None
        out = self.window(pid, before + count // 5, before + count * 4 // 5)
        self.real.wait_for("the rest", lambda: self.count() >= before + count, 60)
        return out

    def paced(self):
        """2,000/s for 5 s; the first second is left out."""
        before = self.count()
        load = subprocess.Popen(pinned(self.there, [
            BENCH, "load", "--brokers", self.real.brokers, "--count", "10000", "--first",
            str(self.first), "--rate", "2000", "--mix", "booking_confirmed=1", "--format",
            self.arguments.events]), stdout=subprocess.DEVNULL)
        self.first += 10000
        out = self.window(self.real.processes["worker"].pid, before + 2000, before + 9800)
        load.wait()
        self.real.wait_for("the rest", lambda: self.count() >= before + 10000, 30)
        return out

    def round(self, number):
        floor = self.floor()
        time.sleep(0.2)
        saturated, rate, busy = self.saturated()
        time.sleep(1.5)  # commits of the saturated part
        paced, _, paced_busy = self.paced()
        rss = int(next(line for line in open(f"/proc/{self.real.processes['worker'].pid}/status")
                       if line.startswith("VmRSS")).split()[1]) // 1024
        self.real.end("worker", signal.SIGTERM)
        say(f"round {number}: floor {floor:.2f} us, saturated {saturated:.2f} us at {rate:.0f}/s "
            f"({busy:.2f} cores), at 2000/s {paced:.1f} us ({paced_busy:.2f} cores), "
            f"rss {rss} MiB")
        return floor, saturated, paced


def spread(values):
    return f"{statistics.median(values):.2f} [{min(values):.2f}-{max(values):.2f}]"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=150_000, help="messages of a saturated run")
    parser.add_argument("--events", default="protobuf", choices=["protobuf", "json"])
    parser.add_argument("--outcomes", default="json", choices=["protobuf", "json"])
    parser.add_argument("--io", default="auto", choices=["auto", "io_uring", "epoll"])
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--profile", help="perf.data of one saturated run")
    arguments = parser.parse_args()
    name = "http1_tls" if arguments.tls else "http1_plain"
    with Real(tls=arguments.tls, in_flight=256, shards=1, session_ms=12000, heartbeat_ms=3000,
              deadline_ms=10000, sms_limit=100000, email_limit=100000,
              format=arguments.outcomes) as real:
        bench = Bench(real, arguments)
        real.start_all(sms_tls=arguments.tls)
        os.sched_setaffinity(real.processes["provider"].pid, {bench.there})
        os.sched_setaffinity(int(real.env["REDIS_PID"]), {bench.there})
        bench.spin()
        rows = [bench.round(i + 1) for i in range(arguments.rounds)]
        real.end("provider")
    floors, saturated, paced = zip(*rows)
    print(f"cpu_us floor {spread(floors)}")
    print(f"cpu_us {name}_2000_per_s {spread(paced)}")
    print(f"cpu_us {name}_saturated {spread(saturated)}")
    print(f"ratio {name}_2000_per_s "
          f"{statistics.median(p / f for p, f in zip(paced, floors)):.2f}")
    print(f"ratio {name}_saturated "
          f"{statistics.median(s / f for s, f in zip(saturated, floors)):.2f}")


if __name__ == "__main__":
    main()
