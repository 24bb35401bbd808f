#!/bin/sh
# A program was killed, and what it had shared is still there.
. "$(dirname "$0")/alone.sh"

"$STRAIT" recv feed --create >/dev/null &
receiver=$!
until_so test -e /dev/shm/strait.feed
kill -9 $receiver
wait $receiver 2>/dev/null || true
say "a receiver of 'feed' was killed; and somebody else's program left 'cache'"
head -c 300000 /dev/zero >/dev/shm/cache

run ls -l /dev/shm
run strait ls
run strait show feed
run strait gc --dry-run --foreign --older-than 0s
run strait gc --yes
run strait rm /cache
run strait ls
