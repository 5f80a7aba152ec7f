#!/usr/bin/env bash
# Puts node_modules here, exactly as package-lock.json says; when it is there already, does nothing. No package runs a script.
set -euo pipefail
cd "$(dirname "$0")"
export HOME="${HOME:-/tmp/freehold-home}"
have=node_modules/.installed # the lock file that node_modules was made from
if cmp -s package-lock.json "$have"; then exit 0; fi
echo "Fetching what the web app is built with, a minute or two." >&2
# npm's own node may be older than what the packages want: they run on the node that is among them. Without a network
# npm would try for minutes.
npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error \
	--prefer-offline --fetch-retries=3 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000
cp package-lock.json "$have"
