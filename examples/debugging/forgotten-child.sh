#!/bin/sh
# A pipe does not end, because a child that nobody thinks of still has it open.
. "$(dirname "$0")/alone.sh"

mkfifo /dev/shm/report
cat /dev/shm/report >/dev/null &
reader=$!
# The shell that writes starts something in the background, and ends.
sh -c 'sleep 1000 & echo done' >/dev/shm/report
say "the program has printed its last line and ended; 'cat' still waits for the end of its input"

run ps -o pid,ppid,stat,args
run strait show "$reader"
run strait ls --kind fifo
run strait show /dev/shm/report
child=$(pgrep -x sleep)
kill "$child"
wait $reader
say "after kill $child the reader has seen the end"
