#!/bin/sh
# A container has a /dev/shm of 1 MiB, and it is full.
SHM_SIZE=1m
. "$(dirname "$0")/alone.sh"

"$STRAIT" recv prices --create --messages 16 >/dev/null &
for n in 1 2 3; do
    "$STRAIT" recv "trial-$n" --create=mpmc --messages 64 >/dev/null &
    trial=$!
    until_so test -e "/dev/shm/strait.trial-$n"
    kill -9 $trial
    wait $trial 2>/dev/null || true
done
until_so test -e /dev/shm/strait.prices

run strait send orders --create=mpmc --messages 128 /dev/null
run "strait doctor | sed -n '/^shared memory/,/^$/p'"
run strait ls --sort size
run strait gc --yes
run strait send orders --create=mpmc --messages 128 /dev/null
