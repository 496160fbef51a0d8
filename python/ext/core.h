/* The link as octets: reading, writing, the ledger, and the native thread. No Python here. */
#ifndef RICKHOUSE_CORE_H
#define RICKHOUSE_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

enum { F_HELLO = 1, F_REQUEST, F_DATA, F_WINDOW, F_CANCEL, F_STOP, F_CLOSED };
enum { A_HEAD = 18, A_DATA, A_FILE, A_ABORT, A_DONE, A_WINDOW, A_CLOSE, A_TRAILERS };
enum { END = 0x01, CUT = 0x02, DONE = 0x04, LENGTH = 0x10, TRAILERS = 0x40, HAS_FD = 0x80 };
enum { WEBSOCKET = 0x20, TEXT = 0x20 };

enum {
    HEADER = 12,
    MAX_PAYLOAD = 1 << 20,
    MAX_CONTENT = 64 << 10,    /* content of one frame */
    ANSWER_CREDIT = 256 << 10, /* the first window of an answer */
    CONTENT_CREDIT = 64 << 10, /* the first window of streamed request content */
    PIECE_COST = 16,           /* what a piece of a message costs besides its octets */
    COPY_BELOW = 16
        << 10, /* smaller content is copied behind what waits, larger is written from where it is */
    FLUSH_ABOVE = 64 << 10, /* so much waiting output is written at once */
};

/* Memory that was read from the link. Items hold references; all under in_lock. */
struct chunk {
    struct chunk *next; /* in the free list */
    int refs;
    size_t cap, fill;
    uint8_t data[];
};

/* A frame that waits, or one piece of streamed content. */
struct item {
    struct item *next;
    struct chunk *chunk;
    const uint8_t *payload;
    uint32_t len, gen;
    uint16_t slot;
    uint8_t type, flags;
    int fd; /* -1: none */
};

/* What the core knows of the request in a slot; under in_lock but for granted. */
struct slot {
    uint32_t gen;
    bool active, complete, cut;
    struct item *first, *last; /* streamed content */
    _Atomic uint64_t granted;  /* content that the answer may have in all */
};

/* Little-endian numbers at any address. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LITTLE(bits, value) __builtin_bswap##bits(value)
#else
#define LITTLE(bits, value) (value)
#endif
#define LITTLE_ENDIAN_ACCESS(bits)                                                                           \
    static inline uint##bits##_t load##bits(const uint8_t *at)                                               \
    {                                                                                                        \
        uint##bits##_t value;                                                                                \
        memcpy(&value, at, sizeof value);                                                                    \
        return LITTLE(bits, value);                                                                          \
    }                                                                                                        \
    static inline void store##bits(uint8_t *at, uint##bits##_t value)                                        \
    {                                                                                                        \
        value = LITTLE(bits, value);                                                                         \
        memcpy(at, &value, sizeof value);                                                                    \
    }
LITTLE_ENDIAN_ACCESS(16)
LITTLE_ENDIAN_ACCESS(32)
LITTLE_ENDIAN_ACCESS(64)

struct core;

/* core_new makes the core of a link and starts its native thread. NULL with errno. It owns both descriptors.
 */
struct core *core_new(int fd, int ledger_fd, int threads);
void core_free(struct core *core);

/* True in a child that was forked: the link is not its own, nothing else may be called. */
bool core_dead(const struct core *core);
/* Ends the process with a message. */
_Noreturn void core_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t core_now(void);

/* The next request at hand, started, or NULL. It does not block. over, if not NULL, is the one that it gave
 * before: it is over, and whatever still comes for it is dropped. */
struct item *core_take(struct core *core, struct item *over);
/* Waits for a request to be at hand, writing first what waits to be written. It may also return because of a
 * signal or because the worker is to stop. The GIL must not be held. */
void core_wait_request(struct core *core);
bool core_stopping(const struct core *core);
/* Learns how long a request took. */
void core_ran(struct core *core, uint64_t ns);
/* Lets the worker stop, from any thread or signal handler. */
void core_stop(struct core *core);
/* Who reads the link looks up for what is written to this descriptor, which does not block. */
int core_wakeup(const struct core *core);

bool core_canceled(const struct core *core, uint16_t slot, uint32_t gen);
/* How much content the answer may have in all by now. */
uint64_t core_granted(const struct core *core, uint16_t slot);
/* Waits for more than so much, or for the end of waiting; it may also return because of a signal. The GIL
 * must not be held. */
void core_wait_granted(struct core *core, uint16_t slot, uint32_t gen, uint64_t spent);

/* For an event loop, on its thread: reads what is there, without blocking. From the first call on frames of
 * every type wait for core_next in their order, and nothing above is of use. */
void core_read_frames(struct core *core);
/* The next frame, or NULL. It goes back by core_release. */
struct item *core_next(struct core *core);
/* Notes that the request of a frame has started; false if it was recalled. */
bool core_start(struct core *core, const struct item *item);
unsigned core_slots(const struct core *core);

enum received { RECEIVED_NONE, RECEIVED_PIECE, RECEIVED_END, RECEIVED_CUT, RECEIVED_GONE };
/* The next piece of streamed content if it is there. A piece goes back by core_release. */
enum received core_receive(struct core *core, uint16_t slot, uint32_t gen, struct item **piece);
void core_release(struct core *core, struct item *piece);
/* Waits until core_receive has something to say; it may also return because of a signal. The GIL must not be
 * held. */
void core_wait_received(struct core *core, uint16_t slot, uint32_t gen);

/* The header of a frame. */
static inline void frame_header(uint8_t *at, size_t len, int type, int flags, uint16_t slot, uint32_t gen)
{
    store32(at, (uint32_t)len);
    at[4] = (uint8_t)type;
    at[5] = (uint8_t)flags;
    store16(at + 6, slot);
    store32(at + 8, gen);
}

/* Where a frame lies in the output, to be found again while it waits. */
struct place {
    uint64_t batch;
    size_t at;
};
/* Appends octets to what waits to be written; false: there is no memory. */
bool core_append(struct core *core, const struct iovec *parts, int n, struct place *place);
/* Sets flags of an appended frame; false: it is under way already. */
bool core_add_flags(struct core *core, struct place place, int flags);
/* How many octets wait to be written. */
size_t core_waiting(const struct core *core);
/* Writes what waits as far as that does not block; true if nothing waits any more. */
bool core_try_flush(struct core *core);
/* The same, however much it is; false also while another thread writes. */
bool core_flush_now(struct core *core);
/* Writes octets and a descriptor if nothing waits, as far as that does not block; returns how many octets
 * went. */
size_t core_send_fd(struct core *core, const uint8_t *octets, size_t n, int fd);
/* Writes what waits, then the parts, which are used up, with a descriptor if fd >= 0. The GIL must not be
 * held. */
void core_flush(struct core *core, struct iovec *parts, int n, int fd);
/* The same in two steps. core_claim settles the order, and may be called with the GIL: what is appended
 * afterwards is written after the parts. false: somebody is writing. core_write_claimed has to follow,
 * without the GIL. */
bool core_claim(struct core *core);
void core_write_claimed(struct core *core, struct iovec *parts, int n, int fd);
/* The application runs from now on: if output waits, the native thread shall write it in time. */
void core_watch(struct core *core, uint64_t now);

#endif
