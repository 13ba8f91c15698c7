#!/bin/sh
# The long runs, hours in all. Closes with a line "N passed, N failed, N skipped"; a run that needs a tool which is missing
# says "skipped".
cd "$(dirname "$0")/.." || exit 1
npm run -s build && npx tsc -b tests/faults || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
passed=0 failed=0 skipped=0
run() {
  echo "== $*"
  if output=$("$@"); then
    echo "$output"
    case $output in *skipped:*) skipped=$((skipped + 1)) ;; *) passed=$((passed + 1)) ;; esac
  else
    echo "$output"
    failed=$((failed + 1))
  fi
}
run node dist/tests/simulation/main.js --seeds 10000
faults() { run node --max-old-space-size=8192 dist/tests/faults/main.js "$@"; }
for scenario in tests/faults/scenarios/*.txt; do faults --scenario "$scenario"; done
faults --members 5 --scenario tests/faults/scenarios/leader-killed.txt
faults --members 3 --minutes 30
faults --members 5 --minutes 30
faults --failpoints all
faults --power-cuts 1000
faults --power-cuts 300 --members 3
run env DIFFERENTIAL_RUNS=4000 npx jest --selectProjects system -w 1 --testPathPatterns system/differential
run env WATCH_TIER_ROUNDS=40 npx jest --selectProjects system -w 1 --testPathPatterns system/watch-tier
compose() { npx jest --selectProjects compose-nightly --runInBand --forceExit "$@" 2>&1; }
run compose
# Images that could not be pulled, and what stood in for them.
cat dist/compose-stand-ins*.txt 2>/dev/null
sh tests/compose/prepare.sh stop
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
