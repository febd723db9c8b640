#!/bin/sh
# Fills a new directory: the archive's device by the names that the environment has, then what is to be imported.
sed -e "s/@BASE@/$LDAP_BASE_DN/" -e "s/@DEVICE@/$ARCHIVE_DEVICE_NAME/" -e "s/@AET@/$AE_TITLE/" \
    -e "s/@PORT@/$DICOM_PORT/" -e "s|@STORAGE@|$STORAGE_DIR|" /etc/openldap/device.ldif |
    ldapadd -xw "$LDAP_ROOTPASS" -D "cn=admin,$LDAP_BASE_DN" -H "$LDAP_URLS"
for file in $IMPORT_LDIF; do
    ldapadd -xw "$LDAP_ROOTPASS" -D "cn=admin,$LDAP_BASE_DN" -H "$LDAP_URLS" -f "$file"
done
