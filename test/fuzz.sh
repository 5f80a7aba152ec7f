#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME seconds (30): as many at a time as there are processors, each with one worker.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
export FUZZTIME=${FUZZTIME:-30}

one() { # directory, target
	local out
	# New inputs are made smaller five times at most: there is seldom one that matters, and it is time not spent on looking.
	if out=$(go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME}s" -fuzzminimizetime 5x -parallel 1 "./$1" 2>&1); then
		printf '%s %s: %s\n' "$1" "$2" "$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1)"
	else
		printf '%s %s: FAILED\n%s\n' "$1" "$2" "$out"
		return 255 # xargs starts no more
	fi
}
export -f one

targets=$(grep -roE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' matrix base core api server cmd |
	sed -E 's|/[^/]*_test\.go:func | |' | sort -u)
echo "$(wc -l <<<"$targets") targets, $FUZZTIME s each"
xargs -L 1 -P "$(nproc)" bash -c 'one "$@"' one <<<"$targets"
