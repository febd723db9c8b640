#!/bin/sh
# Puts back the dump $DUMP.dump in two steps: `prepare` restores it next to the database, `commit` lets it take the
# database's place. Whatever fails before that, the one that was there is still there.
set -eu

sql() { psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres "$@"; }

aside="${DATABASE}_restored"
before="${DATABASE}_before"
case "$1" in
prepare)
    sql --command="DROP DATABASE IF EXISTS \"$aside\""
    sql --command="CREATE DATABASE \"$aside\" TEMPLATE template0"
    # The owner is who restores: on another server the service has another user.
    pg_restore --exit-on-error --no-owner --no-privileges --dbname="$aside" "$DUMP.dump"
    ;;
commit)
    sql --command="DROP DATABASE IF EXISTS \"$before\""
    sql --single-transaction <<STATEMENTS
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DATABASE' \g /dev/null
ALTER DATABASE "$DATABASE" RENAME TO "$before";
ALTER DATABASE "$aside" RENAME TO "$DATABASE";
STATEMENTS
    sql --command="DROP DATABASE \"$before\""
    ;;
esac
