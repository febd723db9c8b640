#!/bin/sh
# Writes the dump $DUMP whenever the backup asks for it: $DUMP.wanted appears, and goes once $DUMP.dump is complete or
# $DUMP.failed says why it is not. A dump that failed leaves the one before as it is.
set -u

while :; do
    if [ -e "$DUMP.wanted" ]; then
        if /bin/sh /dump.sh >"$DUMP.part" 2>"$DUMP.failed"; then
            mv "$DUMP.part" "$DUMP.dump"
            rm -f "$DUMP.failed"
        else
            rm -f "$DUMP.part"
        fi
        rm -f "$DUMP.wanted"
    fi
    sleep 1
done
