# The suites of `make test`, in the order of their cost. Sourced by all.sh and, with
# CI's further checks, by .ci/run.
suite unit make -s unit
suite scenarios tests/scenarios/run.py
suite check tests/check_cli.sh
suite explain tests/explain_cli.py
suite explain-model tests/explain_model.py
suite contract make -s contract
suite tidy tests/tidy.sh
suite alerts tests/alerts.sh
suite replay make -s replay
suite golden proto/golden/encode.py --check
suite zones tests/zones/run.sh
suite sim make -s sim
suite demo tests/demo.py
suite bugs make -s bugs
suite bugs-real make -s bugs-real
suite scenarios-real tests/real/scenarios.py --short
suite race tests/real/race.py --short
suite deferral tests/real/deferral.py short
suite dead-route tests/real/dead_route.py short
suite release tests/real/release.py
suite real tests/real/run.sh short
