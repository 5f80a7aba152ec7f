#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME seconds (30), less when FUZZTOTAL seconds would not be enough for all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

targets=()
while read -r dir; do
	for name in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //' | sort -u); do
		targets+=("$dir $name")
	done
done < <(grep -rlE '^func Fuzz' --include='*_test.go' matrix base core api server cmd 2>/dev/null | xargs -r -n1 dirname | sort -u)

n=${#targets[@]}
if [ "$n" = 0 ]; then
	echo "no fuzz targets"
	exit
fi
each=${FUZZTIME:-30}
total=${FUZZTOTAL:-86400}
if [ $((each * n)) -gt "$total" ]; then each=$((total / n)); fi
if [ "$each" -lt 1 ]; then each=1; fi
echo "$n targets, $each s each"
for t in "${targets[@]}"; do
	read -r dir name <<<"$t"
	printf '%s %s: ' "$dir" "$name"
	if out=$(go test -run '^$' -fuzz "^$name\$" -fuzztime "${each}s" "./$dir" 2>&1); then
		grep -oE 'execs: [0-9]+ \([0-9]+/sec\)' <<<"$out" | tail -1 || echo ok
	else
		echo FAILED
		echo "$out"
		exit 1
	fi
done
