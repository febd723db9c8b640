#!/bin/sh
# The official entrypoint's contract, as far as the program uses it: a new directory has its settings made as the
# directory's own user, is served at once and filled while it is; then nothing but the server.
set -eu

if [ "$1" = slapd ]; then
    export LDAP_ROOTPASS="${LDAP_ROOTPASS:-secret}" LDAP_CONFIGPASS="${LDAP_CONFIGPASS:-secret}"
    mkdir -p /run/openldap
    chown ldap:ldap /run/openldap /etc/openldap/slapd.d
    if [ ! -f '/etc/openldap/slapd.d/cn=config.ldif' ]; then
        sed -e "s/@ROOT@/$(slappasswd -s "$LDAP_ROOTPASS" | sed 's/[&/]/\\&/g')/" \
            -e "s/@CONFIG@/$(slappasswd -s "$LDAP_CONFIGPASS" | sed 's/[&/]/\\&/g')/" \
            -e "s/@BASE@/$LDAP_BASE_DN/" /etc/openldap/schema.ldif |
            setpriv --reuid=ldap --regid=ldap --clear-groups slapadd -n 0 -F /etc/openldap/slapd.d
        (
            sleep 2
            /etc/openldap/configure.sh
        ) &
    fi
    set -- "$@" -F /etc/openldap/slapd.d -d 32768 -h "$LDAP_URLS"
fi
exec "$@"
