/* The type HTTP: receive and send where nothing has to be waited for and nothing is rare. */
#include "asgi.h"

#include <string.h>
#include <structmember.h>

enum { HEAD_FIXED = 18, MAX_FIELDS = 512 << 10 };

HTTP *http_new(Call *call, PyObject *method, PyObject *path, PyObject *content, bool is_head)
{
    PyTypeObject *type = (PyTypeObject *)call->link->hooks.HTTP;
    HTTP *self = (HTTP *)type->tp_alloc(type, 0);
    if (!self) {
        Py_DECREF(content);
        return NULL;
    }
    self->call = (Call *)Py_NewRef(call);
    self->method = Py_NewRef(method);
    self->path = Py_NewRef(path);
    self->content = content;
    self->started = call->started;
    self->declared = -1;
    self->is_head = is_head;
    return self;
}

/* Receiving. */

int http_receive_now(HTTP *self, PyObject **message)
{
    Call *call = self->call;
    if (!self->content || !PyBytes_CheckExact(self->content) || self->complete || call_over(call)) {
        return 0;
    }
    *message = PyDict_Copy(call->link->request);
    if (!*message || PyDict_SetItem(*message, call->link->words.body, self->content) < 0) {
        Py_CLEAR(*message);
        return -1;
    }
    Py_CLEAR(self->content);
    return 1;
}

/* Sending. */

static bool octets_of(PyObject *object, struct span *span)
{
    if (!PyBytes_CheckExact(object)) {
        return false;
    }
    *span = (struct span){(const uint8_t *)PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object)};
    return true;
}

static bool header_of(PyObject *pair, struct span *name, struct span *value)
{
    PyObject *const *both = NULL;
    if (PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2) {
        both = &PyTuple_GET_ITEM(pair, 0);
    } else if (PyList_CheckExact(pair) && PyList_GET_SIZE(pair) == 2) {
        both = &PyList_GET_ITEM(pair, 0);
    }
    return both && octets_of(both[0], name) && octets_of(both[1], value);
}

static bool length_of(struct span value, int64_t *length)
{
    if (value.len < 1 || value.len > 18 || *length >= 0) {
        return false;
    }
    *length = 0;
    for (Py_ssize_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9') {
            return false;
        }
        *length = *length * 10 + (value.at[i] - '0');
    }
    return true;
}

static bool make_room(LoopLink *link, size_t need)
{
    if (need <= link->scratch_size) {
        return true;
    }
    size_t size = link->scratch_size ? link->scratch_size : 1024;
    while (size < need) {
        size *= 2;
    }
    uint8_t *fresh = PyMem_Realloc(link->scratch, size);
    if (!fresh) {
        return false;
    }
    link->scratch = fresh;
    link->scratch_size = size;
    return true;
}

static uint8_t *put(uint8_t *at, struct span span)
{
    store16(at, (uint16_t)span.len);
    memcpy(at + 2, span.at, (size_t)span.len);
    return at + 2 + span.len;
}

/* Packs headers into the scratch of the link; the size, or 0 where they are not plain. */
static size_t pack(LoopLink *link, PyObject *headers, int64_t *length)
{
    bool list = headers && PyList_CheckExact(headers);
    if (headers && !list && !PyTuple_CheckExact(headers)) {
        return 0;
    }
    Py_ssize_t n = !headers ? 0 : list ? PyList_GET_SIZE(headers) : PyTuple_GET_SIZE(headers);
    size_t size = 2, count = 0;
    if (n > 0xffff || !make_room(link, size)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        struct span name, value;
        PyObject *header = list ? PyList_GET_ITEM(headers, i) : PyTuple_GET_ITEM(headers, i);
        if (!header_of(header, &name, &value) || name.len < 1 || name.len > 0xffff || value.len > 0xffff ||
            !head_octets(name, IN_TOKEN) || !head_octets(value, IN_VALUE)) {
            return 0;
        }
        if (head_hop_by_hop(name)) {
            continue;
        }
        if (name.len == 14 && head_same(name, "content-length")) {
            if (!length_of(value, length)) {
                return 0;
            }
            continue;
        }
        size_t more = 4 + (size_t)(name.len + value.len);
        if (size + more > MAX_FIELDS || !make_room(link, size + more)) {
            return 0;
        }
        put(put(link->scratch + size, name), value);
        size += more;
        count++;
    }
    store16(link->scratch, (uint16_t)count);
    return size;
}

/* Whether a look into a dict did not fail. It may have run what its keys are made of: what was found before
 * is not there for sure. */
static bool looked(const PyObject *found)
{
    return found || !PyErr_Occurred();
}

static int start_now(HTTP *self, PyObject *message)
{
    LoopLink *link = self->call->link;
    if (self->status) {
        return 0;
    }
    PyObject *trailers = PyDict_GetItemWithError(message, link->words.trailers);
    if (!looked(trailers) || (trailers && trailers != Py_False)) {
        return 0;
    }
    PyObject *status = PyDict_GetItemWithError(message, link->words.status);
    long number = status && PyLong_CheckExact(status) ? PyLong_AsLong(status) : 0;
    if (number < 200 || number > 999) {
        return 0;
    }
    PyObject *headers = PyDict_GetItemWithError(message, link->words.headers);
    int64_t length = -1;
    size_t size = looked(headers) ? pack(link, headers, &length) : 0;
    PyObject *fields = size ? PyBytes_FromStringAndSize((const char *)link->scratch, (Py_ssize_t)size) : NULL;
    if (!fields) {
        return 0;
    }
    REPLACE(self->fields, fields);
    self->declared = length;
    self->status = (int)number;
    return 1;
}

/* Writes HEAD with content. length is what is announced, or -1. */
static int put_head(HTTP *self, int64_t length, struct span content, int flags)
{
    Call *call = self->call;
    uint8_t header[HEADER], fixed[HEAD_FIXED + 2];
    size_t fields = (size_t)PyBytes_GET_SIZE(self->fields);
    flags |= length >= 0 ? LENGTH : 0;
    frame_header(header, sizeof fixed + fields + (size_t)content.len, A_HEAD, flags, call->slot, call->gen);
    store16(fixed, (uint16_t)self->status);
    store64(fixed + 2, self->started);
    store64(fixed + 10, length >= 0 ? (uint64_t)length : 0);
    store16(fixed + HEAD_FIXED, 0);
    struct iovec parts[] = {{header, HEADER},
                            {fixed, sizeof fixed},
                            {PyBytes_AS_STRING(self->fields), fields},
                            {(void *)content.at, (size_t)content.len}};
    self->head_sent = true;
    return loop_link_append(call->link, parts, 4, &call->last);
}

static int put_data(HTTP *self, struct span content, int flags)
{
    Call *call = self->call;
    uint8_t header[HEADER];
    frame_header(header, (size_t)content.len, A_DATA, flags, call->slot, call->gen);
    struct iovec parts[] = {{header, HEADER}, {(void *)content.at, (size_t)content.len}};
    return loop_link_append(call->link, parts, 2, &call->last);
}

/* Sends content that is plain: within window and Content-Length, and not of an answer without any. */
static int content_now(HTTP *self, struct span content, bool last)
{
    Call *call = self->call;
    int64_t sent = self->sent + content.len;
    bool declared = self->declared >= 0;
    if (self->ended) {
        if (content.len || !last || (declared && self->declared > self->sent)) {
            return 0;
        }
        self->content_over = self->complete = true;
        return call_wake(call) < 0 ? -1 : 1;
    }
    if (content.len > MAX_CONTENT || content.len > call->credit || loop_link_full(call->link) ||
        (declared && (sent > self->declared || (last && sent < self->declared)))) {
        return 0;
    }
    bool end = last || sent == self->declared;
    int result = 0;
    call->credit -= content.len;
    if (!self->head_sent) {
        result = put_head(self, declared ? self->declared : last ? content.len : -1, content, end ? END : 0);
    } else if (content.len || end) {
        result = put_data(self, content, end ? END : 0);
    }
    if (result < 0) {
        return -1;
    }
    call->has_last = end;
    self->sent = sent;
    self->ended = end;
    self->content_over = self->complete = last;
    return last && call_wake(call) < 0 ? -1 : 1;
}

static int body_now(HTTP *self, PyObject *message)
{
    LoopLink *link = self->call->link;
    if (!self->status || self->content_over || !is_nothing(self->trailers) || self->is_head ||
        self->status == 204 || self->status == 304 || !self->fields || !PyBytes_CheckExact(self->fields)) {
        return 0;
    }
    PyObject *more = PyDict_GetItemWithError(message, link->words.more_body);
    if (!looked(more) || (more && more != Py_True && more != Py_False)) {
        return 0;
    }
    PyObject *body = PyDict_GetItemWithError(message, link->words.body);
    struct span content = {(const uint8_t *)"", 0};
    if (!looked(body) || (body && !octets_of(body, &content))) {
        return 0;
    }
    return content_now(self, content, more != Py_True);
}

int http_send_now(HTTP *self, PyObject *message)
{
    if (!PyDict_CheckExact(message) || self->complete || call_over(self->call)) {
        return 0;
    }
    const struct words *words = &self->call->link->words;
    PyObject *type = PyDict_GetItemWithError(message, words->type);
    int done = 0;
    if (type && is_word(type, words->response_body)) {
        done = body_now(self, message);
    } else if (type && is_word(type, words->response_start)) {
        done = start_now(self, message);
    }
    if (!done) {
        PyErr_Clear(); /* the slow way raises it */
    }
    return done;
}

static PyObject *http_receive(PyObject *self, PyObject *unused)
{
    (void)unused;
    return operation_new(((HTTP *)self)->call, self, NULL);
}

static PyObject *http_send(PyObject *self, PyObject *message)
{
    return operation_new(((HTTP *)self)->call, self, message);
}

/* Life. */

static int http_traverse(HTTP *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->call);
    Py_VISIT(self->method);
    Py_VISIT(self->path);
    Py_VISIT(self->fields);
    Py_VISIT(self->trailers);
    Py_VISIT(self->content);
    return 0;
}

static int http_clear(HTTP *self)
{
    Py_CLEAR(self->method);
    Py_CLEAR(self->path);
    Py_CLEAR(self->fields);
    Py_CLEAR(self->trailers);
    Py_CLEAR(self->content);
    return 0;
}

static void http_dealloc(HTTP *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    http_clear(self);
    Py_CLEAR(self->call);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"receive", http_receive, METH_NOARGS, "ASGI."},
    {"send", http_send, METH_O, "ASGI."},
    {NULL, NULL, 0, NULL},
};

#define AT(field) offsetof(HTTP, field)
static PyMemberDef members[] = {
    {"_call", T_OBJECT, AT(call), READONLY, NULL},
    {"method", T_OBJECT, AT(method), READONLY, NULL},
    {"path", T_OBJECT, AT(path), READONLY, NULL},
    {"_fields", T_OBJECT, AT(fields), 0, NULL},
    {"_trailers", T_OBJECT, AT(trailers), 0, NULL},
    {"_content", T_OBJECT, AT(content), 0, NULL},
    {"_started", T_ULONGLONG, AT(started), READONLY, NULL},
    {"_declared", T_LONGLONG, AT(declared), 0, NULL},
    {"_sent", T_LONGLONG, AT(sent), 0, NULL},
    {"_status", T_INT, AT(status), 0, NULL},
    {"_hints", T_INT, AT(hints), 0, NULL},
    {"_head_sent", T_BOOL, AT(head_sent), 0, NULL},
    {"_content_over", T_BOOL, AT(content_over), 0, NULL},
    {"_ended", T_BOOL, AT(ended), 0, NULL},
    {"_excess", T_BOOL, AT(excess), 0, NULL},
    {"complete", T_BOOL, AT(complete), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A request, on the side of the application."},
    {Py_tp_dealloc, http_dealloc},
    {Py_tp_traverse, http_traverse},
    {Py_tp_clear, http_clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec http_spec = {
    .name = "_rickhouse.HTTP",
    .basicsize = sizeof(HTTP),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
