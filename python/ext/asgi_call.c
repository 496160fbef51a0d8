/* The type Call: a request on the link, and the coroutine that its task runs. A coroutine of C about that of
 * the application costs less than one of Python, and the task is a real one: what asks for it finds it. */
#include "asgi.h"

#include <structmember.h>

Call *call_new(LoopLink *link, const struct item *item)
{
    PyTypeObject *type = (PyTypeObject *)link->hooks.Call;
    Call *self = (Call *)type->tp_alloc(type, 0);
    if (self) {
        self->link = (LoopLink *)Py_NewRef(link);
        self->slot = item->slot;
        self->gen = item->gen;
        self->flags = item->flags;
        self->credit = ANSWER_CREDIT;
        self->started = core_now();
    }
    return self;
}

bool call_over(const Call *self)
{
    return self->finished || !is_nothing(self->closed) ||
           core_canceled(self->link->core, self->slot, self->gen);
}

int call_wake_senders(Call *self)
{
    if (is_nothing(self->changed)) {
        return 0;
    }
    PyObject *result = PyObject_CallMethodNoArgs(self->changed, self->link->words.wake);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Lets go on who waits for a message, unless that was cancelled. */
static int wake_receiver(Call *self)
{
    const struct words *words = &self->link->words;
    PyObject *receiver = self->receiver;
    self->receiver = NULL;
    self->link->woken = true;
    PyObject *done = PyObject_CallMethodNoArgs(receiver, words->done);
    PyObject *result =
        done == Py_False ? PyObject_CallMethodOneArg(receiver, words->set_result, Py_None) : Py_XNewRef(done);
    Py_DECREF(receiver);
    Py_XDECREF(done);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

int call_wake(Call *self)
{
    if (self->receiver && wake_receiver(self) < 0) {
        return -1;
    }
    return call_wake_senders(self);
}

int call_give_back(Call *self, int64_t octets)
{
    self->owed += octets;
    if (self->owed < CONTENT_CREDIT / 2) {
        return 0;
    }
    uint8_t frame[HEADER + 4];
    frame_header(frame, 4, A_WINDOW, 0, self->slot, self->gen);
    store32(frame + HEADER, (uint32_t)self->owed);
    struct iovec part = {frame, sizeof frame};
    self->owed = 0;
    self->has_last = false;
    return loop_link_append(self->link, &part, 1, NULL);
}

/* The end. */

static int call_method(PyObject *object, PyObject *name, PyObject *argument)
{
    PyObject *result = PyObject_CallMethodObjArgs(object, name, argument, NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Says that the application has finished with the request, with the frame that ended the answer if that has
 * not left yet. */
static int send_done(Call *self)
{
    LoopLink *link = self->link;
    if (self->has_last && core_add_flags(link->core, self->last, DONE)) {
        return 0;
    }
    uint8_t frame[HEADER + 4];
    uint64_t microseconds = (core_now() - self->started) / 1000;
    frame_header(frame, 4, A_DONE, 0, self->slot, self->gen);
    store32(frame + HEADER, microseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)microseconds);
    struct iovec part = {frame, sizeof frame};
    return loop_link_append(link, &part, 1, NULL);
}

/* The request is over, whatever the application holds of it. */
static int finish(Call *self)
{
    LoopLink *link = self->link;
    int result = 0;
    self->finished = true;
    if (self->http && (is_nothing(self->http->content) || PyBytes_CheckExact(self->http->content))) {
        Py_CLEAR(self->http->content);
    } else if (self->exchange) {
        result = call_method(self->exchange, link->words.finish, NULL);
    }
    if (result == 0) {
        result = send_done(self);
    }
    Py_CLEAR(self->coroutine);
    Py_CLEAR(self->exchange);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->task);
    self->http = NULL;
    self->websocket = NULL;
    loop_link_finish(link, self);
    /* Tasks that the application leaves behind may wait for something that will not come. */
    return result == 0 ? call_wake(self) : result;
}

static int returned(Call *self)
{
    if (core_dead(self->link->core)) {
        link_check_process(self->link->link);
    }
    if (self->http && self->http->ended) {
        return 0;
    }
    return call_method(self->exchange, self->link->words.returned, NULL);
}

static int cut(Call *self, const char *why)
{
    PyObject *text = PyUnicode_FromString(why);
    int result = text ? call_method(self->exchange, self->link->words.cut, text) : -1;
    Py_XDECREF(text);
    return result;
}

/* The application has raised; 1: it was cancelled, and the exception goes on. */
static int raised(Call *self)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace) {
        PyException_SetTraceback(error, trace);
    }
    int result;
    if (PyErr_GivenExceptionMatches(type, self->link->hooks.CancelledError)) {
        result = cut(self, "the request was cancelled") < 0 ? -1 : 1;
    } else {
        PyObject *done =
            PyObject_CallFunctionObjArgs(self->link->hooks.raised, self, self->exchange, error, NULL);
        result = done ? 0 : -1;
        Py_XDECREF(done);
    }
    int finished = result < 0 ? -1 : finish(self);
    if (result == 1 && finished == 0) {
        PyErr_Restore(type, error, trace);
        return 1;
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
    return finished;
}

/* The application's coroutine has ended. */
static PySendResult ended(Call *self, PySendResult what, PyObject **result)
{
    int outcome;
    if (what == PYGEN_RETURN) {
        Py_CLEAR(*result);
        outcome = returned(self) < 0 ? -1 : finish(self);
    } else {
        outcome = raised(self);
    }
    if (outcome < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
        core_die("the server itself failed");
    }
    *result = outcome ? NULL : Py_NewRef(Py_None);
    return outcome ? PYGEN_ERROR : PYGEN_RETURN;
}

/* The coroutine of the application. */
static PyObject *begin(Call *self)
{
    const struct loop_hooks *hooks = &self->link->hooks;
    PyObject *receive = PyObject_GetAttr(self->exchange, self->link->words.receive);
    PyObject *send = receive ? PyObject_GetAttr(self->exchange, self->link->words.send) : NULL;
    PyObject *coroutine = NULL;
    if (send) {
        PyObject *scope = self->scope;
        self->scope = NULL;
        PyObject *const arguments[] = {scope, receive, send};
        coroutine = PyObject_Vectorcall(hooks->app, arguments, 3, NULL);
        Py_DECREF(scope);
    }
    Py_XDECREF(receive);
    Py_XDECREF(send);
    if (coroutine && !PyCoro_CheckExact(coroutine)) {
        PyObject *awaited = PyObject_CallOneArg(hooks->awaited, coroutine);
        Py_DECREF(coroutine);
        coroutine = awaited;
    }
    return coroutine;
}

static PySendResult call_am_send(PyObject *object, PyObject *value, PyObject **result)
{
    Call *self = (Call *)object;
    LoopLink *link = self->link;
    if (self->finished) {
        *result = NULL;
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    PySendResult what = PYGEN_ERROR;
    bool first = !self->begun;
    self->begun = true;
    *result = NULL;
    Py_INCREF(self);
    if (first) {
        self->coroutine = begin(self);
    }
    if (self->coroutine) {
        what = PyIter_Send(self->coroutine, value, result);
    }
    if (what != PYGEN_NEXT) {
        what = ended(self, what, result);
    }
    if (first) {
        loop_link_begun(link);
    }
    Py_DECREF(self);
    return what;
}

static PyObject *call_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult what = call_am_send(self, value, &result);
    return coroutine_result(what, result);
}

static PyObject *call_next(PyObject *self)
{
    return call_send(self, Py_None);
}

/* What throw of the application's coroutine did. */
static PySendResult thrown(PyObject *result)
{
    if (result) {
        return PYGEN_NEXT;
    }
    if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
        return PYGEN_RETURN;
    }
    return PYGEN_ERROR;
}

static PyObject *call_throw(Call *self, PyObject *args)
{
    if (self->finished) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return NULL;
    }
    Py_INCREF(self);
    LoopLink *link = self->link;
    bool first = !self->begun;
    self->begun = true;
    PyObject *result = NULL;
    if (self->coroutine) {
        PyObject *method = PyObject_GetAttr(self->coroutine, link->words.throw_);
        result = method ? PyObject_Call(method, args, NULL) : NULL;
        Py_XDECREF(method);
    } else {
        throw_exception(args);
    }
    PySendResult what = thrown(result);
    if (what != PYGEN_NEXT) {
        what = ended(self, what, &result);
    }
    if (first) {
        loop_link_begun(link);
    }
    Py_DECREF(self);
    return coroutine_result(what, result);
}

static PyObject *call_close(Call *self, PyObject *unused)
{
    (void)unused;
    if (self->coroutine) {
        return PyObject_CallMethod(self->coroutine, "close", NULL);
    }
    Py_RETURN_NONE;
}

/* What Python asks. */

static PyObject *call_gone(Call *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(self->finished || core_canceled(self->link->core, self->slot, self->gen));
}

static PyObject *call_frame(Call *self, PyObject *args)
{
    int kind, flags = 0;
    Py_buffer payload = {0};
    if (!PyArg_ParseTuple(args, "i|iy*:send_frame", &kind, &flags, &payload)) {
        return NULL;
    }
    uint8_t header[HEADER];
    frame_header(header, (size_t)payload.len, kind, flags, self->slot, self->gen);
    struct iovec parts[] = {{header, HEADER}, {payload.buf, (size_t)payload.len}};
    struct place place;
    int result = loop_link_append(self->link, parts, 2, &place);
    if (payload.obj) {
        PyBuffer_Release(&payload);
    }
    if (result < 0) {
        return NULL;
    }
    /* DONE goes with the frame that ended the answer only if nothing came after that. */
    self->last = place;
    self->has_last = kind == A_ABORT || kind == A_CLOSE || (flags & END && !(self->flags & WEBSOCKET));
    Py_RETURN_NONE;
}

static PyObject *wake(Call *self, PyObject *unused)
{
    (void)unused;
    if (call_wake(self) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *give_back(Call *self, PyObject *octets)
{
    long long n = PyLong_AsLongLong(octets);
    if ((n == -1 && PyErr_Occurred()) || call_give_back(self, n) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *get_inner(PyObject *self, void *name)
{
    PyObject *coroutine = ((Call *)self)->coroutine;
    return coroutine ? PyObject_GetAttrString(coroutine, name) : Py_NewRef(Py_None);
}

/* Life. */

static int call_traverse(Call *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->link);
    Py_VISIT(self->pieces);
    Py_VISIT(self->closed);
    Py_VISIT(self->task);
    Py_VISIT(self->changed);
    Py_VISIT(self->receiver);
    Py_VISIT(self->exchange);
    Py_VISIT(self->scope);
    Py_VISIT(self->coroutine);
    return 0;
}

static int call_clear(Call *self)
{
    self->http = NULL;
    self->websocket = NULL;
    Py_CLEAR(self->receiver);
    Py_CLEAR(self->pieces);
    Py_CLEAR(self->closed);
    Py_CLEAR(self->task);
    Py_CLEAR(self->changed);
    Py_CLEAR(self->exchange);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->coroutine);
    return 0;
}

static void call_dealloc(Call *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    call_clear(self);
    Py_CLEAR(self->link);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"gone", (PyCFunction)call_gone, METH_NOARGS, "Whether nobody waits for the answer any more."},
    {"wake", (PyCFunction)wake, METH_NOARGS, "Let who waits for a change look again."},
    {"give_back", (PyCFunction)give_back, METH_O, "Allow the front to send so much more."},
    {"send_frame", (PyCFunction)call_frame, METH_VARARGS, "Write a frame."},
    {"send", call_send, METH_O, "As of a coroutine."},
    {"throw", (PyCFunction)call_throw, METH_VARARGS, "As of a coroutine."},
    {"close", (PyCFunction)call_close, METH_NOARGS, "As of a coroutine."},
    {NULL, NULL, 0, NULL},
};

#define AT(field) offsetof(Call, field)
static PyMemberDef members[] = {
    {"link", T_OBJECT, AT(link), READONLY, NULL},
    {"slot", T_USHORT, AT(slot), READONLY, NULL},
    {"gen", T_UINT, AT(gen), READONLY, NULL},
    {"flags", T_UBYTE, AT(flags), READONLY, NULL},
    {"credit", T_LONGLONG, AT(credit), 0, NULL},
    {"owed", T_LONGLONG, AT(owed), 0, NULL},
    {"pieces", T_OBJECT, AT(pieces), 0, NULL},
    {"complete", T_BOOL, AT(complete), 0, NULL},
    {"cut", T_BOOL, AT(cut), 0, NULL},
    {"left", T_BOOL, AT(left), 0, NULL},
    {"closed", T_OBJECT, AT(closed), 0, NULL},
    {"task", T_OBJECT, AT(task), 0, NULL},
    {"changed", T_OBJECT, AT(changed), 0, NULL},
    {"finished", T_BOOL, AT(finished), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"cr_frame", get_inner, NULL, "As of a coroutine.", "cr_frame"},
    {"cr_code", get_inner, NULL, "As of a coroutine.", "cr_code"},
    {"cr_running", get_inner, NULL, "As of a coroutine.", "cr_running"},
    {"cr_await", get_inner, NULL, "As of a coroutine.", "cr_await"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A request on the link, and the coroutine of its task."},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, call_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, call_am_send},
    {0, NULL},
};

PyType_Spec call_spec = {
    .name = "_rickhouse.Call",
    .basicsize = sizeof(Call),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
