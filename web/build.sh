#!/usr/bin/env bash
# Builds the web app into dist, which `go build` embeds; does nothing when dist is what the sources say already. Without npm,
# or what npm would fetch, it says what to do, and the program is built without the app. With FREEHOLD_WEB=required, as in
# continuous integration, that is a failure.
set -euo pipefail
cd "$(dirname "$0")"
export HOME="${HOME:-/tmp/freehold-home}" LC_ALL=C

sources=$(find . \( -name node_modules -o -path ./dist -o -path ./shots -o -path ./e2e \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
built=node_modules/.built # the sources that dist was made from
if [ -e dist/index.html.br ] && [ "$(cat $built 2>/dev/null)" = "$sources" ]; then exit 0; fi

# An older app is not left in the program: it might not go with it.
without() {
	find dist -mindepth 1 ! -name .gitkeep -delete
	echo "The web app is left out: $1, then make build again." >&2
	if [ "${FREEHOLD_WEB:-}" = required ]; then
		echo "FREEHOLD_WEB=required: without the web app this is a failure." >&2
		exit 1
	fi
	exit 0
}

if ! command -v npm >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "Installing npm, to build the web app." >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends npm >/dev/null 2>&1 || true
fi
if ! command -v npm >/dev/null; then without "npm is not installed. To have it: sudo apt-get install npm"; fi
./install.sh || without "npm could not fetch its packages. To have it: see to it that npm reaches $(npm config get registry 2>/dev/null || echo its registry)"

echo "Building the web app." >&2
npm run --silent build
echo "$sources" >$built
