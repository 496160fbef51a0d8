/* The type WebSocket: messages, where nothing is rare. What comes is kept as the application will have it, so
 * that nothing of what was read from the link is. */
#include "asgi.h"

#include <structmember.h>

WebSocket *websocket_new(Call *call, PyObject *path, PyObject *response)
{
    PyTypeObject *type = (PyTypeObject *)call->link->hooks.WebSocket;
    WebSocket *self = (WebSocket *)type->tp_alloc(type, 0);
    if (self) {
        self->call = (Call *)Py_NewRef(call);
        self->path = Py_NewRef(path);
        self->response = Py_NewRef(response);
        self->started = call->started;
    }
    return self;
}

/* Receiving. */

/* Text that the front has looked through: it can be nothing else. */
static PyObject *text_of(const char *octets, Py_ssize_t n)
{
    PyObject *text = PyUnicode_DecodeUTF8(octets, n, NULL);
    if (!text && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        core_die("the front sent a text that is not UTF-8");
    }
    return text;
}

/* Adds a piece to those of the message that is not complete. */
static int add_part(WebSocket *self, const struct item *item)
{
    if (!self->parts && !(self->parts = PyList_New(0))) {
        return -1;
    }
    PyObject *part = PyBytes_FromStringAndSize((const char *)item->payload, (Py_ssize_t)item->len);
    int result = part ? PyList_Append(self->parts, part) : -1;
    Py_XDECREF(part);
    return result;
}

/* The message of all parts. */
static PyObject *joined(WebSocket *self, bool text)
{
    PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *octets = nothing ? PyObject_CallMethod(nothing, "join", "O", self->parts) : NULL;
    Py_XDECREF(nothing);
    Py_CLEAR(self->parts);
    if (!octets || !text) {
        return octets;
    }
    PyObject *content = text_of(PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets));
    Py_DECREF(octets);
    return content;
}

/* The message that ends with a piece. */
static PyObject *message_of(WebSocket *self, const struct item *item)
{
    bool text = item->flags & TEXT;
    if (self->parts) {
        return add_part(self, item) < 0 ? NULL : joined(self, text);
    }
    const char *octets = (const char *)item->payload;
    return text ? text_of(octets, (Py_ssize_t)item->len)
                : PyBytes_FromStringAndSize(octets, (Py_ssize_t)item->len);
}

/* Gives octets back while the front still counts them. */
static int give_back(WebSocket *self, int64_t octets)
{
    return self->closed || !is_nothing(self->call->closed) ? 0 : call_give_back(self->call, octets);
}

/* Lets more of an incomplete message come, but not behind one that nobody takes. */
static int give_back_parts(WebSocket *self)
{
    int64_t octets = self->first ? 0 : self->pending;
    self->pending -= octets;
    return octets ? give_back(self, octets) : 0;
}

int websocket_take(WebSocket *self, const struct item *item)
{
    int64_t cost = (int64_t)item->len + PIECE_COST;
    if (self->finished) {
        return 0;
    }
    if (!(item->flags & END)) {
        self->pending += cost;
        return add_part(self, item) < 0 ? -1 : give_back_parts(self);
    }
    struct message *message = PyMem_Malloc(sizeof *message);
    if (!message) {
        PyErr_NoMemory();
        return -1;
    }
    *message = (struct message){NULL, message_of(self, item), cost + self->pending};
    if (!message->content) {
        PyMem_Free(message);
        return -1;
    }
    self->pending = 0;
    if (self->first) {
        self->last->next = message;
    } else {
        self->first = message;
    }
    self->last = message;
    return call_wake(self->call);
}

/* Takes the content of the first message off. */
static PyObject *pop(WebSocket *self, int64_t *cost)
{
    struct message *message = self->first;
    PyObject *content = message->content;
    *cost = message->cost;
    self->first = message->next;
    PyMem_Free(message);
    return content;
}

int websocket_receive_now(WebSocket *self, PyObject **message)
{
    if (!self->connected || !self->first) {
        return 0;
    }
    LoopLink *link = self->call->link;
    const struct words *words = &link->words;
    int64_t cost;
    PyObject *content = pop(self, &cost);
    PyObject *key = PyUnicode_CheckExact(content) ? words->text : words->bytes;
    *message = PyDict_Copy(link->message);
    if (!*message || PyDict_SetItem(*message, key, content) < 0 || give_back(self, cost) < 0 ||
        give_back_parts(self) < 0) {
        Py_CLEAR(*message);
    }
    Py_DECREF(content);
    return *message ? 1 : -1;
}

bool websocket_is_quiet(const WebSocket *self)
{
    return self->accepted && !self->first && !self->call->receiver && !call_over(self->call);
}

/* Sending. */

/* What a message carries, as octets (a str that is ASCII has them, too), or NULL where that is not plain. A
 * look into a dict may run what its keys are made of, which may take away what was found before. */
static PyObject *carried(LoopLink *link, PyObject *message, int *flags)
{
    PyObject *text = Py_XNewRef(PyDict_GetItemWithError(message, link->words.text));
    PyObject *bytes = PyErr_Occurred() ? NULL : PyDict_GetItemWithError(message, link->words.bytes);
    PyObject *octets = NULL;
    if (PyErr_Occurred()) {
        PyErr_Clear();
    } else if (is_nothing(text) && bytes && PyBytes_CheckExact(bytes)) {
        octets = Py_NewRef(bytes);
    } else if (is_nothing(bytes) && text && PyUnicode_CheckExact(text)) {
        *flags |= TEXT;
        octets = PyUnicode_IS_COMPACT_ASCII(text) ? Py_NewRef(text) : PyUnicode_AsUTF8String(text);
        if (!octets) {
            PyErr_Clear();
        }
    }
    Py_XDECREF(text);
    return octets;
}

/* Sends a message as one piece, if all of it may be sent. */
static int put_message(WebSocket *self, PyObject *message, int flags)
{
    Call *call = self->call;
    bool bytes = PyBytes_CheckExact(message);
    const void *octets = bytes ? (void *)PyBytes_AS_STRING(message) : PyUnicode_1BYTE_DATA(message);
    Py_ssize_t n = bytes ? PyBytes_GET_SIZE(message) : PyUnicode_GET_LENGTH(message);
    if (n > MAX_CONTENT || n > call->credit || call->credit <= 0 || loop_link_full(call->link)) {
        return 0;
    }
    uint8_t header[HEADER];
    frame_header(header, (size_t)n, A_DATA, flags, call->slot, call->gen);
    struct iovec parts[] = {{header, HEADER}, {(void *)octets, (size_t)n}};
    call->has_last = false;
    call->credit -= n + PIECE_COST;
    return loop_link_append(call->link, parts, 2, NULL) < 0 ? -1 : 1;
}

int websocket_send_now(WebSocket *self, PyObject *message)
{
    Call *call = self->call;
    if (!self->accepted || self->closed || self->senders || !PyDict_CheckExact(message) || call_over(call)) {
        return 0;
    }
    PyObject *type = PyDict_GetItemWithError(message, call->link->words.type);
    if (!type || !is_word(type, call->link->words.websocket_send)) {
        PyErr_Clear();
        return 0;
    }
    int flags = END;
    PyObject *octets = carried(call->link, message, &flags);
    int result = octets ? put_message(self, octets, flags) : 0;
    Py_XDECREF(octets);
    return result;
}

/* What Python calls. */

static PyObject *websocket_receive(WebSocket *self, PyObject *unused)
{
    (void)unused;
    return operation_new(self->call, (PyObject *)self, NULL);
}

static PyObject *websocket_send(WebSocket *self, PyObject *message)
{
    return operation_new(self->call, (PyObject *)self, message);
}

static PyObject *websocket_next(WebSocket *self, PyObject *unused)
{
    (void)unused;
    PyObject *message = NULL;
    return websocket_receive_now(self, &message) == 0 ? Py_NewRef(Py_None) : message;
}

static void drop_messages(WebSocket *self)
{
    Py_CLEAR(self->parts);
    while (self->first) {
        int64_t cost;
        Py_DECREF(pop(self, &cost));
    }
}

static PyObject *websocket_finish(WebSocket *self, PyObject *unused)
{
    (void)unused;
    self->finished = true;
    drop_messages(self);
    Py_RETURN_NONE;
}

/* Life. */

static int websocket_traverse(WebSocket *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->call);
    Py_VISIT(self->path);
    Py_VISIT(self->response);
    Py_VISIT(self->parts);
    Py_VISIT(self->turn);
    return 0;
}

static int websocket_clear(WebSocket *self)
{
    Py_CLEAR(self->path);
    Py_CLEAR(self->response);
    Py_CLEAR(self->turn);
    drop_messages(self);
    return 0;
}

static void websocket_dealloc(WebSocket *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    websocket_clear(self);
    Py_CLEAR(self->call);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"receive", (PyCFunction)websocket_receive, METH_NOARGS, "ASGI."},
    {"send", (PyCFunction)websocket_send, METH_O, "ASGI."},
    {"finish", (PyCFunction)websocket_finish, METH_NOARGS, "No more messages will be taken."},
    {"_next", (PyCFunction)websocket_next, METH_NOARGS, "The next message that is complete, or None."},
    {NULL, NULL, 0, NULL},
};

#define AT(field) offsetof(WebSocket, field)
static PyMemberDef members[] = {
    {"_call", T_OBJECT, AT(call), READONLY, NULL},
    {"path", T_OBJECT, AT(path), READONLY, NULL},
    {"_response", T_OBJECT, AT(response), READONLY, NULL},
    {"_turn", T_OBJECT, AT(turn), 0, NULL},
    {"_senders", T_INT, AT(senders), 0, NULL},
    {"_started", T_ULONGLONG, AT(started), READONLY, NULL},
    {"_connected", T_BOOL, AT(connected), 0, NULL},
    {"_accepted", T_BOOL, AT(accepted), 0, NULL},
    {"_closed", T_BOOL, AT(closed), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A WebSocket, on the side of the application."},
    {Py_tp_dealloc, websocket_dealloc},
    {Py_tp_traverse, websocket_traverse},
    {Py_tp_clear, websocket_clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec websocket_spec = {
    .name = "_rickhouse.WebSocket",
    .basicsize = sizeof(WebSocket),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
