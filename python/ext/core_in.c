/* What the front sends: reading it, taking it apart, and keeping it until somebody asks. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

/* Chunks and items. All of it under in_lock. */

static struct chunk *chunk_new(struct core *core, size_t cap)
{
    struct chunk *chunk = core->free_chunks;
    if (chunk && cap <= CHUNK) {
        core->free_chunks = chunk->next;
        core->free_chunk_count--;
    } else {
        cap = cap < CHUNK ? CHUNK : cap;
        chunk = malloc(sizeof *chunk + cap);
        if (!chunk) {
            core_die("out of memory while reading the link");
        }
        chunk->cap = cap;
    }
    chunk->refs = 1;
    chunk->fill = 0;
    return chunk;
}

static void chunk_release(struct core *core, struct chunk *chunk)
{
    if (--chunk->refs) {
        return;
    }
    if (chunk->cap == CHUNK && core->free_chunk_count < FREE_CHUNKS) {
        chunk->next = core->free_chunks;
        core->free_chunks = chunk;
        core->free_chunk_count++;
    } else {
        free(chunk);
    }
}

static void item_free(struct core *core, struct item *item)
{
    if (item->fd >= 0) {
        close(item->fd);
    }
    chunk_release(core, item->chunk);
    item->next = core->free_items;
    core->free_items = item;
}

static void list_free(struct core *core, struct item **first)
{
    while (*first) {
        struct item *item = *first;
        *first = item->next;
        item_free(core, item);
    }
}

static struct item *item_new(struct core *core, const uint8_t *frame, int fd)
{
    struct item *item = core->free_items;
    if (item) {
        core->free_items = item->next;
    } else {
        item = malloc(sizeof *item);
        if (!item) {
            core_die("out of memory while reading the link");
        }
    }
    *item = (struct item){.chunk = core->in,
                          .payload = frame + HEADER,
                          .len = load32(frame),
                          .flags = frame[5],
                          .slot = load16(frame + 6),
                          .gen = load32(frame + 8),
                          .type = frame[4],
                          .fd = fd};
    core->in->refs++;
    return item;
}

bool input_init(struct core *core)
{
    core->slot = calloc(core->slots, sizeof *core->slot);
    core->in = chunk_new(core, CHUNK);
    return core->slot != NULL;
}

void input_free(struct core *core)
{
    if (core->in) {
        list_free(core, &core->first);
        for (unsigned i = 0; core->slot && i < core->slots; i++) {
            list_free(core, &core->slot[i].first);
        }
        chunk_release(core, core->in);
    }
    while (core->free_chunks) {
        struct chunk *chunk = core->free_chunks;
        core->free_chunks = chunk->next;
        free(chunk);
    }
    while (core->free_items) {
        struct item *item = core->free_items;
        core->free_items = item->next;
        free(item);
    }
    free(core->slot);
}

/* Frames. All of it under in_lock. */

static void append(struct core *core, struct item *item)
{
    if (core->first) {
        core->last->next = item;
    } else {
        core->first = item;
    }
    core->last = item;
}

static void take_request(struct core *core, const uint8_t *frame, int fd)
{
    struct item *item = item_new(core, frame, fd);
    if (item->slot >= core->slots) {
        core_die("the front sent a REQUEST in slot %u of %u", item->slot, core->slots);
    }
    struct slot *slot = &core->slot[item->slot];
    list_free(core, &slot->first);
    slot->gen = item->gen;
    slot->active = true;
    slot->complete = slot->cut = false;
    atomic_store_explicit(&slot->granted, ANSWER_CREDIT, memory_order_relaxed);
    append(core, item);
}

static void take_content(struct core *core, struct slot *slot, const uint8_t *frame)
{
    if (load32(frame)) {
        struct item *item = item_new(core, frame, -1);
        if (slot->first) {
            slot->last->next = item;
        } else {
            slot->first = item;
        }
        slot->last = item;
    }
    slot->complete |= (frame[5] & END) != 0;
    slot->cut |= (frame[5] & CUT) != 0;
}

static void take_frame(struct core *core, const uint8_t *frame, int fd)
{
    int type = frame[4];
    if (type == F_REQUEST) {
        take_request(core, frame, fd);
        return;
    }
    if (fd >= 0) {
        core_die("the front sent a frame of type %d with a descriptor", type);
    }
    if (type == F_STOP) {
        atomic_store(&core->stopping, true);
        return;
    }
    if (type != F_DATA && type != F_WINDOW && type != F_CANCEL && (type != F_CLOSED || !core->in_order)) {
        core_die("the front sent a frame of type %d", type);
    }
    if (type == F_WINDOW && load32(frame) != 4) {
        core_die("the front sent a counter of %u octets", load32(frame));
    }
    if (core->in_order) {
        append(core, item_new(core, frame, -1));
        return;
    }
    unsigned at = load16(frame + 6);
    struct slot *slot = at < core->slots ? &core->slot[at] : NULL;
    if (!slot || !slot->active || slot->gen != load32(frame + 8)) {
        return; /* it is over */
    }
    if (type == F_DATA) {
        take_content(core, slot, frame);
    } else if (type == F_WINDOW) {
        atomic_fetch_add(&slot->granted, load32(frame + HEADER));
    }
}

/* Takes apart what was read. */
void input_parse(struct core *core)
{
    struct chunk *in = core->in;
    while (in->fill - core->parsed >= HEADER) {
        const uint8_t *frame = in->data + core->parsed;
        uint32_t len = load32(frame);
        if (len > MAX_PAYLOAD) {
            core_die("the front sent a payload of %u octets", len);
        }
        if (in->fill - core->parsed - HEADER < len) {
            break;
        }
        int fd = -1;
        if (frame[5] & HAS_FD) {
            if (!core->fd_count) {
                core_die("the front sent a frame without its descriptor");
            }
            fd = core->fds[0];
            memmove(core->fds, core->fds + 1, sizeof(int) * (size_t)--core->fd_count);
        }
        core->parsed += HEADER + len;
        take_frame(core, frame, fd);
    }
}

/* Makes room to read into. A chunk that items point into stays as it is. */
void input_make_room(struct core *core)
{
    struct chunk *in = core->in;
    size_t left = in->fill - core->parsed;
    size_t need = HEADER + MIN_READ;
    if (left >= HEADER) {
        need += load32(in->data + core->parsed);
    }
    if (in->refs == 1 && (left == 0 || in->cap - core->parsed < need) && in->cap >= need) {
        memmove(in->data, in->data + core->parsed, left);
        in->fill = left;
        core->parsed = 0;
        return;
    }
    if (in->cap - core->parsed >= need) {
        return;
    }
    struct chunk *fresh = chunk_new(core, need);
    memcpy(fresh->data, in->data + core->parsed, left);
    fresh->fill = left;
    core->in = fresh;
    core->parsed = 0;
    chunk_release(core, in);
}

/* Reading. Only the leader, and without in_lock. */

static void take_descriptors(struct core *core, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            if (core->fd_count == MAX_FDS) {
                core_die("the front sent descriptors without frames");
            }
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (!MSG_CMSG_CLOEXEC) {
                fcntl(fd, F_SETFD, FD_CLOEXEC);
            }
            core->fds[core->fd_count++] = fd;
        }
    }
}

/* Waits for something to read, without end, unless it is nudged. */
static bool wait_readable(struct core *core)
{
    struct pollfd fds[2] = {{.fd = core->fd, .events = POLLIN}, {.fd = core->nudge[0], .events = POLLIN}};
    int n = poll(fds, 2, -1);
    if (n > 0 && fds[1].revents) {
        core_drain(core->nudge);
    }
    return n > 0 && fds[0].revents;
}

/* Reads what is there; false if that is nothing. */
static bool receive(struct core *core, int flags)
{
    struct chunk *in = core->in;
    struct iovec part = {in->data + in->fill, in->cap - in->fill};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(core->fd, &message, flags | MSG_CMSG_CLOEXEC);
    core->idle = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (n < 0) {
        if (errno == EINTR || core->idle) {
            return false;
        }
        core_die("the link cannot be read: %s", strerror(errno));
    }
    if (n == 0) {
        _exit(1); /* the front is gone */
    }
    if (message.msg_flags & MSG_CTRUNC) {
        core_die("the link lost a descriptor");
    }
    if (message.msg_controllen) {
        take_descriptors(core, &message);
    }
    in->fill += (size_t)n;
    return true;
}

/* Reads what is there, at least something; false if there may have been a signal or a nudge instead. A signal
 * that comes just before a system call does not interrupt it: so the first wait is short, and only who finds
 * no signal then waits on. */
bool input_read(struct core *core)
{
    return (!core->idle || wait_readable(core)) && receive(core, 0); /* with the timeout of core_new */
}

/* What an event loop asks. */

void core_read_frames(struct core *core)
{
    pthread_mutex_lock(&core->in_lock);
    core->in_order = true;
    input_make_room(core);
    if (receive(core, MSG_DONTWAIT)) {
        input_parse(core);
    }
    pthread_mutex_unlock(&core->in_lock);
}

struct item *core_next(struct core *core)
{
    pthread_mutex_lock(&core->in_lock);
    struct item *item = core->first;
    if (item) {
        core->first = item->next;
    }
    pthread_mutex_unlock(&core->in_lock);
    return item;
}

bool core_start(struct core *core, const struct item *item)
{
    return ledger_start(core, item->slot, item->gen);
}

unsigned core_slots(const struct core *core)
{
    return core->slots;
}

/* What the threads that run requests ask. */

bool input_active(const struct core *core, uint16_t at, uint32_t gen)
{
    return core->slot[at].active && core->slot[at].gen == gen;
}

enum received input_received(struct core *core, uint16_t at, uint32_t gen)
{
    struct slot *slot = &core->slot[at];
    if (!input_active(core, at, gen)) {
        return RECEIVED_GONE;
    }
    if (slot->first) {
        return RECEIVED_PIECE;
    }
    if (slot->complete) {
        return RECEIVED_END;
    }
    if (slot->cut) {
        return RECEIVED_CUT;
    }
    return core_canceled(core, at, gen) ? RECEIVED_GONE : RECEIVED_NONE;
}

static void forget(struct core *core, struct item *over)
{
    struct slot *slot = &core->slot[over->slot];
    if (slot->gen == over->gen) {
        slot->active = false;
        list_free(core, &slot->first);
        wait_over(core, over->slot);
    }
    item_free(core, over);
}

struct item *core_take(struct core *core, struct item *over)
{
    struct item *item;
    pthread_mutex_lock(&core->in_lock);
    for (;;) {
        if (over) {
            forget(core, over);
        }
        item = atomic_load_explicit(&core->stopping, memory_order_relaxed) ? NULL : core->first;
        if (!item) {
            break;
        }
        core->first = item->next;
        item->next = NULL;
        if (ledger_start(core, item->slot, item->gen)) {
            break;
        }
        over = item; /* recalled */
    }
    pthread_mutex_unlock(&core->in_lock);
    return item;
}

bool core_stopping(const struct core *core)
{
    return atomic_load(&core->stopping);
}

void core_stop(struct core *core)
{
    atomic_store(&core->stopping, true);
    core_poke(core->nudge);
}

int core_wakeup(const struct core *core)
{
    return core->nudge[1];
}

uint64_t core_granted(const struct core *core, uint16_t slot)
{
    return atomic_load_explicit(&core->slot[slot].granted, memory_order_acquire);
}

enum received core_receive(struct core *core, uint16_t at, uint32_t gen, struct item **piece)
{
    pthread_mutex_lock(&core->in_lock);
    enum received what = input_received(core, at, gen);
    if (what == RECEIVED_PIECE) {
        struct slot *slot = &core->slot[at];
        *piece = slot->first;
        slot->first = slot->first->next;
    }
    pthread_mutex_unlock(&core->in_lock);
    return what;
}

void core_release(struct core *core, struct item *piece)
{
    pthread_mutex_lock(&core->in_lock);
    item_free(core, piece);
    pthread_mutex_unlock(&core->in_lock);
}
