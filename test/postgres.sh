#!/bin/sh
# The PostgreSQL server that `make test` shares between packages: start (prints the URL for FH_TEST_POSTGRES) and stop.
exec sh "$(dirname "$0")/../base/sqldb/sqldbtest/postgres.sh" "$@"
