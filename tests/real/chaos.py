#!/usr/bin/env python3
"""The main promise on real parts: load at a steady rate while workers, Redis and Kafka are
killed at random moments; then all journals and topics must agree (carillon-bench verify).

    chaos.py short|full [--seed N] [--calm] [--stalls N]"""

import argparse
import signal
import threading
import time

from real import BENCH, Real, Tally, now_ms, say, seeded

SIZES = {
    # events, rate, workers, kills of each worker, seconds to drain in, the routes' limits: the
    # load is below them, what waited while something was away is not
    "short": dict(count=6000, rate=500, workers=2, kills=2, drain_s=60, sms=1000, email=600),
    "full": dict(count=30000, rate=1000, workers=3, kills=4, drain_s=120, sms=2500, email=1000),
}


class Nemesis(threading.Thread):
    """Kills at moments drawn beforehand, one thread per victim."""

    def __init__(self, real, victim, moments, downs, stalls=False):
        super().__init__(daemon=True)
        self.stalls = stalls
        self.real, self.victim, self.moments, self.downs = real, victim, moments, downs
        self.error = None

    def run(self):
        try:
            start = time.time()
            for moment, down in zip(self.moments, self.downs):
                time.sleep(max(0.0, start + moment - time.time()))
                self.strike(down)
        except (Exception, SystemExit) as error:  # told by the main thread
            self.error = error

    def stall(self, down):
        """Longer than the session: a worker that goes on as if nothing had happened."""
        at, process = now_ms(), self.real.processes[self.victim]
        process.send_signal(signal.SIGSTOP)
        time.sleep(down)
        process.send_signal(signal.SIGCONT)
        self.real.fault("stop", at, now_ms())
        say(f"stalled {self.victim} for {now_ms() - at} ms")

    def strike(self, down):
        at = now_ms()
        if self.stalls:
            self.stall(down)
            return
        if self.victim in ("kafka", "redis"):
            self.real.kill(self.victim)
            time.sleep(down)
            self.real.start(self.victim)
            self.real.fault(self.victim, at, now_ms())
        else:
            self.real.end(self.victim, signal.SIGKILL)
            time.sleep(down)
            self.real.start_worker(self.victim)
            self.real.fault("worker", at, now_ms())
        say(f"killed {self.victim}, away for {now_ms() - at} ms")


def nemeses(real, size, seed, stalls):
    random = seeded(seed)
    span = size["count"] / size["rate"]
    out = []
    for i in range(size["workers"]):
        moments = sorted(random.uniform(1, span) for _ in range(size["kills"]))
        out.append(Nemesis(real, f"worker-{i}", moments,
                           [random.uniform(0.1, 1.5) for _ in moments]))
    for i in range(stalls):
        out.append(Nemesis(real, f"worker-{i % size['workers']}", [random.uniform(1, span)],
                           [random.uniform(2.5, 6)], stalls=True))
    out.append(Nemesis(real, "redis", [random.uniform(0.2, 0.5) * span], [random.uniform(0, 1)]))
    out.append(Nemesis(real, "kafka", [random.uniform(0.6, 0.8) * span], [random.uniform(0, 1)]))
    return out


def run(real, size, seed, arguments, tally):
    calm = arguments.calm
    flags = [] if calm else ["--fault", "all=0.02", "--seed", str(seed)]
    real.start_all(*flags)
    for i in range(size["workers"]):
        real.start_worker(f"worker-{i}")
    say(f"load: {size['count']} events at {size['rate']}/s")
    load = real.spawn("load", [
        BENCH, "load", "--brokers", real.brokers, "--count", str(size["count"]), "--rate",
        str(size["rate"]), "--seed", str(seed), "--duplicates", "0.02", "--malformed", "0.01",
        "--due-spread", "5000", "--format", "mixed", "--journal", real.path("load.journal")])
    threads = [] if calm else nemeses(real, size, seed, arguments.stalls)
    for thread in threads:
        thread.start()
    load.wait()
    for thread in threads:
        thread.join()
    errors = [f"{t.victim}: {t.error}" for t in threads if t.error]
    tally.check("whatever was killed came back", not errors, errors)
    say("load: " + real.tail("load.log", 1).strip())
    tally.check("all records are in Kafka", load.returncode in (0, 1), load.returncode)
    started = time.time()
    try:
        real.drain(size["drain_s"])
        tally.check(f"lag 0 in {time.time() - started:.1f} s after the last record", True)
    except SystemExit as error:
        tally.check("lag 0", False, f"{error}; lag {real.lag()}")
    for i in range(size["workers"]):
        code = real.end(f"worker-{i}")
        tally.check(f"worker-{i} drains and ends with 0", code == 0,
                    f"{code}\n{real.tail(f'worker-{i}.log')}")
    real.end("provider")
    limits = [f"--limit=twilio={size['sms']}/s", f"--limit=sendgrid={size['email']}/s"]
    code, report = real.verify(*limits)
    print(report, flush=True)
    for line in report.splitlines():
        words = line.split()
        if len(words) > 2 and words[0].startswith("I") and words[1] in ("ok", "VIOLATED"):
            tally.check(line, words[1] == "ok")
    tally.check("verify finds nothing", code == 0, code)
    tally.check("the simulator ended well", real.processes["provider"].returncode == 0)
    return tally.failed == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    parser.add_argument("--stalls", type=int, default=0, help="workers stopped for 2.5 to 6 s")
    parser.add_argument("--format", default="protobuf", choices=["protobuf", "json"])
    parser.add_argument("--io", default="auto")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 100000
    tally = Tally()
    say(f"chaos {arguments.size}, seed {seed}")
    size = SIZES[arguments.size]
    with Real(sms_limit=size["sms"], email_limit=size["email"], format=arguments.format,
              io=arguments.io) as real:
        if not run(real, size, seed, arguments, tally):
            real.keep = True
    tally.end()


if __name__ == "__main__":
    main()
