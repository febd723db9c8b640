#!/bin/sh
# What the image's entrypoint leaves open, before it takes over:
#
# - It fills a new directory while that is served already, and a first start that is cut short leaves half of it for
#   good. So it is filled on loopback, and begun anew until the last entry is there.
# - Passwords are read only when the directory is made. Setting them at every start makes them what the stack says.
# - Who may send by DICOM is in the directory. It is set at every start too, from /callers: one AE title a line.
set -eu

settings=/etc/openldap/slapd.d
data=/var/lib/openldap/openldap-data
secrets=/run/archive-secrets
complete="cn=complete,$LDAP_BASE_DN"
device="dicomDeviceName=$ARCHIVE_DEVICE_NAME,cn=Devices,cn=DICOM Configuration,$LDAP_BASE_DN"

LDAP_ROOTPASS=$(cat $secrets/archive-ldap)
LDAP_CONFIGPASS=$(cat $secrets/archive-ldap-config)
export LDAP_ROOTPASS LDAP_CONFIGPASS

# Entries below $1 that match the filter $2, each line whole.
entries() {
    slapd -T cat -F $settings -b "$LDAP_BASE_DN" -o ldif-wrap=no -s "$1" -a "$2" 2>/dev/null
}

if ! entries "$complete" '(objectClass=*)' | grep -q '^dn:'; then
    find $settings $data -mindepth 1 -delete
    printf 'dn: %s\nobjectClass: organizationalRole\ncn: complete\n' "$complete" >/tmp/complete.ldif
    # The entrypoint imports it after everything else.
    IMPORT_LDIF=/tmp/complete.ldif LDAP_URLS=ldap://127.0.0.1/ /docker-entrypoint.sh "$@" &
    until ldapsearch -x -H ldap://127.0.0.1/ -b "$complete" -s base dn >/dev/null 2>&1; do
        kill -0 $! || exit 1
        sleep 0.5
    done
    kill -INT $!
    wait $! || true
fi

# By standard input: no password shows in the list of processes.
password() {
    printf 'dn: %s\nchangetype: modify\nreplace: olcRootPW\nolcRootPW: %s\n\n' "$1" "$(slappasswd -n -T "$2")"
}
{
    password 'olcDatabase={0}config,cn=config' $secrets/archive-ldap-config
    password 'olcDatabase={1}mdb,cn=config' $secrets/archive-ldap
} | slapd -T modify -F $settings -n 0

# Only the archive's own entity is called, by the callers alone, to verify and to store. Its other entities show it
# in other ways, and asking or fetching by DICOM would be a way round the login; both stay open to no caller at all.
entries "$device" '(objectClass=dicomNetworkAE)' | sed -n 's/^dn: //p' | while read -r entity; do
    printf 'dn: %s\nchangetype: modify\n' "$entity"
    printf 'replace: dcmAcceptedCallingAETitle\n'
    case $entity in
        "dicomAETitle=$AE_TITLE,"*) open=$(grep -q . /callers && echo TRUE || echo FALSE) ;;
        *) open=FALSE ;;
    esac
    [ $open = FALSE ] || sed 's/^/dcmAcceptedCallingAETitle: /' /callers
    # An instance under another patient's ID is refused, whatever the device or an administrator says, unless the
    # archive knows that both are one patient.
    printf -- '-\nreplace: dcmAcceptConflictingPatientID\ndcmAcceptConflictingPatientID: MERGED\n'
    printf -- '-\nreplace: dicomAssociationAcceptor\ndicomAssociationAcceptor: %s\n\n' $open
done >/tmp/callers.ldif
# Query and retrieve, worklists and the like: what the archive would do for others (role SCP) and is not storing.
entries "$device" '(&(objectClass=dicomTransferCapability)(dicomTransferRole=SCP))' | awk '
    /^dn: / { name = substr($0, 5) }
    /^dicomSOPClass: 1\.2\.840\.10008\.(5\.1\.4\.1\.2\.|5\.1\.4\.3[1-9]|5\.1\.4\.4[0-9]|1\.20\.|3\.1\.)/ {
        printf "dn: %s\nchangetype: delete\n\n", name
    }' >>/tmp/callers.ldif
slapd -T modify -F $settings -b "$LDAP_BASE_DN" -l /tmp/callers.ldif

chown -R ldap:ldap $settings $data
exec /docker-entrypoint.sh "$@"
