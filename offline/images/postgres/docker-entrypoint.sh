#!/bin/bash
# The official entrypoint's contract, as far as the program uses it: POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD
# (each also as …_FILE), POSTGRES_INITDB_ARGS, PGDATA, /docker-entrypoint-initdb.d/*.{sh,sql}; passwords over the network.
set -euo pipefail

[ "${1:0:1}" = - ] && set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    install -d -m 700 -o postgres -g postgres "$PGDATA"
    chown -R postgres:postgres "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

setting() {
    local file="${1}_FILE"
    if [ -n "${!file:-}" ]; then
        cat "${!file}"
    else
        printf '%s' "${!1:-${2:-}}"
    fi
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=$(setting POSTGRES_USER postgres)
    database=$(setting POSTGRES_DB "$user")
    password=$(setting POSTGRES_PASSWORD)
    if [ -z "$password" ]; then
        echo 'error: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE for a new database' >&2
        exit 1
    fi
    # As in the official image the arguments are split into words.
    eval "initdb --username=\"\$user\" --pwfile=<(printf '%s\n' \"\$password\") ${POSTGRES_INITDB_ARGS:-}"
    printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"

    # Reachable by its socket alone until it is set up.
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    export PGUSER=$user PGDATABASE=postgres PGPASSWORD=$password
    if [ "$database" != postgres ]; then
        psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password -v db="$database" <<< 'CREATE DATABASE :"db";'
    fi
    export PGDATABASE=$database
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) . "$file" ;;
            *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password -f "$file" ;;
        esac
    done
    unset PGUSER PGDATABASE PGPASSWORD
    pg_ctl -D "$PGDATA" -m fast -w stop
fi

exec "$@"
