#!/bin/sh
# Puts back the entries in $DUMP.dump in place of those that are there: `prepare` looks at the dump, `commit` does it.
set -eu

ldap() {
    command="$1"
    shift
    "$command" -x -H "$LDAP_URL" -D "$LDAP_ADMIN" -y /run/dump-password "$@"
}

case "$1" in
prepare)
    # Half a dump must not take the place of a whole directory.
    grep -q "^dn: $LDAP_BASE\$" "$DUMP.dump"
    ldap ldapadd -n -f "$DUMP.dump" >/dev/null
    ;;
commit)
    ldap ldapdelete -r "$LDAP_BASE"
    ldap ldapadd -f "$DUMP.dump" >/dev/null
    ;;
esac
