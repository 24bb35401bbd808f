#!/bin/sh
# A sender hangs, because its receiver does.
. "$(dirname "$0")/alone.sh"

"$STRAIT" recv jobs --create --message-bytes 100 --messages 32 >/dev/null &
receiver=$!
until_so test -e /dev/shm/strait.jobs
kill -STOP $receiver
seq 100000 | "$STRAIT" send jobs &
# It has filled the channel when that has messages, and as many a while later.
is_full() {
    before=$(strait ls jobs)
    sleep 0.2
    case $before in *" 0 messages"*) return 1 ;; esac
    [ "$before" = "$(strait ls jobs)" ]
}
until_so is_full
say "'strait send jobs' does not come back"

run strait ls jobs
run strait show jobs
run strait show "$receiver"
run strait send jobs --timeout 1s /dev/null
kill -CONT $receiver
wait
say "after kill -CONT $receiver both have ended"
run strait ls jobs
