#!/bin/sh
# A dump of the whole database as one consistent view (pg_dump), uncompressed: restic finds what is unchanged, and
# compresses the rest.
exec pg_dump --format=custom --compress=0 "$DATABASE"
