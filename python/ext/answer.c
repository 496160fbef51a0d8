/* The answer to one request: start_response, write, and what the application returns (PEP 3333). The
 * pure-Python twin of this file is rickhouse_worker/answer.py. */
#include "answer.h"

#include <string.h>

/* Sending. */

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
    if (content->iov_len >= COPY_BELOW) {
        PyThreadState *gil = PyEval_SaveThread();
        core_flush(core, parts, 3, -1);
        PyEval_RestoreThread(gil);
        return 0;
    }
    if (!core_append(core, parts, 3, &self->last)) {
        PyErr_NoMemory();
        return -1;
    }
    if (now) {
        link_flush(self->link);
    }
    return 0;
}

static int send_simple(Answer *self, int type, int flags, const void *at, size_t len, bool now)
{
    struct iovec first = {(void *)at, len}, none = {NULL, 0};
    return send_frame(self, type, flags, &first, &none, now);
}

static bool silent(const Answer *self)
{
    return self->is_head || self->head.status == 204 || self->head.status == 304;
}

static int check_started(const Answer *self)
{
    if (self->head.status) {
        return 0;
    }
    PyErr_SetString(PyExc_AssertionError,
                    "the application did not call start_response before its first content");
    return -1;
}

/* The Content-Length to announce: what the application said, or what is known, or -1. */
static int64_t announced(const Answer *self, int64_t known)
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
    int64_t length = announced(self, known);
    head_finish(&self->head, self->started, length < 0 ? 0 : (uint64_t)length);
    self->head_sent = true;
    struct iovec first = {self->head.octets, self->head.len}, second = {(void *)content, len};
    return send_frame(self, A_HEAD, flags | (length >= 0 ? LENGTH : 0), &first, &second, now);
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

/* Sends content within the Content-Length and the window. data must live until this returns. */
static int send_content(Answer *self, const char *data, size_t len, int64_t known, bool last)
{
    if (self->head.length >= 0) {
        uint64_t room = (uint64_t)(self->head.length - self->sent);
        if (len > room) {
            answer_report_cut(self, (int64_t)len);
            len = (size_t)room;
        }
        last = len == room;
    }
    self->sent += (int64_t)len;
    if (self->ended) {
        return 0;
    }
    do {
        Py_ssize_t n = len ? take_credit(self, len < MAX_CONTENT ? len : MAX_CONTENT) : 0;
        if (n < 0) {
            return -1;
        }
        int flags = last && (size_t)n == len ? END : 0;
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

/* A piece of the answer; what follows it is not known. */
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
    if (check_started(self) < 0) {
        return -1;
    }
    if (!silent(self)) {
        return send_content(self, PyBytes_AS_STRING(chunk), (size_t)len, -1, false);
    }
    self->sent += len;
    return self->head_sent ? 0 : send_head(self, -1, NULL, 0, END, false);
}

static void cut_off(Answer *self, PyObject *why)
{
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

/* The application has given everything. */
static int end(Answer *self)
{
    if (check_started(self) < 0) {
        return -1;
    }
    if (self->ended) {
        return 0;
    }
    if (silent(self)) {
        return send_head(self, -1, NULL, 0, END, false);
    }
    if (self->head.length > self->sent) {
        PyObject *why = PyUnicode_FromFormat(
            "the application gave %lld octets of content where its Content-Length is %lld",
            (long long)self->sent, (long long)self->head.length);
        answer_misdeed(self, why);
        cut_off(self, why);
        Py_XDECREF(why);
        return 0;
    }
    if (!self->head_sent) {
        return send_head(self, 0, NULL, 0, END, false);
    }
    return send_simple(self, A_DATA, END, NULL, 0, false);
}

/* What the application returned. */

static int whole(Answer *self, PyObject *content)
{
    if (check_started(self) < 0) {
        return -1;
    }
    Py_ssize_t len = PyBytes_GET_SIZE(content);
    int result;
    if (self->head_sent) {
        result = answer_chunk(self, content);
    } else if (silent(self)) {
        result = send_head(self, len, NULL, 0, END, false);
    } else {
        result = send_content(self, PyBytes_AS_STRING(content), (size_t)len, len, true);
    }
    return result < 0 ? -1 : end(self);
}

static int check_chunk(Answer *self, PyObject *chunk)
{
    if (PyBytes_Check(chunk)) {
        return 0;
    }
    PyObject *result = PyObject_CallOneArg(self->link->hooks.check_chunk, chunk);
    if (result) {
        Py_DECREF(result);
        PyErr_SetString(PyExc_TypeError, "the application must give bytes");
    }
    return -1;
}

static int from_list(Answer *self, PyObject *result)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(result);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (check_chunk(self, PySequence_Fast_GET_ITEM(result, i)) < 0) {
            return -1;
        }
    }
    PyObject *content;
    if (n == 1) {
        content = Py_NewRef(PySequence_Fast_GET_ITEM(result, 0));
    } else {
        PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
        content = nothing ? PyObject_CallMethod(nothing, "join", "(O)", result) : NULL;
        Py_XDECREF(nothing);
    }
    if (!content) {
        return -1;
    }
    self->final = true;
    int sent = whole(self, content);
    Py_DECREF(content);
    return sent;
}

/* Sends a file by its descriptor. 0: it has to be read. */
static int from_file(Answer *self, PyObject *wrapper)
{
    PyObject *range = PyObject_CallOneArg(self->link->hooks.file_range, wrapper);
    if (!range || range == Py_None) {
        Py_XDECREF(range);
        return range ? 0 : -1;
    }
    int fd;
    long long offset, there;
    int ok = PyArg_ParseTuple(range, "iLL", &fd, &offset, &there) ? check_started(self) : -1;
    Py_DECREF(range);
    if (ok < 0) {
        return -1;
    }
    if (silent(self)) {
        return send_head(self, there, NULL, 0, END, false) < 0 ? -1 : 1;
    }
    int64_t length = self->head.length >= 0 && self->head.length < there ? self->head.length : there;
    if (there > length) {
        answer_report_cut(self, there);
    }
    bool complete = length == announced(self, there);
    if (send_head(self, there, NULL, 0, complete && !length ? END : 0, false) < 0) {
        return -1;
    }
    self->sent = length;
    if (length && !core_dead(self->link->core)) {
        uint8_t frame[HEADER + 16];
        frame_header(frame, 16, A_FILE, HAS_FD | (complete ? END : 0), self->slot, self->gen);
        store64(frame + HEADER, (uint64_t)offset);
        store64(frame + HEADER + 8, (uint64_t)length);
        struct iovec part = {frame, sizeof frame};
        PyThreadState *gil = PyEval_SaveThread();
        core_flush(self->link->core, &part, 1, fd);
        PyEval_RestoreThread(gil);
        self->ended = complete;
    }
    return end(self) < 0 ? -1 : 1;
}

static int from_iterable(Answer *self, PyObject *result)
{
    PyObject *iterator = PyObject_GetIter(result);
    if (!iterator) {
        PyObject *error, *value, *trace;
        PyErr_Fetch(&error, &value, &trace);
        PyObject *right = PyObject_CallOneArg(self->link->hooks.check_result, result);
        if (right) {
            Py_DECREF(right);
            PyErr_Restore(error, value, trace);
        } else {
            Py_XDECREF(error);
            Py_XDECREF(value);
            Py_XDECREF(trace);
        }
        return -1;
    }
    PyObject *chunk = NULL;
    int ok = 0;
    while (ok == 0 && !self->excess && (chunk = PyIter_Next(iterator))) {
        ok = check_chunk(self, chunk) < 0 ? -1 : answer_chunk(self, chunk);
        Py_DECREF(chunk);
        if (self->ended) {
            core_watch(self->link->core, core_now());
        }
    }
    Py_DECREF(iterator);
    return ok < 0 || (!chunk && PyErr_Occurred()) ? -1 : end(self);
}

static int content_of(Answer *self, PyObject *result)
{
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        return from_list(self, result);
    }
    if (PyBytes_Check(result) || PyUnicode_Check(result)) {
        PyObject *right = PyObject_CallOneArg(self->link->hooks.check_result, result);
        Py_XDECREF(right);
        return right ? from_iterable(self, result) : -1;
    }
    if ((PyObject *)Py_TYPE(result) == self->link->hooks.FileWrapper && !self->head_sent) {
        int sent = from_file(self, result);
        if (sent) {
            return sent < 0 ? -1 : 0;
        }
    }
    return from_iterable(self, result);
}

/* Failures. */

/* Takes the exception at hand, with its traceback. */
static PyObject *take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace && value) {
        PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
#endif
}

static void fail(Answer *self)
{
    if (core_dead(self->link->core)) {
        link_check_process(self->link);
    }
    PyObject *error = take_exception();
    if (!error) {
        return;
    }
    bool gone = PyErr_GivenExceptionMatches(error, self->link->hooks.DisconnectedError);
    if (!gone) {
        answer_failed(self, error);
    }
    if (!self->ended) {
        PyObject *why = gone ? PyObject_Str(error) : PyObject_CallOneArg(self->link->hooks.one_line, error);
        cut_off(self, why);
        Py_XDECREF(why);
    }
    Py_DECREF(error);
}

static void close_result(Answer *self, PyObject *result)
{
    PyObject *close = PyObject_GetAttr(result, self->link->state->close);
    if (!close) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            return;
        }
    } else {
        if (self->ended) {
            core_watch(self->link->core, core_now());
        }
        PyObject *closed = close == Py_None ? Py_NewRef(Py_None) : PyObject_CallNoArgs(close);
        Py_DECREF(close);
        Py_XDECREF(closed);
        if (closed) {
            return;
        }
    }
    if (core_dead(self->link->core)) {
        link_check_process(self->link);
    }
    PyObject *error = take_exception();
    if (error) {
        answer_failed(self, error);
        Py_DECREF(error);
    }
}

static void send_done(Answer *self)
{
    if (self->done || (self->ended && core_add_flags(self->link->core, self->last, DONE))) {
        return;
    }
    uint64_t us = (core_now() - self->started) / 1000;
    uint8_t payload[4];
    store32(payload, us > UINT32_MAX ? UINT32_MAX : (uint32_t)us);
    if (send_simple(self, A_DONE, 0, payload, sizeof payload, false) < 0) {
        core_die("out of memory while answering");
    }
}

void answer_run(Answer *self, PyObject *app, PyObject *environ, PyObject *method, PyObject *path)
{
    self->method = Py_NewRef(method);
    self->path = Py_NewRef(path);
    self->is_head = PyUnicode_CompareWithASCIIString(method, "HEAD") == 0;
    PyObject *arguments[] = {NULL, environ, (PyObject *)self};
    PyObject *result = PyObject_Vectorcall(app, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (core_dead(self->link->core)) {
        link_check_process(self->link);
    }
    if (!result || content_of(self, result) < 0) {
        fail(self);
    }
    if (core_dead(self->link->core)) {
        link_check_process(self->link);
    }
    if (result && !self->done) {
        close_result(self, result);
    }
    send_done(self);
    Py_XDECREF(result);
}
