/* What the files of the core share. */
#ifndef RICKHOUSE_CORE_PRIVATE_H
#define RICKHOUSE_CORE_PRIVATE_H

#include <pthread.h>

#include "core.h"

enum { MAX_FDS = 64, FREE_CHUNKS = 4, CHUNK = 128 << 10, MIN_READ = 16 << 10, KEEP_OUTPUT = 256 << 10 };

#define SHORT_NS 100000u
#define FLUSH_NS 400000u /* output waits so long at most; the promise is 500 µs */
#define TICK_NS 500000u
#define IDLE_TICKS 20

struct output {
    uint8_t *data;
    size_t start, len, cap; /* what waits is data[start:len] */
};

struct waiter {
    struct waiter *next;
    pthread_cond_t cond;
    enum { FOR_REQUEST, FOR_GRANTED, FOR_RECEIVED } what;
    uint16_t slot;
    uint32_t gen;
    uint64_t spent;
};

struct core {
    struct core *next; /* in the list that fork looks through */
    int fd;
    int threads;
    int wake[2];  /* a pipe that wakes the native thread */
    int nudge[2]; /* a pipe that makes the thread that reads the link look up */
    uint32_t *ledger;
    size_t ledger_size;
    unsigned slots;
    atomic_bool dead, stopping, quit;

    pthread_mutex_t in_lock;
    bool in_order;          /* frames of every type wait for core_next */
    bool idle;              /* nothing came for a moment */
    struct waiter *leader;  /* who reads the link, for all */
    struct waiter *waiters; /* who sleeps */
    struct chunk *in;       /* is read into */
    size_t parsed;          /* octets of in that are taken apart */
    struct chunk *free_chunks;
    int free_chunk_count;
    struct item *free_items;
    struct item *first, *last; /* requests at hand */
    int fds[MAX_FDS];          /* descriptors without frames */
    int fd_count;
    struct slot *slot;

    pthread_mutex_t out_lock;
    struct output out;
    uint64_t batch;
    _Atomic size_t waiting; /* octets in out, for who does not hold the lock */

    pthread_mutex_t write_lock;
    struct output spare; /* is being written */

    /* With several threads: a thread that runs a request leaves the link unread, and requests at hand
     * waiting, if requests are short. To wake another one for them costs more than to run them. If one is not
     * short after all the native thread wakes the others. */
    _Atomic uint64_t mean;         /* of the time that a request takes, in nanoseconds */
    _Atomic uint64_t unread_since; /* 0: the link is read, or nobody knows yet */
    atomic_bool unread;            /* nobody reads the link though there are threads to do it */

    pthread_t watcher;
    _Atomic uint64_t waiting_since; /* when output began to wait; 0: it does not, or nobody knows yet */
    _Atomic uint64_t watched; /* counts what ran while output waited: the watcher sees when nothing does */
    atomic_bool asleep;       /* the watcher sleeps without a clock */
};

int ledger_map(struct core *core, int ledger_fd);
bool ledger_start(struct core *core, uint16_t slot, uint32_t gen);

bool input_init(struct core *core);
void input_free(struct core *core);
void *watch_main(void *core);
void core_poke(const int pipe[2]);
void core_drain(const int pipe[2]);
/* Reading, for core_wait.c. input_make_room and input_parse under in_lock; input_read without it, by one
 * thread. */
void input_make_room(struct core *core);
bool input_read(struct core *core);
void input_parse(struct core *core);
bool input_active(const struct core *core, uint16_t slot, uint32_t gen);
enum received input_received(struct core *core, uint16_t slot, uint32_t gen);
/* A request is over: who waits for something of it, a thread that the application left behind, goes on. */
void wait_over(struct core *core, uint16_t slot);
/* Wakes threads for what is left unread and waiting. */
void input_promote(struct core *core);

#endif
