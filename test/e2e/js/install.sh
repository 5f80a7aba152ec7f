#!/usr/bin/env bash
# Puts node_modules here, exactly as package-lock.json says; when it is there already, does nothing. No package runs a script.
set -euo pipefail
cd "$(dirname "$0")"

have=node_modules/.installed # the lock file that node_modules was made from
if cmp -s package-lock.json "$have"; then exit 0; fi
if ! command -v npm >/dev/null; then
	echo "The stories with matrix-js-sdk need npm, version 7 or later. Run: sudo apt-get install npm" >&2
	exit 1
fi
export HOME="${HOME:-/tmp/freehold-home}"
# npm's own node may be older than what the packages want: they run on the node that is among them.
npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
cp package-lock.json "$have"
