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

.PHONY: run build web web-check web-e2e web-shots web-bench test check unit race interop fuzz soak bench microbench fmt fmt-check vet fix-check lint deadcode gen clean

run: build ## build and start the server on http://localhost:8008
	./freehold serve

build: web ## one static binary, ./freehold, with the web app in it
	@command -v go >/dev/null || { echo "Go is not installed: https://go.dev/dl, version $$(sed -n "s/^go //p" go.mod) or later" >&2; exit 1; }
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(VCS) -o freehold ./cmd/freehold

web: ## the web app, into web/dist; nothing when it is there; without npm it is left out
	web/build.sh

web-check: web ## the web app's types, lint, unit tests and size
	cd web && npm run --silent check

web-e2e: build ## the web app's stories, in Chromium against the real program
	cd web && npm run --silent e2e

web-shots: build ## pictures of every screen, into web/shots; axe looks at each
	cd web && npm run --silent shots

web-bench: build ## what the web app costs, into docs/performance.md; nothing else may run meanwhile
	cd web && npm run --silent bench -- ../docs/performance.md

test: ## everything, from a fresh clone: both databases, race detector, separate modules, fuzzing, crashes
	test/all.sh

check: fmt-check vet fix-check lint unit ## what to run before a commit

unit: ## the tests, quickly: PostgreSQL only if FH_TEST_POSTGRES is set or it is installed
	go test -buildvcs=false $(PKG)

race: ## the tests under the race detector, in random order
	go test -buildvcs=false -race '-gcflags=modernc.org/...=-d=checkptr=0 -race=false' -gcflags=modernc.org/sqlite=-d=checkptr=0 -shuffle=on $(PKG)

interop: ## stories on Freehold and Synapse (FREEHOLD_INTEROP=launcher: another server; RUN=pattern: some), test/interop
	RUN='$(RUN)' FREEHOLD_INTEROP='$(FREEHOLD_INTEROP)' FREEHOLD_INTEROP_OURS='$(FREEHOLD_INTEROP_OURS)' test/interop/run.sh

fuzz: ## every fuzz target, FUZZTIME each (30s), and half an hour of mixed load (SOAK=30m)
	test/fuzz.sh
	test/soak.sh

soak: ## mixed load alone, SOAK long (30m), RATE operations a second (150)
	test/soak.sh

bench: ## what a message costs on both engines and between servers, into docs/performance.md (BENCH="-only heal" measures that alone)
	test/bench.sh $(BENCH)

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

gen: ## docs/config.md, docs/routes.md, docs/coverage.md, docs/behaviours.md, docs/limits.md, docs/attacks.md
	go test -buildvcs=false ./server ./api/client ./test/docs -run 'Docs' -rewrite

clean:
	rm -f freehold freehold-load
