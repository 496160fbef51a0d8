/* What of an answer goes out: frames, within its Content-Length and its window. */
#include "answer.h"

#include <string.h>

static int no_octets(Link *link)
{
    if (core_dead(link->core)) {
        link_check_process(link);
    }
    return 0;
}

/* Sends a frame of some octets and of content. now: it has to be with the front before anything else happens.
 */
static int send_frame(Answer *self, int type, int flags, struct iovec *first, struct iovec *content, bool now)
{
    struct core *core = self->link->core;
    uint8_t header[HEADER];
    if (core_dead(core)) {
        return no_octets(self->link);
    }
    if (flags & END) {
        self->ended = true;
        self->done = self->final;
        flags |= self->final ? DONE : 0;
    }
    frame_header(header, first->iov_len + content->iov_len, type, flags, self->slot, self->gen);
    struct iovec parts[3] = {{header, HEADER}, *first, *content};
    /* Frames go out in the order in which they are made, under the GIL, whatever threads the application has.
     */
    if (content->iov_len >= COPY_BELOW && core_claim(core)) {
        PyThreadState *gil = PyEval_SaveThread();
        core_write_claimed(core, parts, 3, -1);
        PyEval_RestoreThread(gil);
        return 0;
    }
    if (!core_append(core, parts, 3, &self->last)) {
        PyErr_NoMemory();
        return -1;
    }
    if (now || content->iov_len >= COPY_BELOW) {
        link_flush(self->link);
    }
    return 0;
}

static int send_simple(Answer *self, int type, int flags, const void *at, size_t len, bool now)
{
    struct iovec first = {(void *)at, len}, none = {NULL, 0};
    return send_frame(self, type, flags, &first, &none, now);
}

bool answer_silent(const Answer *self)
{
    return self->is_head || self->head.status == 204 || self->head.status == 304;
}

int answer_check_started(const Answer *self)
{
    if (self->head.status) {
        return 0;
    }
    PyErr_SetString(PyExc_AssertionError,
                    "the application did not call start_response before its first content");
    return -1;
}

int64_t answer_announced(const Answer *self, int64_t known)
{
    if (self->head.status == 204) {
        return -1;
    }
    if (self->head.length >= 0 || self->head.status == 304) {
        return self->head.length;
    }
    /* An application that left out the content for HEAD did not mean that GET has none. */
    return known == 0 && self->is_head ? -1 : known;
}

static int send_head(Answer *self, int64_t known, const char *content, size_t len, int flags, bool now)
{
    int64_t length = answer_announced(self, known);
    head_finish(&self->head, self->started, length < 0 ? 0 : (uint64_t)length);
    self->head_sent = true;
    struct iovec first = {self->head.octets, self->head.len}, second = {(void *)content, len};
    return send_frame(self, A_HEAD, flags | (length >= 0 ? LENGTH : 0), &first, &second, now);
}

int answer_send_head(Answer *self, int64_t known, int flags)
{
    return send_head(self, known, NULL, 0, flags, false);
}

static int set_disconnected(Answer *self)
{
    PyObject *error = PyObject_CallNoArgs(self->link->hooks.DisconnectedError);
    if (error) {
        PyErr_SetObject(self->link->hooks.DisconnectedError, error);
        Py_DECREF(error);
    }
    return -1;
}

bool answer_gone(const Answer *self)
{
    return core_canceled(self->link->core, self->slot, self->gen);
}

/* How much content may be sent now, at least one octet and at most so much; -1 with an exception. */
static Py_ssize_t take_credit(Answer *self, size_t most)
{
    struct core *core = self->link->core;
    if (core_dead(core)) {
        return no_octets(self->link);
    }
    for (;;) {
        if (self->ended || self->over) {
            PyErr_SetString(PyExc_AssertionError, "the answer was ended while a thread was writing it");
            return -1;
        }
        if (answer_gone(self)) {
            return set_disconnected(self);
        }
        uint64_t granted = core_granted(core, self->slot);
        if (granted > self->spent) {
            uint64_t n = granted - self->spent < most ? granted - self->spent : most;
            self->spent += n;
            return (Py_ssize_t)n;
        }
        PyThreadState *gil = PyEval_SaveThread();
        core_flush(core, NULL, 0, -1);
        core_wait_granted(core, self->slot, self->gen, self->spent);
        PyEval_RestoreThread(gil);
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
}

int answer_send(Answer *self, const char *data, size_t len, int64_t known, bool last)
{
    int64_t given = self->given + (int64_t)len;
    if (self->head.length >= 0) {
        uint64_t room = (uint64_t)(self->head.length - self->given);
        len = len > room ? (size_t)room : len;
        last = false; /* what is sent is counted */
    }
    self->given += (int64_t)len;
    if (given > self->given) {
        answer_report_cut(self, given);
    }
    if (self->ended) {
        return 0;
    }
    do {
        Py_ssize_t n = len ? take_credit(self, len < MAX_CONTENT ? len : MAX_CONTENT) : 0;
        if (n < 0) {
            return -1;
        }
        self->sent += n;
        int flags = (last && (size_t)n == len) || self->sent == self->head.length ? END : 0;
        if (!self->head_sent) {
            if (send_head(self, known, data, (size_t)n, flags, !flags) < 0) {
                return -1;
            }
        } else if (n || flags) {
            struct iovec none = {NULL, 0}, content = {(void *)data, (size_t)n};
            if (send_frame(self, A_DATA, flags, &none, &content, !flags) < 0) {
                return -1;
            }
        }
        data += n;
        len -= (size_t)n;
    } while (len);
    return 0;
}

int answer_chunk(Answer *self, PyObject *chunk)
{
    if (core_dead(self->link->core)) {
        return no_octets(self->link);
    }
    if (answer_gone(self)) {
        return set_disconnected(self);
    }
    Py_ssize_t len = PyBytes_GET_SIZE(chunk);
    if (!len) {
        return 0;
    }
    if (answer_check_started(self) < 0) {
        return -1;
    }
    if (!answer_silent(self)) {
        return answer_send(self, PyBytes_AS_STRING(chunk), (size_t)len, -1, false);
    }
    return self->head_sent ? 0 : answer_send_head(self, -1, END);
}

void answer_cut_off(Answer *self, PyObject *why)
{
    if (self->ended) {
        return;
    }
    self->ended = true;
    self->final = false;
    Py_ssize_t len = 0;
    const char *text = why ? PyUnicode_AsUTF8AndSize(why, &len) : NULL;
    if (!text) {
        PyErr_Clear();
        text = "the application failed";
        len = (Py_ssize_t)strlen(text);
    }
    if (len > 1024) {
        for (len = 1024; len && ((uint8_t)text[len] & 0xc0) == 0x80;) {
            len--;
        }
    }
    if (send_simple(self, A_ABORT, 0, text, (size_t)len, false) < 0) {
        PyErr_WriteUnraisable(NULL);
    }
}

int answer_end(Answer *self)
{
    if (answer_check_started(self) < 0) {
        return -1;
    }
    if (self->ended) {
        return 0;
    }
    if (answer_silent(self)) {
        return answer_send_head(self, -1, END);
    }
    if (self->head.length > self->given) {
        PyObject *why = PyUnicode_FromFormat(
            "the application gave %lld octets of content where its Content-Length is %lld",
            (long long)self->given, (long long)self->head.length);
        answer_misdeed(self, why);
        answer_cut_off(self, why);
        Py_XDECREF(why);
        return 0;
    }
    if (!self->head_sent) {
        return answer_send_head(self, 0, END);
    }
    return send_simple(self, A_DATA, END, NULL, 0, false);
}

void answer_send_file(Answer *self, int fd, int64_t offset, int64_t length, bool complete)
{
    self->given = length;
    if (!length || core_dead(self->link->core)) {
        return;
    }
    self->ended = complete;
    uint8_t frame[HEADER + 16];
    frame_header(frame, 16, A_FILE, HAS_FD | (complete ? END : 0), self->slot, self->gen);
    store64(frame + HEADER, (uint64_t)offset);
    store64(frame + HEADER + 8, (uint64_t)length);
    struct iovec part = {frame, sizeof frame};
    PyThreadState *gil = PyEval_SaveThread();
    core_flush(self->link->core, &part, 1, fd);
    PyEval_RestoreThread(gil);
}

void answer_done(Answer *self)
{
    if (self->done) {
        return;
    }
    self->done = true;
    if (self->ended && core_add_flags(self->link->core, self->last, DONE)) {
        return;
    }
    uint64_t us = (core_now() - self->started) / 1000;
    uint8_t payload[4];
    store32(payload, us > UINT32_MAX ? UINT32_MAX : (uint32_t)us);
    if (send_simple(self, A_DONE, 0, payload, sizeof payload, false) < 0) {
        core_die("out of memory while answering");
    }
}
