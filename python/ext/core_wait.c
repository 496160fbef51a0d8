/* Waiting for what the front sends: one thread reads for all that wait (leader and followers). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core_private.h"

/* Under in_lock but for the reading itself. */

static bool satisfied(struct core *core, const struct waiter *w)
{
    switch (w->what) {
    case FOR_REQUEST:
        return core->first || atomic_load(&core->stopping);
    case FOR_GRANTED:
        return !input_active(core, w->slot, w->gen) || core_granted(core, w->slot) > w->spent ||
               core_canceled(core, w->slot, w->gen);
    default:
        return input_received(core, w->slot, w->gen) != RECEIVED_NONE;
    }
}

static bool requests_are_short(const struct core *core)
{
    return atomic_load_explicit(&core->mean, memory_order_relaxed) < SHORT_NS;
}

/* Wakes who can go on: whose own has come, and as many as there are requests from first on. */
static void wake_satisfied(struct core *core, struct item *first)
{
    bool stopping = atomic_load(&core->stopping);
    for (struct waiter *w = core->waiters; w; w = w->next) {
        if (w->what != FOR_REQUEST) {
            if (satisfied(core, w)) {
                pthread_cond_signal(&w->cond);
            }
        } else if (first || stopping) {
            pthread_cond_signal(&w->cond);
            first = first ? first->next : NULL;
        }
    }
}

/* What the reader wakes others for: not for what it takes itself, nor for more if requests are short. */
static struct item *for_others(struct core *core, const struct waiter *reader)
{
    if (reader->what != FOR_REQUEST || !core->first) {
        return core->first;
    }
    return requests_are_short(core) ? NULL : core->first->next;
}

static void sleep_until_woken(struct core *core, struct waiter *w)
{
    pthread_cond_init(&w->cond, NULL);
    w->next = core->waiters;
    core->waiters = w;
    pthread_cond_wait(&w->cond, &core->in_lock);
    for (struct waiter **at = &core->waiters; *at; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            break;
        }
    }
    pthread_cond_destroy(&w->cond);
}

static void lead(struct core *core, struct waiter *w)
{
    core->leader = w;
    atomic_store_explicit(&core->unread, false, memory_order_relaxed);
    atomic_store_explicit(&core->unread_since, 0, memory_order_relaxed);
    input_make_room(core);
}

/* The thread goes its way: somebody else has to read on, now or later. */
static void leave(struct core *core, const struct waiter *w)
{
    if (core->leader || !core->waiters) {
        return;
    }
    if (w->what == FOR_REQUEST && core->first && requests_are_short(core)) {
        atomic_store_explicit(&core->unread, true, memory_order_relaxed);
    } else {
        pthread_cond_signal(&core->waiters->cond);
    }
}

static void wait_for(struct core *core, struct waiter *w)
{
    pthread_mutex_lock(&core->in_lock);
    while (!satisfied(core, w)) {
        if (core->leader) {
            sleep_until_woken(core, w);
            continue;
        }
        lead(core, w);
        pthread_mutex_unlock(&core->in_lock);
        bool something = input_read(core);
        pthread_mutex_lock(&core->in_lock);
        core->leader = NULL;
        if (!something) {
            break;
        }
        input_parse(core);
        wake_satisfied(core, for_others(core, w));
    }
    leave(core, w);
    pthread_mutex_unlock(&core->in_lock);
}

void wait_over(struct core *core, uint16_t slot)
{
    if (core->leader && core->leader->what != FOR_REQUEST && core->leader->slot == slot) {
        core_poke(core->nudge);
    }
    for (struct waiter *w = core->waiters; w; w = w->next) {
        if (w->what != FOR_REQUEST && w->slot == slot) {
            pthread_cond_signal(&w->cond);
        }
    }
}

void input_promote(struct core *core)
{
    pthread_mutex_lock(&core->in_lock);
    wake_satisfied(core, core->first);
    if (!core->leader && core->waiters) {
        pthread_cond_signal(&core->waiters->cond);
    }
    atomic_store_explicit(&core->unread, false, memory_order_relaxed);
    atomic_store(&core->unread_since, 0);
    pthread_mutex_unlock(&core->in_lock);
}

void core_ran(struct core *core, uint64_t ns)
{
    /* Threads may get in each other's way here: it is an estimate. */
    uint64_t mean = atomic_load_explicit(&core->mean, memory_order_relaxed);
    atomic_store_explicit(&core->mean, mean - mean / 8 + ns / 8, memory_order_relaxed);
}

void core_wait_request(struct core *core)
{
    struct waiter w = {.what = FOR_REQUEST};
    if (core_waiting(core)) {
        core_flush(core, NULL, 0, -1);
    }
    wait_for(core, &w);
}

void core_wait_granted(struct core *core, uint16_t slot, uint32_t gen, uint64_t spent)
{
    struct waiter w = {.what = FOR_GRANTED, .slot = slot, .gen = gen, .spent = spent};
    wait_for(core, &w);
}

void core_wait_received(struct core *core, uint16_t slot, uint32_t gen)
{
    struct waiter w = {.what = FOR_RECEIVED, .slot = slot, .gen = gen};
    wait_for(core, &w);
}
