/* The type LoopLink: the link on an event loop, for Python. */
#include "asgi.h"

#include <string.h>
#include <structmember.h>

static PyObject *read_frames(LoopLink *self, PyObject *unused)
{
    (void)unused;
    if (core_dead(self->core)) {
        link_check_process(self->link);
    }
    if (loop_link_read(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *link_send(LoopLink *self, PyObject *octets)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(octets, &buffer, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    struct iovec part = {buffer.buf, (size_t)buffer.len};
    int result = loop_link_append(self, &part, 1, NULL);
    PyBuffer_Release(&buffer);
    if (result < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *flush_now(LoopLink *self, PyObject *unused)
{
    (void)unused;
    if (core_dead(self->core)) {
        link_check_process(self->link);
    }
    self->planned = false;
    if (loop_link_flush(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *link_write_some(LoopLink *self, PyObject *args)
{
    const char *octets;
    Py_ssize_t n;
    int fd;
    if (!PyArg_ParseTuple(args, "y#i:write_some", &octets, &n, &fd)) {
        return NULL;
    }
    if (core_dead(self->core)) {
        link_check_process(self->link);
    }
    return PyLong_FromSize_t(core_send_fd(self->core, (const uint8_t *)octets, (size_t)n, fd));
}

static PyObject *link_waiting(LoopLink *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(core_waiting(self->core));
}

static PyObject *loop_link_is_full(LoopLink *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(loop_link_full(self));
}

static PyObject *link_running(LoopLink *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(self->running);
}

static PyObject *link_check(LoopLink *self, PyObject *error)
{
    if (core_dead(self->core)) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        link_check_process(self->link);
    }
    Py_RETURN_NONE;
}

/* Prepares for a loop; eager says that tasks begin at once. */
static PyObject *link_prepare(LoopLink *self, PyObject *args)
{
    PyObject *loop;
    int eager;
    if (!PyArg_ParseTuple(args, "Op:prepare", &loop, &eager)) {
        return NULL;
    }
    PyObject *names = eager ? PyTuple_Pack(2, self->words.loop, self->words.eager_start)
                            : PyTuple_Pack(1, self->words.loop);
    PyObject *call_soon = names ? PyObject_GetAttrString(loop, "call_soon") : NULL;
    PyObject *create = call_soon ? PyObject_GetAttr(loop, self->words.create_future) : NULL;
    PyObject *flush_method = create ? PyObject_GetAttrString((PyObject *)self, "flush") : NULL;
    if (!flush_method) {
        Py_XDECREF(names);
        Py_XDECREF(call_soon);
        Py_XDECREF(create);
        return NULL;
    }
    REPLACE(self->task_names, names);
    REPLACE(self->call_soon, call_soon);
    REPLACE(self->create_future, create);
    REPLACE(self->flush, flush_method);
    REPLACE(self->loop, Py_NewRef(loop));
    Py_RETURN_NONE;
}

/* Life. */

static bool take_hooks(LoopLink *self, PyObject *hooks)
{
#define X(name)                                                                                              \
    self->hooks.name = PyObject_GetAttrString(hooks, #name);                                                 \
    if (!self->hooks.name) {                                                                                 \
        return false;                                                                                        \
    }
    LOOP_HOOKS(X)
#undef X
#define X(name, text)                                                                                        \
    self->words.name = PyUnicode_InternFromString(text);                                                     \
    if (!self->words.name) {                                                                                 \
        return false;                                                                                        \
    }
    WORDS(X)
#undef X
    const struct module_state *state = self->state;
    if (!PyType_Check(self->hooks.Call) ||
        !PyType_IsSubtype((PyTypeObject *)self->hooks.Call, state->call_type) ||
        !PyType_Check(self->hooks.HTTP) ||
        !PyType_IsSubtype((PyTypeObject *)self->hooks.HTTP, state->http_type) ||
        !PyType_Check(self->hooks.WebSocket) ||
        !PyType_IsSubtype((PyTypeObject *)self->hooks.WebSocket, state->websocket_type) ||
        !PyDict_CheckExact(self->hooks.state)) {
        PyErr_SetString(PyExc_TypeError, "the hooks are not what they should be");
        return false;
    }
    return true;
}

static bool make_parts(LoopLink *self)
{
    const struct words *w = &self->words;
    self->slots = core_slots(self->core);
    self->calls = PyMem_Calloc(self->slots, sizeof *self->calls);
    self->request = PyDict_New();
    self->message = PyDict_New();
    PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
    bool ok = self->calls && self->request && self->message && nothing &&
              PyDict_SetItem(self->message, w->type, w->websocket_receive) == 0 &&
              PyDict_SetItem(self->request, w->type, w->http_request) == 0 &&
              PyDict_SetItem(self->request, w->body, nothing) == 0 &&
              PyDict_SetItem(self->request, w->more_body, Py_False) == 0;
    Py_XDECREF(nothing);
    if (!self->calls && !PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    self->scopes = ok ? scopes_new(self) : NULL;
    return self->scopes != NULL;
}

static PyObject *loop_link_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *link, *hooks;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "LoopLink() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO:LoopLink", &link, &hooks)) {
        return NULL;
    }
    if (strcmp(Py_TYPE(link)->tp_name, link_spec.name) != 0) {
        PyErr_SetString(PyExc_TypeError, "LoopLink() takes a Link");
        return NULL;
    }
    LoopLink *self = (LoopLink *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->link = (Link *)Py_NewRef(link);
    self->module = Py_NewRef(self->link->module);
    self->state = self->link->state;
    self->core = self->link->core;
    if (!take_hooks(self, hooks) || !make_parts(self)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int loop_link_traverse(LoopLink *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->link);
    Py_VISIT(self->module);
    Py_VISIT(self->loop);
    Py_VISIT(self->changed);
    Py_VISIT(self->emptied);
    Py_VISIT(self->call_soon);
    Py_VISIT(self->create_future);
    Py_VISIT(self->flush);
    Py_VISIT(self->request);
    Py_VISIT(self->message);
    for (unsigned i = 0; self->calls && i < self->slots; i++) {
        Py_VISIT(self->calls[i]);
    }
#define X(name) Py_VISIT(self->hooks.name);
    LOOP_HOOKS(X)
#undef X
    return 0;
}

static int loop_link_clear(LoopLink *self)
{
    Py_CLEAR(self->loop);
    Py_CLEAR(self->changed);
    Py_CLEAR(self->emptied);
    Py_CLEAR(self->call_soon);
    Py_CLEAR(self->create_future);
    Py_CLEAR(self->flush);
    for (unsigned i = 0; self->calls && i < self->slots; i++) {
        Py_CLEAR(self->calls[i]);
    }
    return 0;
}

static void loop_link_dealloc(LoopLink *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    loop_link_clear(self);
#define X(name) Py_CLEAR(self->hooks.name);
    LOOP_HOOKS(X)
#undef X
#define X(name, text) Py_CLEAR(self->words.name);
    WORDS(X)
#undef X
    Py_CLEAR(self->request);
    Py_CLEAR(self->message);
    Py_CLEAR(self->task_names);
    scopes_free(self->scopes);
    PyMem_Free(self->scratch);
    PyMem_Free(self->calls);
    Py_CLEAR(self->link);
    Py_CLEAR(self->module);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"prepare", (PyCFunction)link_prepare, METH_VARARGS, "Prepare for a loop."},
    {"read", (PyCFunction)read_frames, METH_NOARGS, "Take what came, and start what is to be run."},
    {"send", (PyCFunction)link_send, METH_O, "Write whole frames at the end of this turn."},
    {"flush", (PyCFunction)flush_now, METH_NOARGS, "Write what waits, as far as the socket takes it."},
    {"write_some", (PyCFunction)link_write_some, METH_VARARGS, "Write a frame with a descriptor."},
    {"waiting", (PyCFunction)link_waiting, METH_NOARGS, "How many octets wait to be written."},
    {"full", (PyCFunction)loop_link_is_full, METH_NOARGS, "Whether senders should wait."},
    {"running", (PyCFunction)link_running, METH_NOARGS, "How many requests run."},
    {"_check_process", (PyCFunction)link_check, METH_O, "End a forked child with an error."},
    {NULL, NULL, 0, NULL},
};

#define AT(field) offsetof(LoopLink, field)
static PyMemberDef members[] = {
    {"loop", T_OBJECT, AT(loop), READONLY, NULL},
    {"changed", T_OBJECT, AT(changed), 0, NULL},
    {"emptied", T_OBJECT, AT(emptied), 0, NULL},
    {"stopping", T_BOOL, AT(stopping), 0, NULL},
    {"blocked", T_BOOL, AT(blocked), 0, NULL},
    {"waited", T_BOOL, AT(waited), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "LoopLink(link, hooks): the worker's end of the link on an event loop."},
    {Py_tp_new, loop_link_new},
    {Py_tp_dealloc, loop_link_dealloc},
    {Py_tp_traverse, loop_link_traverse},
    {Py_tp_clear, loop_link_clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec loop_link_spec = {
    .name = "_rickhouse.LoopLink",
    .basicsize = sizeof(LoopLink),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
