#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (30s; 2000x for so many inputs): as many packages at a time as there are processors, each target
# with one worker.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
export FUZZTIME=${FUZZTIME:-30s}

binaries=$(mktemp -d "${TMPDIR:-/tmp}/freehold-fuzz.XXXXXX")
trap 'rm -rf "$binaries"' EXIT
cache=$(go env GOCACHE)/fuzz/$(go list -m)
export binaries cache

package() { # directory, targets: one binary for all, as linking it may take longer than what follows
	local dir=$1 binary=$binaries/${1//\//_}.test target
	shift
	go test -c -vet=off -fuzz . -o "$binary" "./$dir" || return 255 # xargs starts no more
	for target; do one "$dir" "$binary" "$target" || return 255; done
	rm "$binary"
}

one() { # directory, binary, target
	local out
	# New inputs are made smaller five times at most: there is seldom one that matters, and it is time not spent on looking.
	if out=$(cd "$1" && "$2" -test.run '^$' -test.fuzz "^$3\$" -test.fuzztime "$FUZZTIME" -test.fuzzminimizetime 5x -test.parallel 1 \
		-test.fuzzcachedir "$cache/$1" -test.paniconexit0 2>&1); then
		printf '%s %s: %s\n' "$1" "$3" "$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1)"
	elif grep -q '^ *context deadline exceeded$' <<<"$out" && ! grep -qE 'Failing input|panic|hung or terminated' <<<"$out"; then
		# The time was over while a new input was being made smaller, which go calls a failure; what is one has an input to show.
		printf '%s %s: %s, nothing found when the time was over\n' "$1" "$3" "$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1)"
	else
		printf '%s %s: FAILED\n%s\n' "$1" "$3" "$out"
		return 1
	fi
}
export -f package one

targets=$(grep -roE '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' matrix base core api server cmd |
	sed -E 's|/[^/]*_test\.go:func | |' | sort -u)
echo "$(wc -l <<<"$targets") targets, $FUZZTIME each"
awk '{ of[$1] = of[$1] " " $2 } END { for (dir in of) print dir of[dir] }' <<<"$targets" | sort |
	xargs -L 1 -P "$(nproc)" bash -c 'package "$@"' package
