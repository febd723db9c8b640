#!/bin/sh
# Backups with restic: `serve` makes them at the times of $BACKUP_TIMES, `now` makes one, `check` is the health check,
# `state` stores standard input as the stack's state, `restic` runs any of its commands, `pause` makes no backups, and
# `hold` keeps others from making any.
#
# What the last one came to is in $WORK/last, and when the last complete one began in $WORK/complete.
set -u

WORK=/var/lib/backup
RETRY=10m
SSH_LOG=$WORK/ssh.log
export RESTIC_CACHE_DIR="$WORK/cache"

# restic, for so many seconds at most. ssh writes to a file of its own: restic may end before it has passed on all that
# ssh wrote, and then only says that the connection is closed.
limited() {
    seconds=$1 && shift
    rm -f "$SSH_LOG"
    timeout "$seconds" restic ${SFTP_ARGS:+-o "sftp.args=$SFTP_ARGS -E $SSH_LOG"} "$@"
    code=$?
    [ "$code" -eq 0 ] || [ ! -s "$SSH_LOG" ] || tail -n 1 "$SSH_LOG" | sed 's/^/subprocess ssh: /' >&2
    return "$code"
}

# One that hangs, as restic may on a full disk, would keep all others waiting; the next one goes on where it ended.
restic() { limited 86400 --retry-lock "$RETRY" "$@"; }
midnight() { echo "$(($(date +%s) / 86400 * 86400))"; }

# The latest of the day's times that has passed, as seconds since 1970.
due() {
    now=$(date +%s) last=0
    for minutes in $BACKUP_TIMES; do
        moment=$(($(midnight) + minutes * 60))
        [ "$moment" -le "$now" ] || moment=$((moment - 86400))
        [ "$moment" -le "$last" ] || last=$moment
    done
    echo "$last"
}

# The repository's configuration; exit code 10 if there is no repository. restic repeats a failed request for many
# minutes; who waits for an answer wants it sooner.
configuration() { limited 20 cat config; }

# A full disk or an interruption can leave a folder with keys and no configuration, where restic makes no repository. It
# is cleared if there is nothing that a key could open.
remove_unusable_keys() {
    [ ! -d "$RESTIC_REPOSITORY/keys" ] || [ -e "$RESTIC_REPOSITORY/config" ] ||
        [ -n "$(find "$RESTIC_REPOSITORY/data" "$RESTIC_REPOSITORY/snapshots" -type f 2>/dev/null | head -n 1)" ] ||
        rm -f "$RESTIC_REPOSITORY"/keys/*
}

# Makes the repository if there is none; two that make one at once would spoil it.
repository() (
    flock 8
    case $RESTIC_REPOSITORY in
    /*) [ -w "$RESTIC_REPOSITORY" ] || { echo "Fatal: the folder does not belong to root" >&2 && exit 1; } ;;
    esac
    said=$(configuration 2>&1 >/dev/null)
    case $? in
    0) ;;
    10) remove_unusable_keys && restic --quiet init ;;
    # restic names each failed request, and when it asks again.
    *) echo "$said" | sed 's/^.* returned error, retrying after [^:]*: /Fatal: /' >&2 && exit 1 ;;
    esac
) 8>"$WORK/repository.lock"

# Dumps of all services, begun together.
dumps() {
    for name in $DUMPS; do rm -f "/dumps/$name.failed" && : >"/dumps/$name.wanted" || return 1; done
    for name in $DUMPS; do
        seconds=7200
        while [ -e "/dumps/$name.wanted" ]; do
            seconds=$((seconds - 1))
            [ "$seconds" -gt 0 ] || { echo "$name: no dump within two hours" >&2 && return 1; }
            sleep 1
        done
        [ ! -e "/dumps/$name.failed" ] || { echo "$name: $(tail -n 1 "/dumps/$name.failed")" >&2 && return 1; }
    done
}

# Files after dumps: an index never names a file that did not exist yet. A file that went meanwhile is none that the
# set lacks (exit code 3).
files() {
    set -- /dumps /etc/backup/set.json
    [ ! -d /data ] || set -- "$@" /data
    restic backup --quiet --host "$STACK" --tag set --exclude '/dumps/*.part' --exclude '/dumps/*.wanted' "$@" \
        2>"$WORK/errors"
    code=$?
    cat "$WORK/errors" >&2
    [ "$code" -eq 0 ] || { [ "$code" -eq 3 ] && ! grep '^error' "$WORK/errors" | grep -qv 'no such file'; }
}

tidy() {
    for tag in set state; do
        restic forget --quiet --host "$STACK" --tag "$tag" --group-by host,tags --keep-within 2d \
            --keep-daily "$KEEP_DAILY" --keep-weekly "$KEEP_WEEKLY" --keep-monthly "$KEEP_MONTHLY" || return 1
    done
    restic prune --quiet && restic check --quiet
}

make_one() { repository && restic unlock && dumps && files && tidy; }

# One process at a time: the lock ends with it.
alone() {
    exec 9>"$WORK/lock"
    flock 9
}

now() {
    alone
    started=$(date +%s)
    if make_one >"$WORK/log" 2>&1; then
        echo "$started" >"$WORK/complete"
        outcome=ok
    else
        outcome=$(grep '^subprocess ssh:' "$WORK/log" | tail -n 1)
        # What follows from a full disk is said of every file.
        for cause in 'no space left' '^fatal' '^error'; do
            [ -n "$outcome" ] || outcome=$(grep -m 1 -i "$cause" "$WORK/log")
        done
        [ -n "$outcome" ] || outcome=$(tail -n 1 "$WORK/log")
    fi
    cat "$WORK/log"
    printf 'started=%s\nfinished=%s\noutcome=%s\n' "$started" "$(date +%s)" "$outcome" >"$WORK/last.new"
    mv "$WORK/last.new" "$WORK/last"
    echo "backup: $outcome"
    [ "$outcome" = ok ]
}

last() { sed -n "s/^$1=//p" "$WORK/last" 2>/dev/null; }

is_missing() {
    configuration >/dev/null 2>&1
    [ $? -eq 10 ]
}

serve() {
    # The container was started again, perhaps with what was missing, or with another repository.
    if [ "$(last outcome)" != ok ] || is_missing; then rm -f "$WORK/last"; fi
    while :; do
        begun=$(last started)
        next=$(due)
        # One that failed is tried again after half an hour.
        [ "$(last outcome)" = ok ] || next=$(($(date +%s) - 1800))
        # `now` in a process of its own, which holds the lock no longer than it runs.
        [ "${begun:-0}" -gt "$next" ] || /bin/sh "$0" now
        sleep 20
    done
}

check() {
    [ -e "$WORK/last" ] || exit 0
    outcome=$(last outcome)
    [ "$outcome" = ok ] || { echo "the last backup failed: $outcome" && exit 1; }
    age=$(($(date +%s) - $(cat "$WORK/complete")))
    [ "$age" -lt "$BACKUP_OVERDUE" ] || { echo "the last backup is $((age / 3600)) hours old" && exit 1; }
}

case "$1" in
serve) serve ;;
now) now ;;
check) check ;;
restic) shift && restic "$@" ;;
pause) exec sleep 2147483647 ;;
hold) alone && echo holding && exec sleep 2147483647 ;;
state)
    repository && restic backup --quiet --host "$STACK" --tag state --stdin --stdin-filename state.tar
    code=$?
    # Who sends it gets no answer while a part of it is unread.
    cat >/dev/null
    exit "$code"
    ;;
*) echo "serve, now, check, state, restic, pause or hold?" >&2 && exit 64 ;;
esac
