#!/bin/sh
set -eu
sed "s/\${PORT}/$PORT/" /usr/src/default.conf.template > /etc/nginx/conf.d/default.conf
exec "$@"
