/* What an application awaits: done at once if nothing has to be waited for, else by a coroutine of the Python
 * side. As with coroutines nothing happens before it is awaited, and it is awaited once. */
#include "asgi.h"

typedef struct {
    PyObject_HEAD Call *call;
    PyObject *exchange; /* an HTTP or a WebSocket */
    PyObject *message;  /* NULL: a receive */
    PyObject *future;   /* is waited for; NULL: nothing is */
    PyObject *slow;     /* the coroutine that does it */
    bool socket;        /* exchange is a WebSocket */
    bool begun;
} Operation;

PyObject *operation_new(Call *call, PyObject *exchange, PyObject *message)
{
    const struct module_state *state = call->link->state;
    Operation *self = (Operation *)state->operation_type->tp_alloc(state->operation_type, 0);
    if (self) {
        self->call = (Call *)Py_NewRef(call);
        self->exchange = Py_NewRef(exchange);
        self->message = Py_XNewRef(message);
        self->socket = PyObject_TypeCheck(exchange, state->websocket_type);
    }
    return (PyObject *)self;
}

PyObject *coroutine_result(PySendResult what, PyObject *result)
{
    if (what != PYGEN_RETURN) {
        return result;
    }
    if (result == Py_None) {
        PyErr_SetNone(PyExc_StopIteration);
    } else {
        /* As an exception that is made already a tuple is a value, too. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        if (stop) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
    }
    Py_DECREF(result);
    return NULL;
}

void throw_exception(PyObject *args)
{
    PyObject *type, *value = NULL, *trace = NULL;
    if (!PyArg_ParseTuple(args, "O|OO:throw", &type, &value, &trace)) {
        return;
    }
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else {
        PyErr_SetObject(type, value);
    }
}

/* 1: done, 0: it is not to be done at once, -1: an exception. */
static int do_now(Operation *self, PyObject **result)
{
    if (self->message) {
        int done = self->socket ? websocket_send_now((WebSocket *)self->exchange, self->message)
                                : http_send_now((HTTP *)self->exchange, self->message);
        if (done > 0) {
            *result = Py_NewRef(Py_None);
        }
        return done;
    }
    return self->socket ? websocket_receive_now((WebSocket *)self->exchange, result)
                        : http_receive_now((HTTP *)self->exchange, result);
}

/* Waits for a message, by a future that this yields as one does that is awaited. */
static PySendResult wait_for_message(Operation *self, PyObject **result)
{
    Call *call = self->call;
    PyObject *future = PyObject_CallNoArgs(call->link->create_future);
    if (!future || PyObject_SetAttr(future, call->link->words.blocking, Py_True) < 0) {
        Py_XDECREF(future);
        return PYGEN_ERROR;
    }
    REPLACE(call->receiver, Py_NewRef(future));
    self->future = future;
    *result = Py_NewRef(future);
    return PYGEN_NEXT;
}

/* Waits no longer. */
static void leave(Operation *self)
{
    if (self->future && self->call->receiver == self->future) {
        Py_CLEAR(self->call->receiver);
    }
    Py_CLEAR(self->future);
}

static PyObject *slow_way(Operation *self)
{
    const struct loop_hooks *hooks = &self->call->link->hooks;
    if (self->message) {
        return PyObject_CallFunctionObjArgs(self->socket ? hooks->websocket_send : hooks->send,
                                            self->exchange, self->message, NULL);
    }
    return PyObject_CallOneArg(self->socket ? hooks->websocket_receive : hooks->receive, self->exchange);
}

/* Whether it may go on; false with an exception. */
static bool goes_on(Operation *self)
{
    bool waits = self->future && self->call->receiver == self->future;
    if (self->begun && (waits || !self->future)) {
        PyErr_SetString(PyExc_RuntimeError,
                        waits ? "await wasn't used with future" : "cannot reuse already awaited coroutine");
        return false;
    }
    return true;
}

static PySendResult operation_am_send(PyObject *object, PyObject *value, PyObject **result)
{
    Operation *self = (Operation *)object;
    if (self->slow) {
        return PyIter_Send(self->slow, value, result);
    }
    *result = NULL;
    if (!goes_on(self)) {
        return PYGEN_ERROR;
    }
    self->begun = true;
    Py_CLEAR(self->future);
    int done = do_now(self, result);
    if (done) {
        return done > 0 ? PYGEN_RETURN : PYGEN_ERROR;
    }
    if (self->socket && !self->message && websocket_is_quiet((WebSocket *)self->exchange)) {
        return wait_for_message(self, result);
    }
    self->slow = slow_way(self);
    return self->slow ? PyIter_Send(self->slow, Py_None, result) : PYGEN_ERROR;
}

static PyObject *operation_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult what = operation_am_send(self, value, &result);
    return coroutine_result(what, result);
}

static PyObject *operation_next(PyObject *self)
{
    return operation_send(self, Py_None);
}

static PyObject *operation_throw(Operation *self, PyObject *args)
{
    if (self->slow) {
        PyObject *method = PyObject_GetAttr(self->slow, self->call->link->words.throw_);
        PyObject *result = method ? PyObject_Call(method, args, NULL) : NULL;
        Py_XDECREF(method);
        return result;
    }
    self->begun = true;
    leave(self);
    throw_exception(args);
    return NULL;
}

static PyObject *operation_close(Operation *self, PyObject *unused)
{
    (void)unused;
    self->begun = true;
    leave(self);
    if (self->slow) {
        return PyObject_CallMethod(self->slow, "close", NULL);
    }
    Py_RETURN_NONE;
}

static int operation_traverse(Operation *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->call);
    Py_VISIT(self->exchange);
    Py_VISIT(self->message);
    Py_VISIT(self->future);
    Py_VISIT(self->slow);
    return 0;
}

static int operation_clear(Operation *self)
{
    leave(self);
    Py_CLEAR(self->exchange);
    Py_CLEAR(self->message);
    Py_CLEAR(self->slow);
    return 0;
}

static void operation_dealloc(Operation *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    operation_clear(self);
    Py_CLEAR(self->call);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"send", operation_send, METH_O, "As of a coroutine."},
    {"throw", (PyCFunction)operation_throw, METH_VARARGS, "As of a coroutine."},
    {"close", (PyCFunction)operation_close, METH_NOARGS, "As of a coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A receive or a send that is awaited."},
    {Py_tp_dealloc, operation_dealloc},
    {Py_tp_traverse, operation_traverse},
    {Py_tp_clear, operation_clear},
    {Py_tp_methods, methods},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, operation_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, operation_am_send},
    {0, NULL},
};

PyType_Spec operation_spec = {
    .name = "_rickhouse.Operation",
    .basicsize = sizeof(Operation),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
