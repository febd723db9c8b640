#!/bin/sh
# Starts nginx, and while it runs has it read its configuration again whenever the certificate or the container's
# networks are others: connections that are open stay so. Until there is a certificate it answers the certification authority only.
set -u
root=/etc/ohif
certificate=${CERTIFICATE:-}

# The networks that this container is on, for `geo`: "edge" leads outside, "internal" to services only. Clients that come
# through Docker's proxy for published ports show the address of the edge's own gateway: "bridge".
networks() {
  own_networks4 /proc/net/route
  [ -r /proc/net/ipv6_route ] && own_networks6 /proc/net/ipv6_route
}

# Addresses and masks are in hexadecimal, least significant byte first.
own_networks4() {
  edge=$(while read -r name to _; do [ "$to" = 00000000 ] && echo "$name"; done <"$1" | head -n 1)
  while read -r name to gateway _ _ _ _ mask _; do
    case $name:$to:$gateway in
      Iface:*) ;;
      *:00000000:*) echo "$(dotted "$gateway")/32 bridge;" ;;
      "$edge":*:00000000) echo "$(dotted "$to")/$(ones "$mask") edge;" ;;
      *:*:00000000) echo "$(dotted "$to")/$(ones "$mask") internal;" ;;
    esac
  done <"$1"
}

dotted() { echo "$((0x$1 & 255)).$((0x$1 >> 8 & 255)).$((0x$1 >> 16 & 255)).$((0x$1 >> 24 & 255))"; }

ones() {
  bits=$((0x$1)) count=0
  while [ "$bits" -gt 0 ]; do count=$((count + (bits & 1))) bits=$((bits >> 1)); done
  echo "$count"
}

# Hosts' own addresses (128) and multicast (ff) are no networks of clients; a link's own addresses (fe80) are on each.
own_networks6() {
  echo "fe80::/10 internal;"
  zero=00000000000000000000000000000000
  edge=$(while read -r to length _ _ gateway _ _ _ _ name; do
    [ "$to$length" = "${zero}00" ] && [ "$gateway" != $zero ] && echo "$name"
  done <"$1" | head -n 1)
  while read -r to length _ _ gateway _ _ _ _ name; do
    case $name:$to:$length:$gateway in
      *:$zero:00:$zero | *:80:* | *:ff*:* | *:fe80*:*) ;;
      *:$zero:00:*) echo "$(grouped "$gateway")/128 bridge;" ;;
      "$edge":*:$zero) echo "$(grouped "$to")/$((0x$length)) edge;" ;;
      *:$zero) echo "$(grouped "$to")/$((0x$length)) internal;" ;;
    esac
  done <"$1"
}

grouped() { printf '%s' "$1" | sed 's/..../&:/g; s/:$//'; }

# For DICOM, in the order in which nginx tries them: none of these networks sends any. Where Docker's proxy hands over
# what comes from outside, all of the edge but the bridge's address is refused. (IPv6 clients keep their addresses.)
neighbours() {
  while read -r network _; do
    case $network in */32 | */128) ;; *) echo "deny $network;" ;; esac
  done
}

neighbours_but_the_bridge() {
  bridge=$(sed -n 's|^\([0-9.]*\)/32 bridge;|\1|p' /tmp/networks.conf)
  neighbours </tmp/networks.conf | while read -r _ network; do
    network=${network%;}
    if [ -n "$bridge" ] && is_in "$bridge" "$network"; then
      around "$bridge" "${network#*/}"
    else
      echo "deny $network;"
    fi
  done
}

number() { echo "$1" | { IFS=. read -r a b c d && echo "$((a << 24 | b << 16 | c << 8 | d))"; }; }

is_in() {
  case $2 in *:*) return 1 ;; esac
  shift_by=$((32 - ${2#*/}))
  [ "$(($(number "$1") >> shift_by))" = "$(($(number "${2%/*}") >> shift_by))" ]
}

# The blocks that make up the network of an address without that address.
around() {
  address=$(number "$1") length=$2
  while [ "$length" -lt 32 ]; do
    length=$((length + 1)) host=$((32 - length))
    block=$((((address >> host) ^ 1) << host))
    echo "deny $((block >> 24)).$((block >> 16 & 255)).$((block >> 8 & 255)).$((block & 255))/$length;"
  done
}

write_networks() {
  known=$(networks | sort -u)
  printf '%s\n' "$known" >/tmp/networks.conf
  neighbours </tmp/networks.conf >/tmp/neighbours.conf
  # For a proxy on the engine's machine.
  sed -n 's#^\(.*\)/[0-9]* bridge;#set_real_ip_from \1;#p' /tmp/networks.conf >/tmp/bridge.conf
  neighbours_but_the_bridge >/tmp/neighbours-but-the-bridge.conf
}

choose() {
  if [ -z "$certificate" ] || [ -s "$certificate" ]; then
    ln -sf "$root/nginx.conf" /tmp/nginx.conf
  else
    ln -sf "$root/waiting.conf" /tmp/nginx.conf
  fi
}

serve() { nginx -c /tmp/nginx.conf -e /dev/stderr "$@"; }

runs() { kill -0 "$nginx" 2>/dev/null; }

# Requests in progress have a second to end. nginx alone would wait for idle connections too, and a container that takes
# the place of this one waits for both.
stop() {
  serve -s quit
  tenths=0
  while runs && [ "$tenths" -lt 10 ]; do sleep 0.1 && tenths=$((tenths + 1)); done
  runs && serve -s stop
}

# Lines about users' requests, where they are kept: a file for each day (UTC), which is compressed once the day is over.
rotate() {
  today=$(date -u +%F)
  [ "$today" != "$day" ] || return 0
  if [ -s "$AUDIT/today.log" ]; then
    mv "$AUDIT/today.log" "$AUDIT/$day.log"
    serve -s reopen
    # nginx's buffers follow within a second.
    sleep 2
  fi
  for over in "$AUDIT"/20*.log; do
    # Whole, or not at all: an interruption must not spoil what is compressed already.
    [ ! -e "$over" ] || { gzip -c "$over" >"$over.part" && cat "$over.part" >>"$over.gz" && rm "$over" "$over.part"; }
  done
  find "$AUDIT" -name '20*.log.gz' -mtime "+$AUDIT_DAYS" -exec rm {} +
  day=$today
}

watch() {
  while sleep 3; do
    [ -z "${AUDIT:-}" ] || rotate
    now=$(cksum "$certificate" 2>/dev/null)
    [ "$now" = "$seen" ] && [ "$(networks | sort -u)" = "$known" ] && continue
    choose
    write_networks
    serve -t -q && serve -s reload && seen=$now
  done
}

# Looked at before the choice: a certificate that comes in between is another.
seen=$(cksum "$certificate" 2>/dev/null)
choose
write_networks
# The day of the file that a container before this one left.
[ -z "${AUDIT:-}" ] || day=$(date -u -r "$AUDIT/today.log" +%F 2>/dev/null || date -u +%F)
watch &
serve -g 'daemon off;' &
nginx=$!
trap stop QUIT TERM
wait "$nginx"
code=$?
# The signal interrupts it.
while runs; do
  wait "$nginx"
  code=$?
done
exit "$code"
