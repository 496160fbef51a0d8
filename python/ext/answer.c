/* The answer to one request: start_response, write, and what the application returns (PEP 3333). The
 * pure-Python twin of this file and of send.c is rickhouse_worker/answer.py. */
#include "answer.h"

/* What the application returned. */

static int whole(Answer *self, PyObject *content)
{
    if (answer_check_started(self) < 0) {
        return -1;
    }
    Py_ssize_t len = PyBytes_GET_SIZE(content);
    int result;
    if (self->head_sent) {
        result = answer_chunk(self, content);
    } else if (answer_silent(self)) {
        result = answer_send_head(self, len, END);
    } else {
        result = answer_send(self, PyBytes_AS_STRING(content), (size_t)len, len, true);
    }
    return result < 0 ? -1 : answer_end(self);
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
    int ok = PyArg_ParseTuple(range, "iLL", &fd, &offset, &there) ? answer_check_started(self) : -1;
    Py_DECREF(range);
    if (ok < 0) {
        return -1;
    }
    if (self->head_sent) {
        return 0; /* meanwhile, by another thread */
    }
    if (answer_silent(self)) {
        return answer_send_head(self, there, END) < 0 ? -1 : 1;
    }
    int64_t length = self->head.length >= 0 && self->head.length < there ? self->head.length : there;
    bool complete = length == answer_announced(self, there);
    if (answer_send_head(self, there, complete && !length ? END : 0) < 0) {
        return -1;
    }
    answer_send_file(self, fd, offset, length, complete);
    return answer_end(self) < 0 ? -1 : 1;
}

/* Nothing that the application could still give is of use. An endless stream must not run on for a HEAD. */
static bool enough(const Answer *self)
{
    return self->excess || (self->ended && answer_silent(self));
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
    while (ok == 0 && !enough(self) && (chunk = PyIter_Next(iterator))) {
        ok = check_chunk(self, chunk) < 0 ? -1 : answer_chunk(self, chunk);
        Py_DECREF(chunk);
        if (self->ended) {
            core_watch(self->link->core, core_now());
        }
    }
    Py_DECREF(iterator);
    return ok < 0 || (!chunk && PyErr_Occurred()) ? -1 : answer_end(self);
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
    if ((PyObject *)Py_TYPE(result) == self->link->hooks.FileWrapper) {
        self->of_file = true;
        int sent = self->head_sent ? 0 : from_file(self, result);
        if (sent) {
            return sent < 0 ? -1 : 0;
        }
    }
    return from_iterable(self, result);
}

/* Failures. */

static void fail(Answer *self)
{
    if (core_dead(self->link->core)) {
        link_check_process(self->link);
    }
    PyObject *error = exception_take();
    if (!error) {
        return;
    }
    bool gone = PyErr_GivenExceptionMatches(error, self->link->hooks.DisconnectedError);
    if (!gone) {
        answer_failed(self, error);
    }
    if (!self->ended) {
        PyObject *why = gone ? PyObject_Str(error) : PyObject_CallOneArg(self->link->hooks.one_line, error);
        answer_cut_off(self, why);
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
    PyObject *error = exception_take();
    if (error) {
        answer_failed(self, error);
        Py_DECREF(error);
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
    answer_done(self);
    Py_XDECREF(result);
}
