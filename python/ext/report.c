/* Exceptions, and what the log is told about an application, by the hooks that the Python side gave. */
#include "answer.h"

PyObject *exception_take(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace && value) {
        PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
#endif
}

static void call_hook(PyObject *hook, PyObject *a, PyObject *b, PyObject *c)
{
    PyObject *result = PyObject_CallFunctionObjArgs(hook, a, b, c, NULL);
    if (!result) {
        PyErr_WriteUnraisable(hook);
    }
    Py_XDECREF(result);
}

void answer_failed(Answer *self, PyObject *error)
{
    call_hook(self->link->hooks.failure, self->method, self->path, error);
}

void answer_misdeed(Answer *self, PyObject *text)
{
    if (!text) {
        PyErr_WriteUnraisable(NULL);
        return;
    }
    call_hook(self->link->hooks.misdeed, self->method, self->path, text);
}

void answer_report_cut(Answer *self, int64_t given)
{
    bool told = self->excess || self->of_file;
    self->excess = true;
    if (told) {
        return;
    }
    PyObject *text =
        PyUnicode_FromFormat("the application gave at least %lld octets of content where its Content-Length"
                             " is %lld: the rest was cut off",
                             (long long)given, (long long)self->head.length);
    answer_misdeed(self, text);
    Py_XDECREF(text);
}
