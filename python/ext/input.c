/* wsgi.input for small content: what PEP 3333 asks for, quickly. Whoever wants more of a file (seek, close,
 * what io.TextIOWrapper needs) makes a BytesIO of it, which then does everything. */
#include "rickhouse.h"

#include <string.h>

typedef struct {
    PyObject_HEAD PyObject *content; /* bytes, or NULL: none */
    Py_ssize_t at;
    PyObject *bytes_io; /* the type */
    PyObject *file;     /* a BytesIO, or NULL: nobody wanted more */
} Input;

static PyObject *make_file(Input *self)
{
    PyObject *file = self->content ? PyObject_CallOneArg(self->bytes_io, self->content)
                                   : PyObject_CallNoArgs(self->bytes_io);
    PyObject *at = file ? PyObject_CallMethod(file, "seek", "n", self->at) : NULL;
    if (!at) {
        Py_XDECREF(file);
        return NULL;
    }
    Py_DECREF(at);
    REPLACE(self->file, file);
    return file;
}

static PyObject *on_file(Input *self, const char *name, PyObject *const *args, Py_ssize_t n)
{
    PyObject *method = PyObject_GetAttrString(self->file, name);
    PyObject *result = method ? PyObject_Vectorcall(method, args, (size_t)n, NULL) : NULL;
    Py_XDECREF(method);
    return result;
}

/* What only a file does. */
#define OF_A_FILE(X)                                                                                         \
    X(__enter__)                                                                                             \
    X(__exit__)                                                                                              \
    X(close)                                                                                                 \
    X(fileno)                                                                                                \
    X(flush)                                                                                                 \
    X(getbuffer)                                                                                             \
    X(getvalue)                                                                                              \
    X(isatty)                                                                                                \
    X(read1)                                                                                                 \
    X(readable)                                                                                              \
    X(readinto)                                                                                              \
    X(readinto1)                                                                                             \
    X(seek)                                                                                                  \
    X(seekable)                                                                                              \
    X(tell)                                                                                                  \
    X(writable)

#define X(name)                                                                                              \
    static PyObject *input_##name(Input *self, PyObject *const *args, Py_ssize_t n)                          \
    {                                                                                                        \
        return self->file || make_file(self) ? on_file(self, #name, args, n) : NULL;                         \
    }
OF_A_FILE(X)
#undef X

static PyObject *input_closed(Input *self, void *unused)
{
    (void)unused;
    return self->file ? PyObject_GetAttrString(self->file, "closed") : Py_NewRef(Py_False);
}

static Py_ssize_t size_of(const Input *self)
{
    return self->content ? PyBytes_GET_SIZE(self->content) : 0;
}

/* The size argument of a read: -1 for None or nothing. -2 with an exception. */
static Py_ssize_t size_argument(PyObject *const *args, Py_ssize_t n, const char *name)
{
    if (n > 1) {
        PyErr_Format(PyExc_TypeError, "%s expected at most 1 argument, got %zd", name, n);
        return -2;
    }
    if (n == 0 || args[0] == Py_None) {
        return -1;
    }
    Py_ssize_t size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred()) {
        return -2;
    }
    return size < 0 ? -1 : size;
}

/* The next so many octets. */
static PyObject *cut(Input *self, Py_ssize_t n)
{
    Py_ssize_t at = self->at;
    self->at += n;
    if (n == size_of(self) && n) {
        return Py_NewRef(self->content);
    }
    return PyBytes_FromStringAndSize(n ? PyBytes_AS_STRING(self->content) + at : NULL, n);
}

static Py_ssize_t left(const Input *self)
{
    return size_of(self) - self->at;
}

/* How long the next line is, its end included, if no longer than most (-1: however long). */
static Py_ssize_t line_length(const Input *self, Py_ssize_t most)
{
    Py_ssize_t n = left(self);
    if (most >= 0 && most < n) {
        n = most;
    }
    if (!n) {
        return 0;
    }
    const char *start = PyBytes_AS_STRING(self->content) + self->at;
    const char *end = memchr(start, '\n', (size_t)n);
    return end ? end - start + 1 : n;
}

static PyObject *input_read(Input *self, PyObject *const *args, Py_ssize_t n)
{
    if (self->file) {
        return on_file(self, "read", args, n);
    }
    Py_ssize_t size = size_argument(args, n, "read");
    if (size == -2) {
        return NULL;
    }
    Py_ssize_t rest = left(self);
    return cut(self, size < 0 || size > rest ? rest : size);
}

static PyObject *input_readline(Input *self, PyObject *const *args, Py_ssize_t n)
{
    if (self->file) {
        return on_file(self, "readline", args, n);
    }
    Py_ssize_t size = size_argument(args, n, "readline");
    if (size == -2) {
        return NULL;
    }
    return cut(self, line_length(self, size));
}

static PyObject *input_readlines(Input *self, PyObject *const *args, Py_ssize_t n)
{
    if (self->file) {
        return on_file(self, "readlines", args, n);
    }
    Py_ssize_t hint = size_argument(args, n, "readlines"), total = 0;
    if (hint == -2) {
        return NULL;
    }
    PyObject *lines = PyList_New(0);
    while (lines && left(self)) {
        Py_ssize_t length = line_length(self, -1);
        PyObject *line = cut(self, length);
        if (!line || PyList_Append(lines, line) < 0) {
            Py_CLEAR(lines);
        }
        Py_XDECREF(line);
        total += length;
        if (hint > 0 && total >= hint) {
            break;
        }
    }
    return lines;
}

static PyObject *input_next(Input *self)
{
    if (self->file) {
        return PyIter_Next(self->file);
    }
    return left(self) ? cut(self, line_length(self, -1)) : NULL;
}

static void input_dealloc(Input *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->content);
    Py_XDECREF(self->bytes_io);
    Py_XDECREF(self->file);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject *input_new(Link *link)
{
    PyTypeObject *type = link->state->input_type;
    Input *self = (Input *)type->tp_alloc(type, 0);
    if (self) {
        self->bytes_io = Py_NewRef(link->hooks.BytesIO);
    }
    return (PyObject *)self;
}

int input_fill(PyObject *input, struct span content)
{
    Input *self = (Input *)input;
    PyObject *octets = NULL;
    if (content.len) {
        octets = PyBytes_FromStringAndSize((const char *)content.at, content.len);
        if (!octets) {
            return -1;
        }
    }
    REPLACE(self->content, octets);
    Py_CLEAR(self->file);
    self->at = 0;
    return 0;
}

static PyMethodDef methods[] = {
#define X(name) {#name, (PyCFunction)(void (*)(void))input_##name, METH_FASTCALL, "As on io.BytesIO."},
    OF_A_FILE(X)
#undef X
        {"read", (PyCFunction)(void (*)(void))input_read, METH_FASTCALL, "Read so many octets, or all."},
    {"readline", (PyCFunction)(void (*)(void))input_readline, METH_FASTCALL,
     "Read a line, or so much of it."},
    {"readlines", (PyCFunction)(void (*)(void))input_readlines, METH_FASTCALL,
     "Read lines, about so many octets."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"closed", (getter)input_closed, NULL, "As on io.BytesIO.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The content of a request."},
    {Py_tp_dealloc, input_dealloc},
    {Py_tp_getset, properties},
    {Py_tp_methods, methods},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, input_next},
    {0, NULL},
};

PyType_Spec input_spec = {
    .name = "_rickhouse.Input",
    .basicsize = sizeof(Input),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
