#!/bin/sh
# The whole test suite: build, then unit tests and checks side by side, then the tests of real processes one by one.
# Closes with a line "N passed, N failed, N skipped".
cd "$(dirname "$0")/.." || exit 1
sh tests/install-packages.sh
results=$(mktemp -d)
trap 'rm -rf "$results"; sh tests/compose/prepare.sh stop' EXIT
npm run -s build || { echo "the build failed"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
# The images for the tests of the compose file are made meanwhile; those tests wait for them.
sh tests/compose/prepare.sh >/dev/null 2>&1 &
status=0
npx jest --selectProjects unit architecture linearizability --forceExit --json --outputFile="$results/1.json" || status=1
# The simulator takes all processors itself.
npx jest --selectProjects simulation --runInBand --forceExit --json --outputFile="$results/3.json" || status=1
npx jest --selectProjects system faults compose --runInBand --forceExit --json --outputFile="$results/2.json" || status=1
node tests/summary.js "$results"/1.json "$results"/2.json "$results"/3.json || status=1
exit $status
