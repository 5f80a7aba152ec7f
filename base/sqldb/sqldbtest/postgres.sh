#!/bin/sh
# A throw-away PostgreSQL server for tests, from the installed binaries: private directory, unix socket only.
#
#   postgres.sh start   start one (or find the one running) and print its URL; it stays until `stop`
#   postgres.sh stop    stop it and remove its directory
#   postgres.sh run     start another, print its URL, stop it and remove everything when standard input ends
#
# FH_POSTGRES_DIR is the directory of `start` (default: /tmp/freehold-postgres-UID). FH_POSTGRES_FSYNC=on makes commits
# wait for the disk, for what measures or cuts power; tests do without.
set -eu

bin=
for d in $(dirname "$(command -v initdb 2>/dev/null || echo /nowhere/initdb)") \
	$(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null | sort -rV); do
	if [ -x "$d/initdb" ] && [ -x "$d/postgres" ]; then
		bin=$d
		break
	fi
done
if [ -z "$bin" ]; then
	echo "PostgreSQL is not installed: run 'apt-get install postgresql' (or set FH_TEST_POSTGRES to the URL of a server)" >&2
	exit 3
fi

# initdb refuses root: use another user for the server.
as=
if [ "$(id -u)" = 0 ]; then
	user=nobody
	if id postgres >/dev/null 2>&1; then user=postgres; fi
	as="setpriv --reuid=$(id -u $user) --regid=$(id -g $user) --clear-groups --"
fi

boot() { # directory, which exists and belongs to the server's user
	dir=$1
	(
		cd "$dir"
		$as env LC_ALL=C "$bin/initdb" -D "$dir/data" -U freehold -A trust -E UTF8 --locale=C -N >"$dir/initdb.log" 2>&1 ||
			{ cat "$dir/initdb.log" >&2; exit 1; }
		exec $as "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync="$fsync" -c full_page_writes="$fsync" \
			-c max_connections=300 -c shared_buffers=64MB -c max_wal_size=256MB -c autovacuum_naptime=60 -c jit=off
	) >"$dir/log" 2>&1 </dev/null &
	server=$!
	i=0
	until grep -q '^ready' "$dir/data/postmaster.pid" 2>/dev/null; do
		i=$((i + 1))
		if [ $i -gt 600 ] || ! kill -0 $server 2>/dev/null; then
			echo "PostgreSQL did not start:" >&2
			cat "$dir/log" >&2
			exit 1
		fi
		sleep 0.05
	done
}

url() { echo "postgres://freehold@/postgres?host=$1"; }

own() { # directory: give it to the server's user
	chmod 700 "$1"
	if [ -n "$as" ]; then chown "$user" "$1"; fi
}

fsync=${FH_POSTGRES_FSYNC:-off}
fixed=${FH_POSTGRES_DIR:-/tmp/freehold-postgres-$(id -u)}
case "${1:-}" in
start)
	if [ -f "$fixed/data/postmaster.pid" ] && kill -0 "$(head -1 "$fixed/data/postmaster.pid")" 2>/dev/null; then
		url "$fixed"
		exit
	fi
	rm -rf "$fixed"
	mkdir -p "$fixed"
	own "$fixed"
	boot "$fixed"
	url "$fixed"
	;;
stop)
	if [ -f "$fixed/data/postmaster.pid" ]; then
		pid=$(head -1 "$fixed/data/postmaster.pid")
		kill -INT "$pid" 2>/dev/null || true
		while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
	fi
	rm -rf "$fixed"
	;;
run)
	dir=$(mktemp -d /tmp/freehold-pg.XXXXXX)
	server=
	trap 'if [ -n "$server" ]; then kill -QUIT $server 2>/dev/null || true; wait $server 2>/dev/null || true; fi; rm -rf "$dir"' EXIT
	trap 'exit 1' INT TERM HUP
	own "$dir"
	boot "$dir"
	url "$dir"
	exec >/dev/null 2>&1
	cat >/dev/null # until the test process has gone
	;;
*)
	sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
