# Sourced by the others: the situation happens where nobody else is.
#
# The script runs again in namespaces of its own: processes, System V and POSIX queues, ports, and a /dev/shm of the size that the situation
# asks for (SHM_SIZE). So nothing on the machine is touched, nothing of others is listed, and whatever happens, nothing is left behind.
# It needs root, or a kernel that lets users make namespaces; without that it says so and ends with 77, as skipped tests do.

set -eu

STRAIT=${STRAIT:-strait}
SHM_SIZE=${SHM_SIZE:-64m}

if [ "${ALONE:-}" != yes ]; then
    namespaces="--mount --ipc --net --pid --fork --mount-proc --kill-child"
    for user in "" "--user --map-root-user"; do
        if unshare $user $namespaces true 2>/dev/null; then
            ALONE=yes exec unshare $user $namespaces sh "$0" "$@"
        fi
    done
    echo "$0: namespaces cannot be made here; run it as root" >&2
    exit 77
fi
mount -t tmpfs -o "size=$SHM_SIZE,mode=1777" tmpfs /dev/shm

# Shows a command line and what it prints.
run() {
    echo "\$ $*"
    eval "$*" 2>&1 || true
    echo
}

# The command, by its name. In the background "$STRAIT" itself, for $! is then its process.
strait() {
    "$STRAIT" "$@"
}

# Says what is going on.
say() {
    echo "# $*"
}

# Waits until a command succeeds.
until_so() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 500 ]; then
            echo "$0: gave up waiting for: $*" >&2
            exit 1
        fi
        sleep 0.02
    done
}
