#!/usr/bin/env bash
# Puts Synapse into a virtual environment under .tools, exactly as synapse.txt says; when it is there already, does nothing.
# Synapse is run as it is, as a process beside Freehold; nothing of it becomes part of this project.
set -euo pipefail
cd "$(dirname "$0")"

to=../../.tools/synapse
have=$to/.installed # the list that the environment was made from
if cmp -s synapse.txt "$have"; then exit 0; fi
if ! python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
	echo "The stories with Synapse need Python 3.10 or later with its venv. Run: sudo apt-get install python3 python3-venv" >&2
	exit 1
fi
rm -rf "$to"
mkdir -p "$(dirname "$to")"
python3 -m venv "$to"
"$to/bin/pip" --disable-pip-version-check install --quiet --only-binary :all: --require-hashes -r synapse.txt
cp synapse.txt "$have"
