#!/bin/sh
# Runs the simulations: the year, and the clocks. Last line: N passed, N failed.
log=$1.log
python3 tests/sim/year.py "$1" >"$log" 2>&1 || true
cat "$log"
total=$(tail -n 1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$' || echo '0 passed, 1 failed')
clocks=$(tests/run-unit.sh "$2" | tee /dev/stderr | tail -n 1)
p=$((${total%% passed*} + ${clocks%% passed*}))
f=${total##*passed, } c=${clocks##*passed, }
f=$((${f%% failed*} + ${c%% failed*}))
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
