/* The type Link: it serves requests with an application, on as many threads as call serve. */
#include "rickhouse.h"

#include <errno.h>

/* What one thread needs to serve. */
struct server {
    Link *link;
    PyObject *app;
    struct environ *environ;
    Answer *answer;
    PyObject *input;
};

void link_check_process(Link *link)
{
    PyObject *error = exception_take();
    PyObject *result = PyObject_CallOneArg(link->hooks.leave, error ? error : Py_None);
    Py_XDECREF(result);
    _exit(1); /* leave does not return */
}

void link_flush(Link *link)
{
    if (!core_try_flush(link->core)) {
        PyThreadState *gil = PyEval_SaveThread();
        core_flush(link->core, NULL, 0, -1);
        PyEval_RestoreThread(gil);
    }
}

static bool server_init(struct server *server, Link *link, PyObject *app)
{
    *server = (struct server){.link = link, .app = app};
    server->environ = environ_new(link);
    return server->environ != NULL;
}

static void server_clear(struct server *server)
{
    environ_free(server->environ);
    Py_CLEAR(server->answer);
    Py_CLEAR(server->input);
}

/* A small wsgi.input: the one of the request before, if nobody has kept it. */
static PyObject *small_input(struct server *server, struct span content)
{
    if (server->input && Py_REFCNT(server->input) > 1) {
        Py_CLEAR(server->input);
    }
    if (!server->input) {
        server->input = input_new(server->link);
    }
    if (!server->input || input_fill(server->input, content) < 0) {
        return NULL;
    }
    return Py_NewRef(server->input);
}

/* wsgi.input for content that is not small, and in *raw what has to be told when the request is over. */
static PyObject *large_input(struct server *server, struct item *item, const struct request *request,
                             PyObject **raw)
{
    PyObject *pair;
    if (item->fd >= 0) {
        pair = PyObject_CallFunction(server->link->hooks.file_content, "iL", item->fd,
                                     (long long)request->content_length);
        if (pair) {
            item->fd = -1; /* it is FileContent's now */
        }
    } else {
        pair = PyObject_CallOneArg(server->link->hooks.stream_content, (PyObject *)server->answer);
    }
    PyObject *input = NULL;
    if (pair && PyArg_ParseTuple(pair, "OO", raw, &input)) {
        Py_INCREF(*raw);
        Py_INCREF(input);
    }
    Py_XDECREF(pair);
    return input;
}

static PyObject *make_environ(struct server *server, struct item *item, const struct request *request,
                              PyObject **raw, PyObject **method, PyObject **path)
{
    PyObject *environ = environ_make(server->environ, request, method, path);
    if (!environ) {
        return NULL;
    }
    PyObject *input = item->fd >= 0 || !(item->flags & END) ? large_input(server, item, request, raw)
                                                            : small_input(server, request->content);
    if (!input || environ_set_input(server->environ, environ, input) < 0) {
        Py_CLEAR(environ);
    }
    Py_XDECREF(input);
    return environ;
}

static void finish_content(PyObject *raw)
{
    PyObject *result = PyObject_CallMethod(raw, "finish", NULL);
    if (!result) {
        PyErr_WriteUnraisable(raw);
    }
    Py_XDECREF(result);
    Py_DECREF(raw);
}

static int not_run(struct server *server, const struct item *item)
{
    static const char why[] = "the client has gone: the request was not run";
    uint8_t header[HEADER];
    frame_header(header, sizeof why - 1, A_ABORT, DONE, item->slot, item->gen);
    struct iovec parts[] = {{header, HEADER}, {(void *)why, sizeof why - 1}};
    if (!core_append(server->link->core, parts, 2, NULL)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* Runs one request. -1 with an exception where the server itself failed. */
static int run(struct server *server, struct item *item)
{
    struct core *core = server->link->core;
    struct request request;
    if (!request_parse(item, &request)) {
        core_die("the front sent a REQUEST of %u octets that is malformed", item->len);
    }
    if (core_canceled(core, item->slot, item->gen)) {
        return not_run(server, item);
    }
    uint64_t now = core_now();
    core_watch(core, now);
    if (!server->answer) {
        server->answer = answer_new(server->link);
        if (!server->answer) {
            return -1;
        }
    }
    answer_begin(server->answer, item, now);
    PyObject *raw = NULL, *method, *path;
    PyObject *environ = make_environ(server, item, &request, &raw, &method, &path);
    if (!environ) {
        return -1;
    }
    answer_run(server->answer, server->app, environ, method, path);
    if (server->link->threads > 1) {
        core_ran(core, core_now() - now);
    }
    Py_DECREF(environ);
    if (raw) {
        finish_content(raw);
    }
    if (!answer_over(server->answer)) {
        Py_CLEAR(server->answer);
    }
    return 0;
}

/* A signal handler of the application raised where no request ran. */
static void interrupted(Link *self)
{
    PyObject *error = exception_take();
    PyObject *end = PyObject_CallOneArg(self->hooks.interrupted, error);
    if (!end) {
        PyErr_WriteUnraisable((PyObject *)self);
    } else if (end == Py_True) {
        core_stop(self->core);
    }
    Py_XDECREF(end);
    Py_DECREF(error);
}

static PyObject *link_serve(Link *self, PyObject *app)
{
    struct server server;
    struct core *core = self->core;
    if (!server_init(&server, self, app)) {
        return NULL;
    }
    struct item *item = NULL;
    int ok = 0;
    while (ok == 0) {
        item = core_take(core, item);
        if (item) {
            ok = run(&server, item);
            if (ok == 0 && core_waiting(core) > FLUSH_ABOVE) {
                link_flush(self);
            }
            continue;
        }
        if (core_stopping(core)) {
            break;
        }
        PyThreadState *gil = PyEval_SaveThread();
        core_wait_request(core);
        PyEval_RestoreThread(gil);
        if (PyErr_CheckSignals() < 0) {
            interrupted(self);
        }
    }
    if (ok == 0) {
        PyThreadState *gil = PyEval_SaveThread();
        core_flush(core, NULL, 0, -1);
        PyEval_RestoreThread(gil);
    }
    server_clear(&server);
    if (ok < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *link_stop(Link *self, PyObject *unused)
{
    (void)unused;
    core_stop(self->core);
    Py_RETURN_NONE;
}

static PyObject *link_wakeup(Link *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(core_wakeup(self->core));
}

/* Life. */

static bool take_hooks(Link *self, PyObject *module)
{
#define X(name)                                                                                              \
    self->hooks.name = PyObject_GetAttrString(module, #name);                                                \
    if (!self->hooks.name) {                                                                                 \
        return false;                                                                                        \
    }
    HOOKS(X)
#undef X
    return true;
}

static PyObject *link_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    int fd, ledger_fd, threads;
    PyObject *constants, *hooks;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Link() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "iiiO!O:Link", &fd, &ledger_fd, &threads, &PyDict_Type, &constants, &hooks)) {
        return NULL;
    }
    Link *self = (Link *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->module = Py_XNewRef(PyType_GetModule(type));
    if (!self->module) {
        Py_DECREF(self);
        return NULL;
    }
    self->state = PyModule_GetState(self->module);
    self->constants = PyDict_Copy(constants);
    if (!self->constants || !take_hooks(self, hooks)) {
        Py_DECREF(self);
        return NULL;
    }
    self->threads = threads;
    self->core = core_new(fd, ledger_fd, threads);
    if (!self->core) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int link_traverse(Link *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->module);
    Py_VISIT(self->constants);
#define X(name) Py_VISIT(self->hooks.name);
    HOOKS(X)
#undef X
    return 0;
}

static int link_clear(Link *self)
{
    Py_CLEAR(self->constants);
#define X(name) Py_CLEAR(self->hooks.name);
    HOOKS(X)
#undef X
    return 0;
}

static void link_dealloc(Link *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    link_clear(self);
    if (self->core) {
        PyThreadState *gil = PyEval_SaveThread();
        core_free(self->core);
        PyEval_RestoreThread(gil);
    }
    Py_XDECREF(self->module);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"serve", (PyCFunction)link_serve, METH_O,
     "Serve requests with an application until the worker is to stop."},
    {"stop", (PyCFunction)link_stop, METH_NOARGS, "Take no more requests."},
    {"wakeup", (PyCFunction)link_wakeup, METH_NOARGS, "A descriptor for signal.set_wakeup_fd."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Link(fd, ledger_fd, threads, constants, hooks): the worker's end of the link, which owns "
                "both descriptors."},
    {Py_tp_new, link_new},
    {Py_tp_dealloc, link_dealloc},
    {Py_tp_traverse, link_traverse},
    {Py_tp_clear, link_clear},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec link_spec = {
    .name = "_rickhouse.Link",
    .basicsize = sizeof(Link),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};
