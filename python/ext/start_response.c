/* The types Answer, which is start_response and where streamed content comes from, and Write. */
#include "answer.h"

#include <structmember.h>

static PyObject *over(const char *what)
{
    PyErr_Format(PyExc_AssertionError, "%s was called after the request was over", what);
    return NULL;
}

/* With exc_info: raises it again if something went out already. */
static int check_again(Answer *self, PyObject *exc_info)
{
    if (exc_info != Py_None) {
        if (!self->head_sent && !self->ended && !self->over) {
            return 0;
        }
        PyObject *result = PyObject_CallOneArg(self->link->hooks.raise_again, exc_info);
        Py_XDECREF(result);
        return -1;
    }
    if (self->over) {
        over("start_response");
        return -1;
    }
    if (self->head.status) {
        PyErr_SetString(PyExc_AssertionError, "start_response was called again without exc_info");
        return -1;
    }
    return 0;
}

static PyObject *write_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names);

/* Takes a head that is not plain: rickhouse_worker.fields makes it so, or raises what is wrong with it. */
static int take_odd_head(Answer *self, PyObject *status, PyObject *headers, PyObject *exc_info)
{
    PyObject *plain = PyObject_CallFunctionObjArgs(self->link->hooks.plain_head, self->method, self->path,
                                                   status, headers, NULL);
    int filled = -1;
    if (plain && (!PyTuple_CheckExact(plain) || PyTuple_GET_SIZE(plain) != 2)) {
        PyErr_SetString(PyExc_SystemError, "plain_head did not return two values");
    } else if (plain && check_again(self, exc_info) == 0) { /* who knows what ran meanwhile */
        filled = head_fill(&self->head, PyTuple_GET_ITEM(plain, 0), PyTuple_GET_ITEM(plain, 1));
        if (!filled) {
            PyErr_SetString(PyExc_SystemError, "the two sides of the worker do not agree about the headers");
        }
    }
    Py_XDECREF(plain);
    return filled > 0 ? 0 : -1;
}

static int take_head(Answer *self, PyObject *status, PyObject *headers, PyObject *exc_info)
{
    if (check_again(self, exc_info) < 0) {
        return -1;
    }
    int filled = head_fill(&self->head, status, headers);
    return filled ? (filled > 0 ? 0 : -1) : take_odd_head(self, status, headers, exc_info);
}

static PyObject *start_response(Answer *self, PyObject *status, PyObject *headers, PyObject *exc_info)
{
    if (take_head(self, status, headers, exc_info) < 0) {
        return NULL;
    }
    if (!self->write) {
        PyTypeObject *type = self->link->state->write_type;
        Write *write = (Write *)type->tp_alloc(type, 0);
        if (!write) {
            return NULL;
        }
        write->vectorcall = write_call;
        write->answer = self;
        self->write = write;
    }
    return Py_NewRef((PyObject *)self->write);
}

/* Puts the arguments given by name in their places. */
static int by_name(PyObject *const *values, PyObject *names, PyObject *found[3])
{
    static const char *const known[] = {"status", "headers", "exc_info"};
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        int at = 0;
        while (at < 3 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), known[at])) {
            at++;
        }
        if (at == 3 || found[at]) {
            PyErr_Format(PyExc_TypeError, "start_response() got an unexpected argument '%U'",
                         PyTuple_GET_ITEM(names, i));
            return -1;
        }
        found[at] = values[i];
    }
    return 0;
}

static PyObject *answer_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    PyObject *found[3] = {NULL, NULL, NULL};
    for (Py_ssize_t i = 0; i < n && i < 3; i++) {
        found[i] = args[i];
    }
    if (names && n <= 3 && by_name(args + n, names, found) < 0) {
        return NULL;
    }
    if (n > 3 || !found[0] || !found[1]) {
        PyErr_SetString(PyExc_TypeError, "start_response() takes status, headers and, if need be, exc_info");
        return NULL;
    }
    return start_response((Answer *)object, found[0], found[1], found[2] ? found[2] : Py_None);
}

static PyObject *write_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Answer *self = ((Write *)object)->answer;
    if (PyVectorcall_NARGS(nargsf) != 1 || (names && PyTuple_GET_SIZE(names))) {
        PyErr_SetString(PyExc_TypeError, "write() takes one argument, bytes");
        return NULL;
    }
    if (!self) {
        return over("write");
    }
    if (!PyBytes_Check(args[0])) {
        return PyObject_CallOneArg(self->link->hooks.check_chunk, args[0]);
    }
    Py_INCREF(self);
    int ok = answer_chunk(self, args[0]);
    Py_DECREF(self);
    if (ok < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Streamed content. */

static int give_back(Answer *self, uint32_t n)
{
    if (self->done || self->over) {
        return 0; /* for the front, this request is no more */
    }
    uint8_t frame[HEADER + 4];
    frame_header(frame, 4, A_WINDOW, 0, self->slot, self->gen);
    store32(frame + HEADER, n);
    struct iovec part = {frame, sizeof frame};
    if (!core_append(self->link->core, &part, 1, NULL)) {
        PyErr_NoMemory();
        return -1;
    }
    link_flush(self->link);
    return 0;
}

static PyObject *piece_taken(Answer *self, struct item *piece)
{
    PyObject *content = PyBytes_FromStringAndSize((const char *)piece->payload, piece->len);
    self->received += piece->len;
    core_release(self->link->core, piece);
    if (content && self->received >= CONTENT_CREDIT / 2) {
        uint32_t n = self->received;
        self->received = 0;
        if (give_back(self, n) < 0) {
            Py_CLEAR(content);
        }
    }
    return content;
}

static PyObject *cannot_receive(Answer *self, enum received what)
{
    if (what == RECEIVED_CUT) {
        PyErr_SetString(PyExc_ConnectionResetError, "the content of the request was cut");
    } else {
        PyObject *error = PyObject_CallNoArgs(self->link->hooks.DisconnectedError);
        if (error) {
            PyErr_SetObject(self->link->hooks.DisconnectedError, error);
            Py_DECREF(error);
        }
    }
    return NULL;
}

static PyObject *answer_receive(Answer *self, PyObject *unused)
{
    struct core *core = self->link->core;
    (void)unused;
    for (;;) {
        if (core_dead(core)) {
            link_check_process(self->link);
        }
        if (self->over) {
            PyErr_SetString(PyExc_ValueError, "the request is over: its content cannot be read any more");
            return NULL;
        }
        struct item *piece = NULL;
        enum received what = core_receive(core, self->slot, self->gen, &piece);
        if (what == RECEIVED_PIECE) {
            return piece_taken(self, piece);
        }
        if (what == RECEIVED_END) {
            return PyBytes_FromStringAndSize(NULL, 0);
        }
        if (what != RECEIVED_NONE) {
            return cannot_receive(self, what);
        }
        if (!self->asked) {
            self->asked = true;
            if (give_back(self, 0) < 0) { /* the front may answer Expect: 100-continue */
                return NULL;
            }
        }
        uint16_t slot = self->slot;
        uint32_t gen = self->gen;
        PyThreadState *gil = PyEval_SaveThread();
        core_flush(core, NULL, 0, -1);
        core_wait_received(core, slot, gen);
        PyEval_RestoreThread(gil);
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
}

/* Life. */

Answer *answer_new(Link *link)
{
    PyTypeObject *type = link->state->answer_type;
    Answer *self = (Answer *)type->tp_alloc(type, 0);
    if (self) {
        self->vectorcall = answer_call;
        self->link = (Link *)Py_NewRef((PyObject *)link);
    }
    return self;
}

void answer_begin(Answer *self, const struct item *item, uint64_t started)
{
    self->head.status = 0;
    self->head.length = -1;
    self->started = started;
    self->spent = 0;
    self->last = (struct place){UINT64_MAX, 0};
    self->given = self->sent = 0;
    self->received = 0;
    self->slot = item->slot;
    self->gen = item->gen;
    self->head_sent = self->ended = self->excess = self->of_file = self->final = self->done = self->over =
        self->asked = false;
}

static void detach_write(Answer *self)
{
    if (self->write) {
        self->write->answer = NULL;
        Py_CLEAR(self->write);
    }
}

bool answer_over(Answer *self)
{
    Py_CLEAR(self->method);
    Py_CLEAR(self->path);
    if (self->write && Py_REFCNT(self->write) > 1) {
        detach_write(self);
    }
    if (Py_REFCNT(self) == 1) {
        return true;
    }
    self->over = true;
    detach_write(self);
    return false;
}

static void answer_dealloc(Answer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    detach_write(self);
    Py_XDECREF(self->method);
    Py_XDECREF(self->path);
    Py_XDECREF((PyObject *)self->link);
    PyMem_RawFree(self->head.octets);
    type->tp_free(self);
    Py_DECREF(type);
}

static void write_dealloc(Write *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef answer_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Answer, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef answer_methods[] = {
    {"receive", (PyCFunction)answer_receive, METH_NOARGS,
     "The next piece of streamed content, empty at its end."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot answer_slots[] = {
    {Py_tp_doc, "start_response of one request (PEP 3333)."},
    {Py_tp_dealloc, answer_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, answer_members},
    {Py_tp_methods, answer_methods},
    {0, NULL},
};

PyType_Spec answer_spec = {
    .name = "_rickhouse.Answer",
    .basicsize = sizeof(Answer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = answer_slots,
};

static PyMemberDef write_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Write, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot write_slots[] = {
    {Py_tp_doc, "write of one request (PEP 3333)."},
    {Py_tp_dealloc, write_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, write_members},
    {0, NULL},
};

PyType_Spec write_spec = {
    .name = "_rickhouse.Write",
    .basicsize = sizeof(Write),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = write_slots,
};
