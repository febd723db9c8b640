#!/bin/bash
# The official entrypoint's contract, as far as the program uses it: secrets from files, folders made the server's own,
# waiting for directory and database, becoming the user `wildfly`. Then what the archive would do with what it was
# configured to: open its key stores, bind at the directory, read its device there, log in at the database.
set -euo pipefail

[ "$1" = standalone.sh ] || exec "$@"

from_file() {
    local file=${1}_FILE
    if [ -n "${!1:-}" ] && [ -n "${!file:-}" ]; then
        echo "error: both $1 and $file are set" >&2
        exit 1
    fi
    printf -v "$1" '%s' "${!1:-$([ -z "${!file:-}" ] || cat "${!file}")}"
    [ -n "${!1}" ] || printf -v "$1" '%s' "${2:-}"
    export "${1?}"
    unset "$file"
}
from_file LDAP_ROOTPASS secret
from_file POSTGRES_USER pacs
from_file POSTGRES_PASSWORD pacs
from_file KEYSTORE_PASSWORD secret
from_file TRUSTSTORE_PASSWORD changeit
from_file WILDFLY_ADMIN_USER
from_file WILDFLY_ADMIN_PASSWORD

for folder in $WILDFLY_CHOWN; do
    if [ ! -f "$folder/chown.done" ]; then
        touch "$folder/chown.done"
        chown -R wildfly:wildfly "$folder"
    fi
done
for place in $WILDFLY_WAIT_FOR; do
    echo "Waiting for $place ..."
    until (exec 3<>"/dev/tcp/${place/://}") 2>/dev/null; do sleep 1; done
done

as_wildfly() { chroot --userspec=wildfly:wildfly / "$@"; }

as_wildfly keytool -list -keystore "$KEYSTORE" -storetype "$KEYSTORE_TYPE" -storepass:env KEYSTORE_PASSWORD >/dev/null
as_wildfly keytool -list -keystore "$TRUSTSTORE" -storetype "$TRUSTSTORE_TYPE" -storepass:env TRUSTSTORE_PASSWORD \
    >/dev/null

# Lines `attribute: value` of the entries below the archive's device that match a filter.
ask() {
    ldapsearch -x -LLL -o ldif-wrap=no -H "$LDAP_URL" -D "cn=admin,$LDAP_BASE_DN" -w "$LDAP_ROOTPASS" \
        -b "${2:+$2,}dicomDeviceName=$ARCHIVE_DEVICE_NAME,cn=Devices,cn=DICOM Configuration,$LDAP_BASE_DN" "$1"
}
value() { sed -n "s/^$1: //p"; }
AE_TITLE=$(ask '(objectClass=dicomDevice)' | value dcmRejectionNoteStorageAET)
DICOM_PORT=$(ask '(objectClass=dicomNetworkConnection)' | value dicomPort)
STORAGE_DIR=$(ask '(objectClass=dcmStorage)' | value dcmURI)
ACCEPTS=$(ask '(objectClass=dicomNetworkAE)' "dicomAETitle=$AE_TITLE" | value dicomAssociationAcceptor)
CALLERS=$(ask '(objectClass=dicomNetworkAE)' "dicomAETitle=$AE_TITLE" | value dcmAcceptedCallingAETitle)
CONFLICTING=$(ask '(objectClass=dcmArchiveNetworkAE)' "dicomAETitle=$AE_TITLE" | value dcmAcceptConflictingPatientID)
SERVICES=$(ask '(objectClass=dicomTransferCapability)' "dicomAETitle=$AE_TITLE" | value dicomSOPClass)
OTHERS=$(ask '(&(objectClass=dicomNetworkAE)(dicomAssociationAcceptor=TRUE))' | value dicomAETitle)
if [ -n "$(grep -vx "$AE_TITLE" <<<"$OTHERS")" ]; then
    echo "error: more than $AE_TITLE is open to callers" >&2
    exit 1
fi
STORAGE_DIR=${STORAGE_DIR#file://}
as_wildfly mkdir -p "$STORAGE_DIR"
export AE_TITLE DICOM_PORT STORAGE_DIR ACCEPTS CALLERS SERVICES CONFLICTING

export PGPASSWORD=$POSTGRES_PASSWORD
psql -qtA -h "$POSTGRES_HOST" -p "$POSTGRES_PORT" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c 'TABLE study' >/dev/null

umask 077
work=$(as_wildfly mktemp -d)
jq -n -f /usr/share/stand-in/orthanc.jq >"$work/orthanc.json"
sed "s/@AET@/$AE_TITLE/g" /usr/share/stand-in/nginx.conf >"$work/nginx.conf"
printf '[{"dicomAETitle":"%s"}]' "$AE_TITLE" >"$work/aets.json"
printf '{"status":"STARTED"}' >"$work/status.json"
chown -R wildfly:wildfly "$work"
unset LDAP_ROOTPASS POSTGRES_PASSWORD PGPASSWORD KEYSTORE_PASSWORD TRUSTSTORE_PASSWORD WILDFLY_ADMIN_PASSWORD
cd "$work"
as_wildfly nginx -p "$work" -c "$work/nginx.conf" -e error.log
exec chroot --userspec=wildfly:wildfly / Orthanc "$work/orthanc.json"
