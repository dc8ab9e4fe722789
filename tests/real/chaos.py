#!/usr/bin/env python3
"""The main promise on real parts: load at a steady rate while workers, Redis and Kafka are
killed at random moments of it; then all journals and topics must agree (carillon-bench verify).

    chaos.py short|full [--seed N] [--calm] [--stalls N]"""

import argparse
import signal
import threading
import time

from real import BENCH, Real, Tally, now_ms, say, seeded

SIZES = {
    # events, rate, workers, kills of each worker, seconds to drain in, the routes' limits: the
    # load is below them, what waited while something was away is not
    "short": dict(count=8000, rate=500, workers=2, kills=3, drain_s=60, sms=1000, email=600),
    "full": dict(count=30000, rate=1000, workers=3, kills=4, drain_s=120, sms=2500, email=1000),
}


class Nemesis(threading.Thread):
    """Strikes when the provider's journal passes marks that were drawn beforehand: so
    something is always on its way. What was struck comes back by itself a little later."""

    def __init__(self, real, plan):
        super().__init__(daemon=True)
        self.real, self.plan = real, plan
        self.locks = {victim: threading.Lock() for _, victim, _ in plan}
        self.back, self.errors = [], []

    def run(self):
        for mark, victim, down in self.plan:
            end = time.time() + 90
            while self.real.calls() < mark and time.time() < end:
                time.sleep(0.005)
            if time.time() >= end:
                self.errors.append(f"only {self.real.calls()} calls, {mark} awaited")
                return
            thread = threading.Thread(target=self.strike, args=(mark, victim, down), daemon=True)
            thread.start()
            self.back.append(thread)
        for thread in self.back:
            thread.join()

    def strike(self, mark, victim, down):
        try:
            with self.locks[victim]:
                at = now_ms()
                what = self.hit(victim, down)
                self.real.fault(what, at, now_ms())
                say(f"call {mark}: {victim}, away for {now_ms() - at} ms")
        except (Exception, SystemExit) as error:  # told by the main thread
            self.errors.append(f"{victim}: {error}")

    def hit(self, victim, down):
        name, _, stall = victim.partition("!")
        if name in ("kafka", "redis"):
            self.real.kill(name)
            time.sleep(down)
            self.real.start(name)
            return name
        if stall:  # longer than the session: it goes on as if nothing had happened
            process = self.real.processes[name]
            process.send_signal(signal.SIGSTOP)
            time.sleep(2 + 3 * down)
            process.send_signal(signal.SIGCONT)
            return "stop"
        self.real.end(name, signal.SIGKILL)
        time.sleep(down)
        self.real.start_worker(name)
        return "worker"


def plan_of(size, seed, stalls):
    """Strikes at drawn marks; Redis and Kafka once each."""
    random = seeded(seed)
    victims = [f"worker-{i}" for i in range(size["workers"])] * size["kills"]
    victims += [f"worker-{i % size['workers']}!stall" for i in range(stalls)]
    victims += ["redis", "kafka"]
    random.shuffle(victims)
    last = int(size["count"] * 1.2)  # calls, at least
    marks = sorted(random.randint(last // 50, last) for _ in victims)
    return [(mark, victim, random.uniform(0.1, 1.2)) for mark, victim in zip(marks, victims)]


def run(real, size, seed, arguments, tally):
    calm = arguments.calm
    flags = [] if calm else ["--fault", "all=0.02", "--seed", str(seed)]
    real.start_all("--latency", "25", *flags)
    for i in range(size["workers"]):
        real.start_worker(f"worker-{i}")
    started = time.time()
    for i in range(size["workers"]):
        real.wait_for(f"worker-{i} to be ready", lambda: real.is_ready(f"worker-{i}"), 60)
    say(f"ready after {time.time() - started:.1f} s")
    say(f"load: {size['count']} events at {size['rate']}/s")
    load = real.spawn("load", [
        BENCH, "load", "--brokers", real.brokers, "--count", str(size["count"]), "--rate",
        str(size["rate"]), "--seed", str(seed), "--duplicates", "0.02", "--malformed", "0.01",
        "--due-spread", "5000", "--format", "mixed", "--journal", real.path("load.journal")])
    nemesis = Nemesis(real, [] if calm else plan_of(size, seed, arguments.stalls))
    nemesis.start()
    load.wait()
    nemesis.join()
    tally.check("whatever was struck came back", not nemesis.errors, nemesis.errors)
    say("load: " + real.tail("load.log", 1).strip())
    tally.check("all records are in Kafka", load.returncode in (0, 1), load.returncode)
    started = time.time()
    try:
        real.drain(size["drain_s"])
        tally.check(f"lag 0 in {time.time() - started:.1f} s after the last record", True)
    except SystemExit as error:
        tally.check("lag 0", False, f"{error}; of events, far and ring wait {real.waiting()}")
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
