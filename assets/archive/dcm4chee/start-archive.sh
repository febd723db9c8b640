#!/bin/bash
# The image brings a key and an authority that everybody knows, in stores with passwords that everybody knows. Nobody
# connects by them here - the gateway terminates TLS - but the archive opens both at its start. So it gets stores of
# its own, made anew each time.
set -euo pipefail

umask 077
stores=/run/keystores
secrets=/run/archive-secrets
rm -f "$KEYSTORE" "$TRUSTSTORE"
keytool -genkeypair -alias archive -dname "CN=$HOSTNAME" -keyalg EC -groupname secp256r1 -validity 3650 \
    -keystore "$KEYSTORE" -storetype PKCS12 -storepass:file $secrets/archive-keystore
keytool -exportcert -alias archive -keystore "$KEYSTORE" -storepass:file $secrets/archive-keystore |
    keytool -importcert -noprompt -alias archive \
        -keystore "$TRUSTSTORE" -storetype PKCS12 -storepass:file $secrets/archive-truststore
chown wildfly:wildfly $stores/*

umask 022
exec /docker-entrypoint.sh "$@"
