#!/bin/sh
# What the image's entrypoint leaves open, before it takes over:
#
# - A first start that is cut short leaves a folder that looks like a database and has none in it, for good. So it is
#   made aside, and moved to its place when it is whole.
# - The password file is read only when the database is made. Setting the password at every start, before the server
#   listens, makes it what the stack says, so that replacing the secret is all that a rotation takes. The statement
#   goes through standard input: it shows in no process list and in no log.
# - Another major version of the server does not start on a database; `make upgrade` takes it there.
set -eu

version=$(cat "$PGDATA/PG_VERSION" 2>/dev/null || true)
server=$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
if [ "${version:-$server}" != "$server" ]; then
    echo "the database is of PostgreSQL $version, and this is $server: make upgrade takes it there" >&2
    exit 1
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    PGDATA="$PGDATA.new" docker-entrypoint.sh postgres -c listen_addresses= -c unix_socket_directories=/tmp &
    # The entrypoint's own server, while it makes the database, has its socket elsewhere.
    until pg_isready --quiet --host=/tmp; do
        kill -0 $! || exit 1
        sleep 0.2
    done
    kill -INT $!
    wait $! || true
    mv "$PGDATA.new" "$PGDATA"
else
    printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" "$POSTGRES_USER" "$(cat "$POSTGRES_PASSWORD_FILE")" |
        postgres --single -D "$PGDATA" -c log_statement=none -c log_min_messages=fatal postgres >/dev/null
fi
exec docker-entrypoint.sh "$@"
