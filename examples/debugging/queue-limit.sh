#!/bin/sh
# A program cannot make its queue: somebody has used up the limit.
. "$(dirname "$0")/alone.sh"

# Enough for this to be short.
echo 4 >/proc/sys/kernel/msgmni
for key in 0x1001 0x1002 0x1003 0x1004; do
    echo "left over" | strait send "sysv-msg:$key" --create
done

run strait send sysv-msg:0x2001 --create /dev/null
run "strait doctor | sed -n '/^System V/,/^$/p'"
run strait ls --kind sysv-msg
run strait recv sysv-msg:0x1001 --timeout 100ms
run strait rm sysv-msg:0x1001
run strait send sysv-msg:0x2001 --create /dev/null
run strait ls --kind sysv-msg
