#!/usr/bin/env bash
# Builds the web app once more, from a copy of its sources in another folder, and compares: the same sources give the same bytes.
set -euo pipefail
cd "$(dirname "$0")"
export HOME="${HOME:-/tmp/freehold-home}" LC_ALL=C
again=shots/again # below here, so that node finds the packages
trap 'rm -rf "$again"' EXIT
rm -rf "$again"
mkdir -p "$again"
find . -mindepth 1 -maxdepth 1 ! -name node_modules ! -name dist ! -name shots ! -name e2e -exec cp -R {} "$again" \;
(cd "$again" && PATH="$PWD/../../node_modules/.bin:$PATH" npm run --silent build)
diff -r --exclude=.gitkeep dist "$again/dist"
echo "Two builds of the web app are the same."
