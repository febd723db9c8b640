#!/bin/sh
# PostgreSQL's image reads the password file only when it makes the database. Setting it at every start, before
# the server listens, makes the password what the stack says, so that replacing the secret is all that a
# rotation takes. The statement goes through standard input: it shows in no process list and in no log.
set -eu
if [ -s "$PGDATA/PG_VERSION" ]; then
    printf "ALTER ROLE \"%s\" PASSWORD '%s'\n" "$POSTGRES_USER" "$(cat "$POSTGRES_PASSWORD_FILE")" |
        postgres --single -D "$PGDATA" -c log_statement=none -c log_min_messages=fatal postgres >/dev/null
fi
exec docker-entrypoint.sh "$@"
