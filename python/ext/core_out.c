/* What the worker writes, and the native thread that writes it in time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

static bool reserve(struct core *core, size_t n)
{
    struct output *out = &core->out;
    size_t need = out->len + n;
    if (need > out->cap && out->start) {
        out->len -= out->start;
        memmove(out->data, out->data + out->start, out->len);
        out->start = 0;
        core->batch++;
        need = out->len + n;
    }
    if (need <= out->cap) {
        return true;
    }
    size_t cap = out->cap ? out->cap : COPY_BELOW;
    while (cap < need) {
        cap *= 2;
    }
    uint8_t *data = realloc(out->data, cap);
    if (!data) {
        return false;
    }
    out->data = data;
    out->cap = cap;
    return true;
}

bool core_append(struct core *core, const struct iovec *parts, int n, struct place *place)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        total += parts[i].iov_len;
    }
    pthread_mutex_lock(&core->out_lock);
    struct output *out = &core->out;
    bool ok = reserve(core, total);
    if (ok) {
        if (place) {
            *place = (struct place){core->batch, out->len};
        }
        for (int i = 0; i < n; i++) {
            if (!parts[i].iov_len) {
                continue;
            }
            memcpy(out->data + out->len, parts[i].iov_base, parts[i].iov_len);
            out->len += parts[i].iov_len;
        }
        atomic_store_explicit(&core->waiting, out->len - out->start, memory_order_relaxed);
    }
    pthread_mutex_unlock(&core->out_lock);
    return ok;
}

bool core_add_flags(struct core *core, struct place place, int flags)
{
    pthread_mutex_lock(&core->out_lock);
    bool there = place.batch == core->batch && place.at >= core->out.start;
    if (there) {
        core->out.data[place.at + 5] |= (uint8_t)flags;
    }
    pthread_mutex_unlock(&core->out_lock);
    return there;
}

size_t core_waiting(const struct core *core)
{
    return atomic_load_explicit(&core->waiting, memory_order_relaxed);
}

static void emptied(struct core *core, struct output *out)
{
    out->start = out->len = 0;
    if (out->cap > KEEP_OUTPUT) {
        free(out->data);
        *out = (struct output){0};
    }
    core->batch++;
    atomic_store_explicit(&core->waiting, 0, memory_order_relaxed);
    atomic_store(&core->waiting_since, 0);
}

/* Writes what waits, if it is no more than most, as far as that does not block; true if nothing waits any
 * more. */
static bool flush_up_to(struct core *core, size_t most)
{
    /* Whoever writes now has taken away what was there before: what is here must come after it. */
    if (pthread_mutex_trylock(&core->write_lock)) {
        return false;
    }
    pthread_mutex_lock(&core->out_lock);
    struct output *out = &core->out;
    size_t n = out->len - out->start;
    while (n && n <= most) {
        ssize_t sent = send(core->fd, out->data + out->start, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0) {
            break; /* what is wrong, if it is more than a full socket, who blocks finds out */
        }
        out->start += (size_t)sent;
        n -= (size_t)sent;
        atomic_store_explicit(&core->waiting, n, memory_order_relaxed);
        if (!n) {
            emptied(core, out);
        }
    }
    pthread_mutex_unlock(&core->out_lock);
    pthread_mutex_unlock(&core->write_lock);
    return !n;
}

bool core_try_flush(struct core *core)
{
    return flush_up_to(core, FLUSH_ABOVE);
}

bool core_flush_now(struct core *core)
{
    return flush_up_to(core, SIZE_MAX);
}

/* sendmsg, with a descriptor if fd >= 0. */
static ssize_t send_parts(struct core *core, struct iovec *parts, int n, int fd, int flags)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = n};
    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    return sendmsg(core->fd, &message, flags | MSG_NOSIGNAL);
}

size_t core_send_fd(struct core *core, const uint8_t *octets, size_t n, int fd)
{
    struct iovec part = {(void *)octets, n};
    if (pthread_mutex_trylock(&core->write_lock)) {
        return 0;
    }
    ssize_t sent = core_waiting(core) ? 0 : send_parts(core, &part, 1, fd, MSG_DONTWAIT);
    pthread_mutex_unlock(&core->write_lock);
    return sent > 0 ? (size_t)sent : 0;
}

static void write_all(struct core *core, struct iovec *parts, int n, int fd)
{
    while (n) {
        if (!parts->iov_len) {
            parts++;
            n--;
            continue;
        }
        ssize_t sent = send_parts(core, parts, n, fd, 0);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK) { /* some event loops make it so */
                poll(&(struct pollfd){.fd = core->fd, .events = POLLOUT}, 1, -1);
                continue;
            }
            if (errno == EPIPE || errno == ECONNRESET) {
                _exit(1); /* the front is gone */
            }
            core_die("the link cannot be written: %s", strerror(errno));
        }
        fd = -1;
        while (n && (size_t)sent >= parts->iov_len) {
            sent -= (ssize_t)parts->iov_len;
            parts++;
            n--;
        }
        if (n) {
            parts->iov_base = (char *)parts->iov_base + sent;
            parts->iov_len -= (size_t)sent;
        }
    }
}

/* Takes what waits, to be written. Under write_lock. */
static void take_output(struct core *core)
{
    pthread_mutex_lock(&core->out_lock);
    struct output taken = core->out;
    core->out = core->spare;
    core->spare = taken;
    core->batch++;
    atomic_store_explicit(&core->waiting, 0, memory_order_relaxed);
    atomic_store(&core->waiting_since, 0);
    pthread_mutex_unlock(&core->out_lock);
}

bool core_claim(struct core *core)
{
    if (pthread_mutex_trylock(&core->write_lock)) {
        return false;
    }
    take_output(core);
    return true;
}

void core_write_claimed(struct core *core, struct iovec *parts, int n, int fd)
{
    struct output *taken = &core->spare;
    struct iovec all[8];
    all[0] = (struct iovec){taken->data + taken->start, taken->len - taken->start};
    if (fd >= 0) {
        write_all(core, all, 1, -1); /* a descriptor comes with the first octet of its frame */
        write_all(core, parts, n, fd);
    } else {
        for (int i = 0; i < n; i++) {
            all[i + 1] = parts[i];
        }
        write_all(core, all, n + 1, -1);
    }
    taken->start = taken->len = 0;
    if (taken->cap > KEEP_OUTPUT) {
        free(taken->data);
        *taken = (struct output){0};
    }
    pthread_mutex_unlock(&core->write_lock);
}

void core_flush(struct core *core, struct iovec *parts, int n, int fd)
{
    pthread_mutex_lock(&core->write_lock);
    take_output(core);
    core_write_claimed(core, parts, n, fd);
}

/* The native thread. It never takes the GIL. */

void core_watch(struct core *core, uint64_t now)
{
    bool waiting = core_waiting(core), unread = atomic_load_explicit(&core->unread, memory_order_relaxed);
    if (!waiting && !unread) {
        return;
    }
    atomic_fetch_add_explicit(&core->watched, 1, memory_order_relaxed);
    bool news = false;
    if (waiting && !atomic_load(&core->waiting_since)) {
        atomic_store(&core->waiting_since, now);
        news = true;
    }
    if (unread && !atomic_load(&core->unread_since)) {
        atomic_store(&core->unread_since, now);
        news = true;
    }
    if (news && atomic_load(&core->asleep)) {
        core_poke(core->wake);
    }
}

static void check_link(struct core *core, const struct pollfd *link)
{
    if (link->revents & POLLNVAL) {
        core_die("the link was closed by the application");
    }
    if (link->revents && !atomic_load(&core->quit)) {
        _exit(1); /* the front is gone */
    }
}

/* Sleeps until the link ends, somebody wakes, or so many nanoseconds have passed (-1: without a clock). */
static void watch_sleep(struct core *core, int64_t ns)
{
    struct pollfd fds[2] = {{.fd = core->fd, .events = POLLRDHUP}, {.fd = core->wake[0], .events = POLLIN}};
#ifdef __linux__
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    int n = ppoll(fds, 2, ns < 0 ? NULL : &t, NULL);
#else
    int n = poll(fds, 2, ns < 0 ? -1 : (int)((ns + 999999) / 1000000));
#endif
    if (n <= 0) {
        return;
    }
    check_link(core, &fds[0]);
    if (fds[1].revents) {
        core_drain(core->wake);
    }
}

/* How long something may still wait that has waited since then; 0: no longer. */
static int64_t time_left(uint64_t since)
{
    uint64_t now = core_now();
    return now - since >= FLUSH_NS ? 0 : (int64_t)(FLUSH_NS - (now - since));
}

/* Does what is due, and returns for how long to sleep; 0: nothing waits. */
static int64_t watch_once(struct core *core)
{
    uint64_t waiting = atomic_load(&core->waiting_since), unread = atomic_load(&core->unread_since);
    int64_t pause = 0;
    if (waiting) {
        pause = time_left(waiting);
        if (!pause) {
            core_flush(core, NULL, 0, -1);
            pause = TICK_NS;
        }
    }
    if (unread) {
        int64_t left = time_left(unread);
        if (!left) {
            input_promote(core);
            left = TICK_NS;
        }
        pause = pause && pause < left ? pause : left;
    }
    return pause;
}

void *watch_main(void *argument)
{
    struct core *core = argument;
    uint64_t watched = 0;
    int idle = IDLE_TICKS;
#ifdef __linux__
    prctl(PR_SET_NAME, "rickhouse-watch");
    prctl(PR_SET_TIMERSLACK, 1000);
#endif
    while (!atomic_load(&core->quit)) {
        int64_t pause = watch_once(core);
        uint64_t seen = atomic_load_explicit(&core->watched, memory_order_relaxed);
        idle = pause || seen != watched ? 0 : idle + 1;
        watched = seen;
        pause = pause ? pause : TICK_NS;
        if (idle >= IDLE_TICKS) {
            atomic_store(&core->asleep, true);
            pause = atomic_load(&core->waiting_since) || atomic_load(&core->unread_since) ? 1 : -1;
        }
        watch_sleep(core, pause);
        atomic_store(&core->asleep, false);
    }
    return NULL;
}
