/* A C program that shares the C library's locks and System V semaphores with strait: commands on standard input, answers on standard output.
 *
 * locks sem NAME          a POSIX semaphore, opened
 * locks sem-new NAME N    one that it makes
 * locks mutex NAME        struct shared in the POSIX shared memory object NAME, opened
 * locks mutex-new NAME    one that it makes
 * locks sysv KEY          a System V set, opened
 * locks sysv-new KEY      one of two semaphores that it makes, valued 1 and 0 by SETALL
 */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <unistd.h>

struct shared {
    pthread_mutex_t lock;
    uint64_t count;
};

static sem_t *semaphore;
static struct shared *shared;
static int set;

static void say(const char *line) {
    puts(line);
    fflush(stdout);
}

static void answer(int error) {
    switch (error) {
    case EOWNERDEAD: say("EOWNERDEAD"); break;
    case ENOTRECOVERABLE: say("ENOTRECOVERABLE"); break;
    case EIDRM: say("EIDRM"); break;
    case EINVAL: say("EINVAL"); break;
    default:
        printf("%d\n", error);
        fflush(stdout);
    }
}

static void need(int is_done, const char *what) {
    if (!is_done) {
        perror(what);
        exit(1);
    }
}

static void operate(const char *rest) {
    struct sembuf operations[2];
    int count = 0, number, change, flags, taken;
    while (count < 2 && sscanf(rest, " %d %d %d%n", &number, &change, &flags, &taken) == 3) {
        operations[count].sem_num = (unsigned short)number;
        operations[count].sem_op = (short)change;
        operations[count].sem_flg = (short)(flags ? SEM_UNDO : 0);
        count++;
        rest += taken;
    }
    answer(semop(set, operations, (size_t)count) == 0 ? 0 : errno);
}

int main(int argc, char **argv) {
    need(argc >= 3, "arguments");
    if (strcmp(argv[1], "sem") == 0) {
        semaphore = sem_open(argv[2], 0);
        need(semaphore != SEM_FAILED, "sem_open");
    } else if (strcmp(argv[1], "sem-new") == 0) {
        semaphore = sem_open(argv[2], O_CREAT | O_EXCL, 0600, (unsigned)atoi(argv[3]));
        need(semaphore != SEM_FAILED, "sem_open");
    } else if (strncmp(argv[1], "mutex", 5) == 0) {
        int is_new = strcmp(argv[1], "mutex-new") == 0;
        int fd = shm_open(argv[2], is_new ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, 0600);
        need(fd >= 0, "shm_open");
        need(!is_new || ftruncate(fd, 4096) == 0, "ftruncate");
        shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        need(shared != MAP_FAILED, "mmap");
        if (is_new) {
            pthread_mutexattr_t attributes;
            pthread_mutexattr_init(&attributes);
            pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
            pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
            need(pthread_mutex_init(&shared->lock, &attributes) == 0, "pthread_mutex_init");
        }
    } else {
        int is_new = strcmp(argv[1], "sysv-new") == 0;
        unsigned short values[2] = {1, 0};
        set = semget(atoi(argv[2]), is_new ? 2 : 0, is_new ? IPC_CREAT | IPC_EXCL | 0600 : 0);
        need(set >= 0, "semget");
        need(!is_new || semctl(set, 0, SETALL, values) == 0, "semctl");
    }
    say("ok");

    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "post") == 0) {
            answer(sem_post(semaphore) == 0 ? 0 : errno);
        } else if (strcmp(line, "wait") == 0) {
            say("blocking");
            answer(sem_wait(semaphore) == 0 ? 0 : errno);
        } else if (strcmp(line, "value") == 0) {
            int value = -1;
            sem_getvalue(semaphore, &value);
            printf("%d\n", value);
            fflush(stdout);
        } else if (strcmp(line, "lock") == 0) {
            say("blocking");
            answer(pthread_mutex_lock(&shared->lock));
        } else if (strcmp(line, "consistent") == 0) {
            answer(pthread_mutex_consistent(&shared->lock));
        } else if (strcmp(line, "unlock") == 0) {
            answer(pthread_mutex_unlock(&shared->lock));
        } else if (strncmp(line, "add ", 4) == 0) {
            for (long left = atol(line + 4); left > 0; left--) {
                need(pthread_mutex_lock(&shared->lock) == 0, "lock");
                shared->count++;
                pthread_mutex_unlock(&shared->lock);
            }
            say("0");
        } else if (strncmp(line, "operate ", 8) == 0) {
            say("blocking");
            operate(line + 8);
        } else {
            say("what?");
        }
    }
    return 0;
}
