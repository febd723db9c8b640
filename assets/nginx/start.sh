#!/bin/sh
# Starts nginx, and while it runs has it read its configuration again whenever the certificate is another: connections
# that are open stay so. Until there is a certificate it answers the certification authority only.
set -u
root=/etc/ohif
certificate=${CERTIFICATE:-}

# Whoever comes through the engine's proxy for ports shows the address of the bridge, as if of this machine.
bridges() {
  while read -r _ to gateway _; do
    [ "$to" = 00000000 ] && [ "$gateway" != Gateway ] && printf '%s\n' "$gateway" |
      sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4 0x\3 0x\2 0x\1/' |
      while read -r a b c d; do printf '%d.%d.%d.%d/32 0;\n' "$a" "$b" "$c" "$d"; done
  done </proc/net/route
  [ -r /proc/net/ipv6_route ] || return 0
  while read -r to length _ _ gateway _; do
    [ "$to$length" = 0000000000000000000000000000000000 ] && [ "$gateway" != 00000000000000000000000000000000 ] &&
      printf '%s/128 0;\n' "$(printf '%s' "$gateway" | sed 's/..../&:/g; s/:$//')"
  done </proc/net/ipv6_route
}
bridges | sort -u >/tmp/bridges.conf
sed 's/^\(.*\) 0;/deny \1;/' /tmp/bridges.conf >/tmp/no-bridges.conf

choose() {
  if [ -z "$certificate" ] || [ -s "$certificate" ]; then
    ln -sf "$root/nginx.conf" /tmp/nginx.conf
  else
    ln -sf "$root/waiting.conf" /tmp/nginx.conf
  fi
}

serve() { nginx -c /tmp/nginx.conf -e /dev/stderr "$@"; }

watch() {
  while sleep 3; do
    now=$(cksum "$certificate" 2>/dev/null)
    [ "$now" = "$seen" ] && continue
    choose
    serve -t -q && serve -s reload && seen=$now
  done
}

# Looked at before the choice: a certificate that comes in between is another.
seen=$(cksum "$certificate" 2>/dev/null)
choose
[ -n "$certificate" ] && watch &
exec nginx -c /tmp/nginx.conf -e /dev/stderr -g 'daemon off;'
