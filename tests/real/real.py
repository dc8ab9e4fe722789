"""Real parts for end-to-end tests: Kafka, Redis, the provider simulator, workers. Everything
is started on free ports in one temporary folder, and ended by its pid when the test ends,
however it ends."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CARILLON = os.environ.get("CARILLON", os.path.join(ROOT, "build/carillon"))
BENCH = os.environ.get("CARILLON_BENCH", os.path.join(ROOT, "build/carillon-bench"))

CONFIG = """\
worker: {{name: worker, shards: {shards}, io: {io}, adapters: {root}/deploy/providers, drain_ms: 5000}}
deferral: {{{deferral}}}
kafka:
  bootstrap_servers: "{kafka}"
  topic_prefix: "{prefix}"
  session_timeout_ms: {session_ms}
  heartbeat_interval_ms: {heartbeat_ms}
  commit_interval_ms: 200
  partitions: {partitions}
  delivery_timeout_ms: 60000
redis: {{address: "{redis}"}}
schedule: {{horizon_ms: {horizon_ms}, retry_least_ms: 50, retry_most_ms: 1000}}
claims: {{foreign_wait_ms: 5000}}
send: {{request_deadline_ms: {deadline_ms}, connect_timeout_ms: 1000, max_attempts: 10}}
rules: {{platform_zone: Europe/Paris, address_key: not-a-secret}}
outcomes: {{format: {format}}}
log: {{level: info}}
providers:
  - name: twilio
    adapter: twilio
    base_url: "{sms_url}"
    ca_file: "{sms_ca}"
    in_flight: {in_flight}
    credentials: [{{name: account_sid, value: ACreal}}, {{name: auth_token, value: not-a-secret}}]
  - name: sendgrid
    adapter: sendgrid
    base_url: "{email_url}"
    ca_file: "{ca}"
    in_flight: {in_flight}
    credentials: [{{name: api_key, value: not-a-secret}}]
routes:
  - {{name: sms, provider: twilio, channel: sms, from: "+33755500000", limit_per_second: {sms_limit}}}
  - {{name: email, provider: sendgrid, channel: email, from: no-reply@example.com, limit_per_second: {email_limit}}}
"""


def now_ms():
    return int(time.time() * 1000)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Real:
    """The parts of one test. `with Real() as real:` ends them all."""

    def __init__(self, **options):
        self.options = dict(
            shards=1, io="auto", prefix="", session_ms=2000, heartbeat_ms=500, partitions=8,
            deadline_ms=2000, format="json", in_flight=64, sms_limit=0, email_limit=0, tls=True,
            deferral="slots: 8, spread: 1, far_spread: 1, time_sample_ms: 1000",
            horizon_ms=60000, root=ROOT)
        self.options.update(options)
        self.folder = tempfile.mkdtemp(prefix="carillon-real-")
        self.processes = {}  # name -> Popen, of those that are ours directly
        self.faults = []
        self.env = {}
        self.keep = False  # a failed run leaves its folder for whoever looks into it

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for name, process in self.processes.items():
            if process.poll() is None:
                process.kill()
            process.wait()
        for part in ("kafka", "redis"):
            if os.path.exists(self.path(part)):
                self.script("deploy/stop.sh", self.path(part), "KILL")
        if self.keep or os.environ.get("KEEP") or (kind and not issubclass(kind, KeyboardInterrupt)):
            say(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def script(self, name, *arguments):
        return subprocess.run([os.path.join(ROOT, name), *arguments], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def start(self, part):
        """Kafka or Redis, for the first time or again."""
        for line in self.script(f"deploy/{part}/start.sh", self.path(part)).splitlines():
            name, _, value = line.partition("=")
            self.env[name] = value

    def kill(self, part):
        self.script("deploy/stop.sh", self.path(part), "KILL")

    @property
    def brokers(self):
        return self.env["KAFKA_BOOTSTRAP"]

    def spawn(self, name, command, environment=None, log=None):
        out = open(self.path(log or f"{name}.log"), "ab")
        self.processes[name] = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})})
        out.close()
        return self.processes[name]

    def end(self, name, how=signal.SIGTERM, wait_s=30):
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def start_provider(self, *flags):
        if self.options["tls"]:
            flags += ("--tls", "--expired", "--cert", self.path("ca.pem"))
        self.spawn("provider", [BENCH, "provider", "--journal", self.path("provider.journal"),
                                *flags])
        ports = self.wait_for("the provider's ports", lambda: self.first_line("provider.log"), 10)
        self.ports = json.loads(ports)

    def first_line(self, name):
        with open(self.path(name)) as file:
            line = file.readline()
            return line if line.endswith("\n") else None

    def write_config(self, name="config.yaml", **options):
        values = {**self.options, **options}
        port = self.ports["tls" if values["tls"] else "plain"]
        ca = self.path("ca.pem") if values["tls"] else ""
        values.setdefault("sms_url", f"http://127.0.0.1:{self.ports['plain']}")
        values.setdefault("sms_ca", "")
        values.setdefault("email_url", f"http{'s' if values['tls'] else ''}://localhost:{port}")
        values.update(kafka=self.brokers, redis=f"127.0.0.1:{self.env['REDIS_PORT']}",
                      ca=ca)
        templates = self.bench("load", "--print-templates")
        with open(self.path(name), "w") as file:
            file.write(CONFIG.format(**values) + templates)
        return self.path(name)

    def bench(self, *arguments, check=True, **more):
        return subprocess.run([BENCH, *arguments], check=check, stdout=subprocess.PIPE, text=True,
                              **more).stdout

    def carillon(self, *arguments, check=True, environment=None, **more):
        return subprocess.run([CARILLON, *arguments], check=check, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,
                              env={**os.environ, **(environment or {})}, **more)

    def start_all(self, *provider_flags, sms_tls=False):
        """Kafka, Redis, provider, config, topics, functions, the tenants' settings."""
        self.start("kafka")
        self.start("redis")
        self.start_provider(*provider_flags)
        more = {}
        if sms_tls:
            more = dict(sms_url=f"https://localhost:{self.ports['tls']}", sms_ca=self.path("ca.pem"))
        return self.set_up(**more)

    def set_up(self, **more):
        """Config, topics, functions, the tenants' settings; Kafka, Redis and provider run."""
        config = self.write_config(**more)
        done = self.carillon("setup", "--config", config, check=False)
        if done.returncode != 0:
            raise SystemExit(f"carillon setup: {done.returncode}\n{done.stderr}")
        tenants = self.path("tenants.jsonl")
        with open(tenants, "w") as file:
            file.write(self.bench("load", "--print-tenants"))
        done = self.carillon("tenants", "put", "--config", config, tenants, check=False)
        if done.returncode != 0:
            raise SystemExit(f"carillon tenants put: {done.returncode}\n{done.stderr}")
        return config

    def start_worker(self, name, config="config.yaml", **environment):
        port = free_port()
        self.spawn(name, [CARILLON, "run", "--config", self.path(config)], {
            "CARILLON_WORKER__NAME": name, "CARILLON_ADMIN__ADDRESS": f"127.0.0.1:{port}",
            **environment})
        self.processes[name].admin_port = port
        return port

    def is_ready(self, name):
        try:
            port = self.processes[name].admin_port
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def calls(self):
        """How many the provider has journalled."""
        return os.path.getsize(self.path("provider.journal")) // 240

    def wait_for(self, what, probe, wait_s):
        end = time.time() + wait_s
        while time.time() < end:
            value = probe()
            if value:
                return value
            for name, process in self.processes.items():
                if name.startswith("worker") and process.poll() not in (None, 0, -9):
                    raise SystemExit(f"{name} ended by itself: {process.poll()}\n"
                                     + self.tail(f"{name}.log"))
            time.sleep(0.05)
        raise SystemExit(f"waited {wait_s} s in vain for {what}")

    def tail(self, name, lines=15):
        with open(self.path(name), errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def lag(self, *flags):
        done = subprocess.run([BENCH, "lag", "--brokers", self.brokers, "--prefix",
                               self.options["prefix"], *flags], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        return int(done.stdout) if done.returncode == 0 else None

    def waiting(self):
        """What is not committed of the events, of far and of the ring: each hands on to the next."""
        return [self.lag()] + [
            self.lag("--group", "carillon.ring", "--topic", f"carillon.deferred.{which}")
            for which in ("far", "1")]

    def drain(self, wait_s):
        self.wait_for("lag 0", lambda: self.waiting() == [0, 0, 0], wait_s)

    def fault(self, what, from_ms, until_ms):
        self.faults.append((from_ms, what, until_ms))
        with open(self.path("faults"), "a") as file:
            file.write(f"{from_ms}\t{what}\t{until_ms}\n")

    def dump(self, topic):
        """All records of a topic; key, value and headers as bytes."""
        def unhex(text):
            return None if text is None else bytes.fromhex(text)
        rows = []
        for line in self.bench("dump", "--brokers", self.brokers, "--topic",
                               self.options["prefix"] + topic).splitlines():
            row = json.loads(line)
            row["key"], row["value"] = unhex(row["key"]), unhex(row["value"])
            row["headers"] = {name: unhex(value) for name, value in row["headers"]}
            rows.append(row)
        return rows

    def produce(self, topic, records):
        """(key, value, headers) each; gives (partition, offset) each."""
        lines = []
        for key, value, headers in records:
            fields = [key.hex() if key is not None else "-",
                      value.hex() if value is not None else "-"]
            for name, text in headers.items():
                fields += [name, text.hex()]
            lines.append("\t".join(fields) + "\n")
        out = self.bench("produce", "--brokers", self.brokers, "--topic",
                         self.options["prefix"] + topic, input="".join(lines))
        places = {}
        for line in out.splitlines():
            row = json.loads(line)
            places[row["line"]] = (row["partition"], row["offset"])
        return [places[i] for i in range(len(records))]

    def verify(self, *flags):
        open(self.path("faults"), "a").close()
        done = subprocess.run(
            [BENCH, "verify", "--brokers", self.brokers, "--prefix", self.options["prefix"],
             "--load", self.path("load.journal"), "--provider", self.path("provider.journal"),
             "--faults", self.path("faults"), *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout


class Tally:
    """Counts like every suite here: `N passed, N failed` at the end."""

    def __init__(self, times_decide=True):
        self.passed = self.failed = 0
        self.times_decide = times_decide

    def check(self, what, fine, detail=""):
        if fine:
            self.passed += 1
        else:
            self.failed += 1
        say(f"{'ok  ' if fine else 'FAIL'} {what}{'' if fine or not detail else ': ' + str(detail)}")
        return fine

    def check_time(self, what, fine):
        """A busy machine must not fail `make test`: there a time is only told."""
        if self.times_decide:
            self.check(what, fine)
        else:
            say(f"{'time' if fine else 'LATE'} {what}")

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)


def seeded(seed):
    return random.Random(seed)
