#!/bin/sh
# All entries of the LDAP directory, as LDIF. Its administrator sees hashed passwords too.
exec ldapsearch -x -LLL -o ldif-wrap=no -H "$LDAP_URL" -D "$LDAP_ADMIN" -y /run/dump-password -b "$LDAP_BASE" \
    '(objectClass=*)'
