#!/usr/bin/env python3
"""Bad configs: `carillon check` says file, line, key and what is wrong, and exits 78, with
--connect also where something cannot be reached."""


from real import Real, Tally, free_port


def main():
    tally = Tally()
    with Real() as real:
        real.start_provider()
        real.env.update(KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}", REDIS_PORT=str(free_port()))
        good = open(real.write_config()).read()

        def check(name, text, code, *words, flags=(), environment=None):
            path = real.path("case.yaml")
            with open(path, "w") as file:
                file.write(text)
            done = real.carillon("check", "--config", path, *flags, check=False,
                                 environment=environment)
            said = done.stdout + done.stderr
            missing = [w for w in words if w not in said]
            tally.check(name, done.returncode == code and not missing,
                        f"exit {done.returncode}, not said: {missing}\n{said}")
            tally.check(name + ": no secret is shown", "not-a-secret" not in said)

        check("a good config", good, 0)
        check("unknown key, the nearest named", good.replace("redis: {address", "redis: {adress"),
              78, "case.yaml:", "adress", "address")
        line = good[:good.index("partitions: 8")].count("\n") + 1
        check("wrong type", good.replace("partitions: 8", "partitions: many"), 78, "partitions",
              "many", f"case.yaml:{line}")
        check("out of bounds", good.replace("partitions: 8", "partitions: 0"), 78, "partitions",
              "10000")
        check("not YAML", good + "\n  - [", 78, "case.yaml:")
        check("a route without its provider", good.replace("provider: sendgrid, channel",
                                                           "provider: sendgird, channel"), 78,
              "sendgird")
        check("missing secret file", good.replace("{name: api_key, value: not-a-secret}",
                                                  "{name: api_key, value_file: /no/such/file}"),
              78, "/no/such/file")
        check("a property that the design forbids", good.replace(
            "kafka:\n", "kafka:\n  properties: [{name: enable.auto.commit, value: \"true\"}]\n"),
            78, "enable.auto.commit")
        check("a bad value from the environment", good, 78, "many",
              environment={"CARILLON_KAFKA__PARTITIONS": "many"})
        expired = good.replace(f"https://localhost:{real.ports['tls']}",
                               f"https://localhost:{real.ports['expired']}")
        check("unreachable broker and Redis, expired certificate", expired, 78,
              real.brokers, real.env["REDIS_PORT"], "expired", flags=("--connect",))
        done = real.carillon("check", "--config", real.path("nothing.yaml"), check=False)
        tally.check("no config at all", done.returncode == 78, done.returncode)
        done = real.carillon("run", "--config", real.path("nothing.yaml"), check=False)
        tally.check("run without a config", done.returncode == 78, done.returncode)
        real.end("provider")
    tally.end()


if __name__ == "__main__":
    main()
