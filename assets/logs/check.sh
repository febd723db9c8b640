#!/bin/sh
# Whether the log server takes lines: none waits, or some were sent since the last look.
set -u
number() { syslog-ng-ctl stats "--control=$CONTROL" | sed -n "s/^dst\.syslog;.*;$1;//p"; }
waiting=$(number queued) sent=$(number written) seen=/tmp/sent
before=$(cat "$seen" 2>/dev/null)
echo "$sent" >"$seen"
[ "$waiting" = 0 ] || [ "$sent" != "$before" ] || {
  echo "the log server takes no lines; ${waiting:-some} wait"
  exit 1
}
