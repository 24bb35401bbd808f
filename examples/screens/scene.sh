#!/bin/sh
# What `cargo xtask screens` draws: some programs at work, some that were killed, and the commands that show them.
#
# scene.sh FOLDER writes each screen as a terminal of 80 and of 160 columns has it: FOLDER/NAME.COLUMNS.ansi, and FOLDER/map.svg.
. "$(dirname "$0")/../debugging/alone.sh"

folder=$1
# Nothing of the world outside is in the picture.
exec </dev/null >/dev/null 2>&1
terminal="tmux -L strait-screens -f /dev/null"
# It stays while there is a session.
$terminal new-session -d -s keep "exec sleep 600"
$terminal set -g status off

# Takes the screen of a terminal so wide and high, after two seconds.
screen() {
    name=$1 columns=$2 lines=$3
    shift 3
    $terminal new-session -d -s "$name" -x "$columns" -y "$lines" "$* ; exec sleep 60"
    sleep 2
    $terminal capture-pane -p -e -t "$name" >"$folder/$name.$columns.ansi"
    $terminal kill-session -t "$name"
}

# Messages, news and calls for help, of programs that go on.
"$STRAIT" recv feed --create --follow >/dev/null &
until_so test -e /dev/shm/strait.feed
yes 'temperature 21.5' | "$STRAIT" send feed --rate 2000/s &
"$STRAIT" sub news --create --follow >/dev/null &
until_so test -e /dev/shm/strait.news
"$STRAIT" sub news >/dev/null &
yes 'all is well' | "$STRAIT" pub news --rate 500/s --subscribers 2 &
"$STRAIT" recv posix-mq:/orders --create --follow >/dev/null &
# A receiver that is stopped, and its sender.
"$STRAIT" recv jobs --create >/dev/null &
stopped=$!
receives() { "$STRAIT" show jobs 2>/dev/null | grep -q 'receiver .* attached'; }
until_so receives
kill -STOP $stopped
seq 1000000 | "$STRAIT" send jobs &
# One that was killed, and what somebody else has left.
"$STRAIT" recv old --create >/dev/null &
killed=$!
until_so test -e /dev/shm/strait.old
kill -9 $killed
wait $killed 2>/dev/null || true
head -c 300000 /dev/zero >/dev/shm/cache
"$STRAIT" create sysv-shm 0x53000001 --size 64K >/dev/null
"$STRAIT" create sysv-msg 0x53000002 >/dev/null
sleep 1

for columns in 80 160; do
    screen ls $columns 24 "$STRAIT" ls
    screen show $columns 40 "$STRAIT" show feed
    screen top $columns 24 "$STRAIT" top --interval 0.5
    screen map $columns 24 "$STRAIT" map
    screen doctor $columns 100 "$STRAIT" doctor
done
"$STRAIT" map --svg "$folder/map.svg"
$terminal kill-server
