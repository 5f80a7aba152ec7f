#!/usr/bin/env bash
# The whole test suite, from a fresh clone: `make test`. Installs what it needs when it may, and says what to run when it
# may not; nothing is skipped silently.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PATH:/usr/local/go/bin"
export GOFLAGS="${GOFLAGS:-} -buildvcs=false -trimpath" # git may not trust the owner of the clone
export CGO_ENABLED=0 # as the program is built, so that nothing is compiled twice; the race detector alone needs it
began=$SECONDS
work=$(mktemp -d /tmp/freehold-test.XXXXXX)
chmod 755 "$work" # PostgreSQL has a user of its own
trap 'rm -rf "$work"' EXIT

row= # which of those that run at the same time this is
step() {
	if [ -n "$row" ]; then printf '%s: %s (%d s)\n' "$row" "$*" $((SECONDS - began)) >>"$work/steps"; fi
	printf '\n== %s (%d s)\n' "$*" $((SECONDS - began))
}

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
need "python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))'" python3 python3-venv # for Synapse, in test/interop
need 'command -v npm' npm # for the web app and for matrix-js-sdk, in test/e2e; they bring the node that they need
need 'command -v chromium' chromium # for the web app's stories

step "PostgreSQL"
if [ -z "${FH_TEST_POSTGRES:-}" ]; then
	export FH_POSTGRES_DIR=$work/postgres
	trap 'test/postgres.sh stop; rm -rf "$work"' EXIT
	FH_TEST_POSTGRES=$(test/postgres.sh start)
	export FH_TEST_POSTGRES
fi
echo "$FH_TEST_POSTGRES"

step "matrix-js-sdk"
test/e2e/js/install.sh

step "the web app"
export FREEHOLD_WEB=required # without it this is a failure
make --no-print-directory web

# test/spec holds what the server says against the specification, which is not part of the project.
if [ -z "${MATRIX_SPEC:-}" ] && [ ! -e ../shared/matrix-spec ]; then
	step "no specification"
	go test -count=1 -v -run '^TestSpecification$' ./test/conformance | grep -v '^[=-]'
fi

step "gofumpt, go vet, go fix"
make --no-print-directory fmt-check vet fix-check
export GOFLAGS="$GOFLAGS -vet=off" # go test would do it again; the modules of their own call go vet themselves

step "go build, static"
mkdir "$work/built"
go build -o "$work/built" ./cmd/...
export FH_TEST_BINARY=$work/built/freehold # what test/harness starts

# The two that are left out drive a server in another process, which the detector does not see; they have steps of their own. SQLite,
# translated from C, keeps its memory outside Go's heap, where the detector does not look: with its checks it takes twice the time and
# finds nothing. Its driver, which reads what we hand to it, is watched.
race_row() {
	step "go test -race -shuffle=on, all but test/conformance and test/crash"
	# The longest goes first, or it would go on alone at the end; more packages at a time than there are processors, as many of them wait.
	CGO_ENABLED=1 go test -p $(($(nproc) + 1)) -race '-gcflags=modernc.org/...=-d=checkptr=0 -race=false' -gcflags=modernc.org/sqlite=-d=checkptr=0 \
		-shuffle=on -timeout 20m ./server $(go list ./... | grep -vE '(/server|/test/(conformance|crash))$')

	# A write may run twice in life (a commit that is tried again): so here each does, the first time for nothing.
	step "FH_TEST_REHEARSE=1 go test ./core/..., SQLite"
	FH_TEST_REHEARSE=1 go test -skip '/^postgres$' ./core/...
}

# Modules of their own: they compare us with other implementations, or drive us with other clients' libraries. goolm is
# mautrix-go's encryption in Go; what else a module wants to be run with is in its env file.
module() {
	step "go test -tags goolm ./... in $1"
	(
		cd "$1"
		VERBOSE=
		if [ -e env ]; then set -a && . ./env && set +a; fi
		go vet -tags goolm ./...
		go test -tags goolm -shuffle=on -timeout 20m $VERBOSE ./...
	)
}

clients_row() {
	module test/e2e

	step "the stories of test/e2e on servers that were restored from a backup"
	(cd test/e2e && FREEHOLD_E2E=restored go test -tags goolm -shuffle=on -timeout 20m ./...)

	step "conformance on PostgreSQL"
	FREEHOLD_DATABASE_URL=$FH_TEST_POSTGRES go test -shuffle=on -count=1 -timeout 20m ./test/conformance

	step "stories on two homeservers, Freehold and Synapse"
	test/interop/run.sh

	module test/oracle
}

web_row() {
	step "the web app's types, lint, unit tests and size"
	make --no-print-directory web-check

	step "the web app, built once more"
	web/again.sh

	step "conformance on SQLite"
	go test -shuffle=on -count=1 -timeout 20m ./test/conformance

	step "crashes"
	FREEHOLD_CRASHES=${FREEHOLD_CRASHES:-50} go test -v -timeout 20m ./test/crash | grep --line-buffered -vE '^(=== |    --- PASS)'
}

# What may go without a processor for as long as others want it: whole servers, cuts and kills by chance, whose time is fake (FH_FIRST,
# FH_HISTORIES: others, or more; in continuous integration five times as many; the race row plays some under the detector), and fuzzing,
# two thousand inputs a target here, thirty seconds in `make fuzz`: what is found in CI is what a change has broken outright.
rest_row() {
	local histories=${FH_HISTORIES:-200}
	if [ -n "${CI:-}" ]; then histories=${FH_HISTORIES:-1000}; fi
	step "$histories histories of several servers, without the race detector"
	FH_FIRST=${FH_FIRST:-100} FH_HISTORIES=$histories go test -count=1 -timeout 40m -run '^TestHistories$' ./test/split

	step "fuzzing"
	FUZZTIME=${FUZZTIME:-2000x} test/fuzz.sh
}

# What waits for servers, the disk and the clock goes beside what computes; the rest takes what is left.
begin() { # row, how nice it is: its steps are named at once, and what else it says is printed when it has ended
	(
		row=$1
		renice -n "$2" -p $BASHPID >/dev/null
		"${row}_row"
	) >"$work/$1" 2>&1 &
}
bad=
finish() { # what ran, its process
	wait "$2" || bad="$bad $1"
	cat "$work/$1"
}
echo
touch "$work/steps"
tail -f "$work/steps" & steps=$!
begin web 0
web=$!
begin clients 0
clients=$!
begin race 0
race=$!
begin rest 19
rest=$!
for one in clients web race; do finish "$one" "${!one}"; done

# Chromium comes when all but the rest is over, as its stories go by the second.
step "the web app in Chromium"
make --no-print-directory web-e2e || bad="$bad web"
finish rest $rest
kill $steps
[ -z "$bad" ] || { echo "not good:$bad" >&2 && exit 1; }

step "all good"
