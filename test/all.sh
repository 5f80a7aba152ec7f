#!/usr/bin/env bash
# The whole test suite, from a fresh clone: `make test`. Installs what it needs when it may, and says what to run when it
# may not; nothing is skipped silently.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PATH:/usr/local/go/bin"
export GOFLAGS="${GOFLAGS:-} -buildvcs=false" # git may not trust the owner of the clone
began=$SECONDS

step() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - began)); }

# need COMMAND-THAT-SUCCEEDS-WHEN-PRESENT PACKAGE...
need() {
	local present=$1
	shift
	if eval "$present" >/dev/null 2>&1; then return; fi
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		step "installing $*"
		export DEBIAN_FRONTEND=noninteractive
		apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
			{ apt-get update >/dev/null && apt-get install -y --no-install-recommends "$@" >/dev/null; } || true
		if eval "$present" >/dev/null 2>&1; then return; fi
	fi
	echo "The tests need $*. Run: sudo apt-get install $*" >&2
	exit 1
}

if ! command -v go >/dev/null; then
	echo "Go is not installed: https://go.dev/dl, version $(sed -n 's/^go //p' go.mod) or later" >&2
	exit 1
fi
need 'command -v gcc && test -e /usr/include/stdlib.h' gcc libc6-dev # the race detector needs cgo
need 'command -v initdb || ls /usr/lib/postgresql/*/bin/initdb' postgresql

step "PostgreSQL"
if [ -z "${FH_TEST_POSTGRES:-}" ]; then
	pg=$(mktemp -d /tmp/freehold-test-pg.XXXXXX)
	export FH_POSTGRES_DIR=$pg/server
	chmod 755 "$pg"
	trap 'test/postgres.sh stop; rm -rf "$pg"' EXIT
	FH_TEST_POSTGRES=$(test/postgres.sh start)
	export FH_TEST_POSTGRES
fi
echo "$FH_TEST_POSTGRES"

step "gofumpt, go vet, go fix"
make --no-print-directory fmt-check vet fix-check

step "go build, static"
CGO_ENABLED=0 go build -trimpath -o /dev/null ./cmd/...

step "go test -race -shuffle=on ./..."
CGO_ENABLED=1 go test -race -shuffle=on -timeout 20m ./...

# A write may run twice in life (a commit that is tried again): so here each does, the first time for nothing.
step "FH_TEST_REHEARSE=1 go test ./core/..., SQLite"
FH_TEST_REHEARSE=1 go test -skip '/^postgres$' ./core/...

step "conformance on PostgreSQL"
FREEHOLD_DATABASE_URL=$FH_TEST_POSTGRES go test -count=1 -timeout 20m ./test/conformance

# Modules of their own: they compare us with other implementations, or drive us with other clients' libraries. goolm is
# mautrix-go's encryption in Go; what else a module wants to be run with is in its env file.
for mod in test/*/go.mod; do
	dir=$(dirname "$mod")
	step "go test -tags goolm ./... in $dir"
	(
		cd "$dir"
		VERBOSE=
		if [ -e env ]; then set -a && . ./env && set +a; fi
		go vet -tags goolm ./... && go test -tags goolm -shuffle=on -timeout 20m $VERBOSE ./...
	)
done

step "crashes"
FREEHOLD_CRASHES=${FREEHOLD_CRASHES:-50} go test -v -timeout 20m ./test/crash | grep --line-buffered -vE '^(=== |    --- PASS)'

step "fuzzing"
test/fuzz.sh

step "all good"
