#!/usr/bin/env bash
# Tells the stories, installing Synapse first unless another launcher is named; RUN chooses among them. See README.md.
set -euo pipefail
cd "$(dirname "$0")"

[ -n "${FREEHOLD_INTEROP:-}" ] || ./install.sh
go vet -tags goolm ./...
go test -tags goolm -count=1 -timeout 10m -run "${RUN:-.}" ./...
