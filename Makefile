# Freehold. `make run` starts it, `make test` is what continuous integration runs, `make check` is for before a commit.

SHELL := /bin/bash
ifeq ($(HOME),)
export HOME := /tmp/freehold-home
endif
export PATH := $(PATH):/usr/local/go/bin
# A clone whose owner git does not trust cannot be asked for its revision; a build must not fail for that.
VCS := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
TOOL := go tool -modfile=tools.mod
PKG ?= ./...

.PHONY: run build test check unit race fuzz bench microbench fmt fmt-check vet fix-check lint deadcode gen clean

run: build ## build and start the server on http://localhost:8008
	./freehold serve

build: ## one static binary, ./freehold
	@command -v go >/dev/null || { echo "Go is not installed: https://go.dev/dl, version $$(sed -n "s/^go //p" go.mod) or later" >&2; exit 1; }
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(VCS) -o freehold ./cmd/freehold

test: ## everything, from a fresh clone: both databases, race detector, separate modules, fuzzing, crashes
	test/all.sh

check: fmt-check vet fix-check lint unit ## what to run before a commit

unit: ## the tests, quickly: PostgreSQL only if FH_TEST_POSTGRES is set or it is installed
	go test -buildvcs=false $(PKG)

race: ## the tests under the race detector, in random order
	go test -buildvcs=false -race -shuffle=on $(PKG)

fuzz: ## every fuzz target, FUZZTIME each (30s)
	test/fuzz.sh

bench: ## what a message costs on both engines, into docs/performance.md
	test/bench.sh

microbench: ## the benchmarks of packages, ten runs each, for benchstat
	go test -buildvcs=false -run '^$$' -bench . -benchmem -count 10 $(PKG)

fmt: ## format
	$(TOOL) gofumpt -w .

fmt-check:
	@bad=$$($(TOOL) gofumpt -l .); if [ -n "$$bad" ]; then echo "not formatted (make fmt):"; echo "$$bad"; exit 1; fi

vet:
	go vet -buildvcs=false ./...

fix-check:
	go fix -diff ./...

lint:
	$(TOOL) golangci-lint run

deadcode: ## functions that nothing reaches, not even a test
	$(TOOL) deadcode -test ./...

gen: ## docs/config.md, docs/routes.md, docs/coverage.md
	go test -buildvcs=false ./server ./api/client -run 'Docs' -rewrite

clean:
	rm -f freehold freehold-load
