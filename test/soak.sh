#!/usr/bin/env bash
# Half an hour of mixed load (SOAK=30m) on a server whose locks are watched (test/lockorder): 150 operations a second
# (RATE) are as many as a community of forty does in twelve hours. What is looked at is in cmd/freehold-load/soak.go.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
dir=$(mktemp -d /tmp/freehold-soak.XXXXXX)
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/overlay"
go run ./test/lockorder/overlay "$dir/overlay"
go build -o "$dir/freehold-load" ./cmd/freehold-load
CGO_ENABLED=0 go build -overlay "$dir/overlay/overlay.json" -o "$dir/freehold" ./cmd/freehold
export LOCKORDER_LOG=$dir/orders
"$dir/freehold-load" -program "$dir/freehold" -soak "${SOAK:-30m}" -rate "${RATE:-150}" -profiles "$dir"
echo "$(wc -l <"$dir/orders") orders of locks were seen, none of them violated"
