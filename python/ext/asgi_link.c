/* The link on an event loop: what comes, and what is written. */
#include "asgi.h"

#include <string.h>

/* Writing. */

bool loop_link_full(const LoopLink *self)
{
    return core_waiting(self->core) > LOOP_LINK_FULL;
}

static int written(LoopLink *self)
{
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)self, self->words.written);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

int loop_link_flush(LoopLink *self)
{
    bool empty = core_flush_now(self->core);
    return self->waited || !empty || self->blocked ? written(self) : 0;
}

/* Lets the loop call flush at the end of this turn. */
static int plan_flush(LoopLink *self)
{
    if (self->planned || self->reading || self->beginning || self->blocked) {
        return 0;
    }
    PyObject *handle = PyObject_CallOneArg(self->call_soon, self->flush);
    Py_XDECREF(handle);
    self->planned = handle != NULL;
    return handle ? 0 : -1;
}

int loop_link_append(LoopLink *self, struct iovec *parts, int n, struct place *place)
{
    if (core_dead(self->core)) {
        link_check_process(self->link);
    }
    bool first = !core_waiting(self->core);
    if (!core_append(self->core, parts, n, place)) {
        PyErr_NoMemory();
        return -1;
    }
    if (first && !self->blocked) {
        /* Should the application keep the loop busy the native thread writes. */
        core_watch(self->core, core_now());
    }
    return plan_flush(self);
}

/* Whether flush has something to do: it wakes who waits, too, should the native thread have written all. */
static bool has_output(const LoopLink *self)
{
    return core_waiting(self->core) || self->waited;
}

void loop_link_begun(LoopLink *self)
{
    if (self->beginning && --self->beginning == 0 && !self->reading && has_output(self) &&
        loop_link_flush(self) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
}

void loop_link_finish(LoopLink *self, Call *call)
{
    if (self->calls[call->slot] == call) {
        self->calls[call->slot] = NULL;
        self->running--;
        Py_DECREF(call);
    }
    if (self->stopping && self->changed) {
        PyObject *result = PyObject_CallMethodNoArgs(self->changed, self->words.wake);
        if (!result) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
        Py_XDECREF(result);
    }
}

/* Requests. */

/* A frame as Python has it; its descriptor goes with it. */
static PyObject *make_frame(LoopLink *self, struct item *item)
{
    PyObject *payload = PyBytes_FromStringAndSize((const char *)item->payload, (Py_ssize_t)item->len);
    if (!payload) {
        return NULL;
    }
    PyObject *frame = PyObject_CallFunction(self->hooks.Frame, "iiiINi", (int)item->type, (int)item->flags,
                                            (int)item->slot, (unsigned)item->gen, payload, item->fd);
    if (frame) {
        item->fd = -1;
    }
    return frame;
}

/* The content of a request: octets, or what Python makes of a file or of what is to come. */
static PyObject *make_content(LoopLink *self, Call *call, struct item *item, const struct request *request)
{
    if (item->fd < 0 && item->flags & END) {
        return PyBytes_FromStringAndSize((const char *)request->content.at, request->content.len);
    }
    PyObject *content = PyObject_CallFunction(self->hooks.content, "OyiL", call, "", item->fd,
                                              (long long)request->content_length);
    if (content) {
        item->fd = -1;
    }
    return content;
}

static int make_http(LoopLink *self, Call *call, struct item *item)
{
    struct request request;
    if (!request_parse(item, &request)) {
        core_die("the front sent a REQUEST of %u octets that is malformed", item->len);
    }
    PyObject *method;
    struct span text = request.text[PATH], name = request.text[METHOD];
    call->scope = scopes_http(self->scopes, &request, item->flags, &method);
    PyObject *path = call->scope ? PyUnicode_DecodeLatin1((const char *)text.at, text.len, NULL) : NULL;
    PyObject *content = path ? make_content(self, call, item, &request) : NULL;
    if (content) {
        call->http = http_new(call, method, path, content, name.len == 4 && !memcmp(name.at, "HEAD", 4));
        call->exchange = (PyObject *)call->http;
    }
    Py_XDECREF(path);
    return call->exchange ? 0 : -1;
}

static int make_websocket(LoopLink *self, Call *call, struct item *item)
{
    PyObject *frame = make_frame(self, item);
    PyObject *parts = frame ? PyObject_CallFunctionObjArgs(self->hooks.websocket, call, frame, NULL) : NULL;
    PyObject *path, *response, *scope;
    if (parts && PyArg_ParseTuple(parts, "UOO", &path, &response, &scope)) {
        call->websocket = websocket_new(call, path, response);
        call->exchange = (PyObject *)call->websocket;
        call->scope = Py_NewRef(scope);
    }
    Py_XDECREF(frame);
    Py_XDECREF(parts);
    return call->exchange ? 0 : -1;
}

static int not_run(LoopLink *self, const struct item *item)
{
    static const char why[] = "the client has gone: the request was not run";
    uint8_t header[HEADER];
    frame_header(header, sizeof why - 1, A_ABORT, DONE, item->slot, item->gen);
    struct iovec parts[] = {{header, HEADER}, {(void *)why, sizeof why - 1}};
    return loop_link_append(self, parts, 2, NULL);
}

/* A task for a call, that begins now or in its turn. */
static int begin(LoopLink *self, Call *call)
{
    PyObject *const arguments[] = {(PyObject *)call, self->loop, Py_True};
    self->beginning++;
    PyObject *task = PyObject_Vectorcall(self->hooks.Task, arguments, 1, self->task_names);
    if (!task) {
        return -1;
    }
    if (!call->finished) {
        REPLACE(call->task, Py_NewRef(task));
    }
    Py_DECREF(task);
    return 0;
}

static int take_request(LoopLink *self, struct item *item)
{
    if (self->stopping || core_stopping(self->core) || !core_start(self->core, item)) {
        return 0;
    }
    if (core_canceled(self->core, item->slot, item->gen)) {
        return not_run(self, item);
    }
    Call *call = call_new(self, item);
    if (!call) {
        return -1;
    }
    if ((item->flags & WEBSOCKET ? make_websocket(self, call, item) : make_http(self, call, item)) < 0) {
        Py_DECREF(call);
        return -1;
    }
    if (!self->calls[item->slot]) {
        self->running++;
    }
    REPLACE(self->calls[item->slot], (Call *)Py_NewRef(call));
    int result = begin(self, call);
    Py_DECREF(call);
    return result;
}

static int take_frame(LoopLink *self, struct item *item)
{
    if (item->type == F_REQUEST) {
        return take_request(self, item);
    }
    if (item->type == F_CLOSED && item->len < 2) {
        core_die("the front sent a CLOSED of %u octets", item->len);
    }
    Call *call = item->slot < self->slots ? self->calls[item->slot] : NULL;
    if (!call || call->gen != item->gen) {
        return 0; /* it is over */
    }
    if (item->type == F_WINDOW) {
        call->credit += load32(item->payload);
        return call_wake_senders(call);
    }
    if (item->type == F_DATA && call->websocket) {
        return websocket_take(call->websocket, item);
    }
    Py_INCREF(call);
    PyObject *frame = make_frame(self, item);
    PyObject *result = frame ? PyObject_CallMethodOneArg((PyObject *)call, self->words.take, frame) : NULL;
    Py_XDECREF(frame);
    Py_XDECREF(result);
    Py_DECREF(call);
    return result ? 0 : -1;
}

static int stop(LoopLink *self)
{
    PyObject *result = PyObject_CallMethod((PyObject *)self, "stop", NULL);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

int loop_link_read(LoopLink *self)
{
    core_read_frames(self->core);
    struct item *item;
    int result = 0;
    self->reading = true;
    while (result == 0 && (item = core_next(self->core))) {
        result = take_frame(self, item);
        core_release(self->core, item);
    }
    self->reading = false;
    if (result == 0 && self->woken) {
        /* They run in the next turn, and so does this, behind them: what they send need not wait for another.
         */
        self->woken = false;
        result = plan_flush(self);
    }
    if (result == 0 && core_stopping(self->core) && !self->stopping) {
        result = stop(self);
    }
    if (result == 0 && !self->beginning && has_output(self)) {
        result = loop_link_flush(self);
    }
    return result;
}
