/* What an application awaits: done at once if nothing has to be waited for, else by a coroutine of the Python
 * side. As with coroutines nothing happens before it is awaited, and it is awaited once. */
#include "asgi.h"

typedef struct {
    PyObject_HEAD HTTP *http;
    PyObject *message; /* NULL: a receive */
    PyObject *slow;    /* the coroutine that does it */
    bool begun;
} Operation;

PyObject *operation_new(HTTP *http, PyObject *message)
{
    PyTypeObject *type = http->call->link->state->operation_type;
    Operation *self = (Operation *)type->tp_alloc(type, 0);
    if (self) {
        self->http = (HTTP *)Py_NewRef(http);
        self->message = Py_XNewRef(message);
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

static PySendResult operation_am_send(PyObject *object, PyObject *value, PyObject **result)
{
    Operation *self = (Operation *)object;
    if (self->slow) {
        return PyIter_Send(self->slow, value, result);
    }
    *result = NULL;
    if (self->begun) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    self->begun = true;
    int done =
        self->message ? http_send_now(self->http, self->message) : http_receive_now(self->http, result);
    if (done > 0) {
        if (self->message) {
            *result = Py_NewRef(Py_None);
        }
        return PYGEN_RETURN;
    }
    if (done < 0) {
        return PYGEN_ERROR;
    }
    const struct loop_hooks *hooks = &self->http->call->link->hooks;
    self->slow = self->message ? PyObject_CallFunctionObjArgs(hooks->send, self->http, self->message, NULL)
                               : PyObject_CallOneArg(hooks->receive, (PyObject *)self->http);
    return self->slow ? PyIter_Send(self->slow, value, result) : PYGEN_ERROR;
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
        PyObject *method = PyObject_GetAttr(self->slow, self->http->call->link->words.throw_);
        PyObject *result = method ? PyObject_Call(method, args, NULL) : NULL;
        Py_XDECREF(method);
        return result;
    }
    self->begun = true;
    throw_exception(args);
    return NULL;
}

static PyObject *operation_close(Operation *self, PyObject *unused)
{
    (void)unused;
    self->begun = true;
    if (self->slow) {
        return PyObject_CallMethod(self->slow, "close", NULL);
    }
    Py_RETURN_NONE;
}

static int operation_traverse(Operation *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->http);
    Py_VISIT(self->message);
    Py_VISIT(self->slow);
    return 0;
}

static int operation_clear(Operation *self)
{
    Py_CLEAR(self->http);
    Py_CLEAR(self->message);
    Py_CLEAR(self->slow);
    return 0;
}

static void operation_dealloc(Operation *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    operation_clear(self);
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
