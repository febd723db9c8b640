#!/bin/sh
# Merges /etc/orthanc/*.json over the defaults into /tmp/orthanc.json and starts Orthanc with it, as the official
# entrypoint does. The settings that the official one also takes from the environment are refused, not ignored.
set -eu

if env | grep -q '^ORTHANC__\|^ORTHANC_JSON='; then
    echo 'error: this image takes its settings from /etc/orthanc/*.json, not from ORTHANC__… variables' >&2
    exit 1
fi

umask 077
jq --slurp --from-file /defaults.jq /etc/orthanc/*.json > /tmp/orthanc.json
exec Orthanc "$@"
