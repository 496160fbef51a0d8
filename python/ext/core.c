/* The core's life, the ledger, and fork. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SENT = 1, STARTED = 2 };

/* Every core of the process, for the child of a fork. */
static pthread_mutex_t cores_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t cores_once = PTHREAD_ONCE_INIT;
static struct core *cores;

void core_die(const char *format, ...)
{
    char text[512];
    int n = snprintf(text, sizeof text, "rickhouse: worker %d: ", (int)getpid());
    va_list list;
    va_start(list, format);
    int more = vsnprintf(text + n, sizeof text - (size_t)n - 1, format, list);
    va_end(list);
    size_t len = strlen(text);
    if (more >= 0) {
        text[len++] = '\n';
    }
    ssize_t written = write(2, text, len);
    (void)written; /* if nobody listens, nobody does */
    _exit(1);
}

uint64_t core_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* In the child of a fork: the link is the parent's alone. Only what a signal handler may do is done. */
static void after_fork(void)
{
    for (struct core *core = cores; core; core = core->next) {
        atomic_store(&core->dead, true);
        close(core->fd);
        for (int i = 0; i < 2; i++) {
            close(core->wake[i]);
            close(core->nudge[i]);
        }
    }
}

static void register_fork(void)
{
    pthread_atfork(NULL, NULL, after_fork);
}

bool core_dead(const struct core *core)
{
    return atomic_load_explicit(&core->dead, memory_order_relaxed);
}

static bool make_pipe(int fds[2], int lowest)
{
    int ends[2];
    if (pipe(ends) < 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        /* Beside the link: out of the way of an application that closes what it does not know. */
        fds[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, lowest);
        close(ends[i]);
    }
    return fds[0] >= 0 && fds[1] >= 0 && fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0;
}

void core_poke(const int pipe[2])
{
    ssize_t written = write(pipe[1], "", 1);
    (void)written; /* a full pipe wakes as well */
}

void core_drain(const int pipe[2])
{
    char octets[64];
    ssize_t drained = read(pipe[0], octets, sizeof octets);
    (void)drained;
}

static bool start_watcher(struct core *core)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes)) {
        return false;
    }
    pthread_attr_setstacksize(&attributes, 128 << 10);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&core->watcher, &attributes, watch_main, core);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    errno = failed;
    return !failed;
}

struct core *core_new(int fd, int ledger_fd, int threads)
{
    struct core *core = calloc(1, sizeof *core);
    if (!core) {
        return NULL;
    }
    core->fd = fd;
    core->threads = threads;
    core->wake[0] = core->wake[1] = core->nudge[0] = core->nudge[1] = -1;
    pthread_mutex_init(&core->in_lock, NULL);
    pthread_mutex_init(&core->out_lock, NULL);
    pthread_mutex_init(&core->write_lock, NULL);
    if (ledger_map(core, ledger_fd) < 0 || !input_init(core) || !make_pipe(core->wake, fd) ||
        !make_pipe(core->nudge, fd)) {
        goto failed;
    }
    struct timeval moment = {.tv_usec = 20000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment) < 0) {
        goto failed;
    }
    pthread_once(&cores_once, register_fork);
    pthread_mutex_lock(&cores_lock);
    core->next = cores;
    cores = core;
    pthread_mutex_unlock(&cores_lock);
    if (start_watcher(core)) {
        close(ledger_fd);
        return core;
    }
    pthread_mutex_lock(&cores_lock);
    cores = core->next;
    pthread_mutex_unlock(&cores_lock);
failed:;
    int error = errno;
    core->fd = -1; /* stays the caller's */
    atomic_store(&core->dead, true);
    core_free(core);
    errno = error;
    return NULL;
}

static void close_all(struct core *core)
{
    const int fds[] = {core->wake[0], core->wake[1], core->nudge[0], core->nudge[1]};
    for (int i = 0; i < 4; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (core->fd >= 0) {
        close(core->fd);
    }
    for (int i = 0; i < core->fd_count; i++) {
        close(core->fds[i]);
    }
}

void core_free(struct core *core)
{
    if (!core_dead(core)) {
        atomic_store(&core->quit, true);
        core_poke(core->wake);
        pthread_join(core->watcher, NULL);
        pthread_mutex_lock(&cores_lock);
        for (struct core **at = &cores; *at; at = &(*at)->next) {
            if (*at == core) {
                *at = core->next;
                break;
            }
        }
        pthread_mutex_unlock(&cores_lock);
        close_all(core);
    } else if (core->fd < 0) {
        close_all(core); /* core_new failed */
    }
    if (core->ledger) {
        munmap(core->ledger, core->ledger_size);
    }
    input_free(core);
    free(core->out.data);
    free(core->spare.data);
    pthread_mutex_destroy(&core->in_lock);
    pthread_mutex_destroy(&core->out_lock);
    pthread_mutex_destroy(&core->write_lock);
    free(core);
}

int ledger_map(struct core *core, int ledger_fd)
{
    struct stat status;
    if (fstat(ledger_fd, &status) < 0) {
        return -1;
    }
    if (status.st_size < 8 || status.st_size > 8 << 16) {
        errno = EINVAL;
        return -1;
    }
    core->ledger_size = (size_t)status.st_size;
    core->slots = (unsigned)(core->ledger_size / 8);
    void *at = mmap(NULL, core->ledger_size, PROT_READ | PROT_WRITE, MAP_SHARED, ledger_fd, 0);
    if (at == MAP_FAILED) {
        return -1;
    }
    core->ledger = at;
    return 0;
}

bool ledger_start(struct core *core, uint16_t slot, uint32_t gen)
{
    uint32_t expected = LITTLE(32, gen << 2 | SENT);
    return __atomic_compare_exchange_n(&core->ledger[2u * slot], &expected, LITTLE(32, gen << 2 | STARTED),
                                       false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool core_canceled(const struct core *core, uint16_t slot, uint32_t gen)
{
    return __atomic_load_n(&core->ledger[2u * slot + 1], __ATOMIC_ACQUIRE) == LITTLE(32, gen + 1);
}
