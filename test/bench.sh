#!/usr/bin/env bash
# Measures the built server on both engines, and several servers that speak with each other, and writes docs/performance.md: the
# machine should have nothing else to do. PostgreSQL is a throw-away one with fsync on. Arguments are those of freehold-load:
# "-only deliver,away,enter,heal" measures servers among each other alone, "-rooms 60 -missed 3000" a smaller split than the full one.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d /tmp/freehold-bench.XXXXXX)
chmod 755 "$dir"
export FH_POSTGRES_DIR=$dir/postgres FH_POSTGRES_FSYNC=on
trap 'test/postgres.sh stop; rm -rf "$dir"' EXIT

CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$dir" ./cmd/freehold ./cmd/freehold-load
"$dir/freehold-load" -program "$dir/freehold" -out docs/performance.md "$@"
"$dir/freehold-load" -program "$dir/freehold" -database "$(test/postgres.sh start)" -out docs/performance.md "$@"
