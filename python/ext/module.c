/* The module _rickhouse. */
#include "asgi.h"

static int add_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec)
{
    *place = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *place ? PyModule_AddType(module, *place) : -1;
}

static int execute(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);
    state->close = PyUnicode_InternFromString("close");
    if (!state->close || add_type(module, &state->input_type, &input_spec) < 0 ||
        add_type(module, &state->write_type, &write_spec) < 0 ||
        add_type(module, &state->answer_type, &answer_spec) < 0 ||
        add_type(module, &state->link_type, &link_spec) < 0 ||
        add_type(module, &state->loop_link_type, &loop_link_spec) < 0 ||
        add_type(module, &state->call_type, &call_spec) < 0 ||
        add_type(module, &state->http_type, &http_spec) < 0 ||
        add_type(module, &state->websocket_type, &websocket_spec) < 0 ||
        add_type(module, &state->operation_type, &operation_spec) < 0) {
        return -1;
    }
    return 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *state = PyModule_GetState(module);
    Py_VISIT(state->link_type);
    Py_VISIT(state->answer_type);
    Py_VISIT(state->write_type);
    Py_VISIT(state->input_type);
    Py_VISIT(state->loop_link_type);
    Py_VISIT(state->call_type);
    Py_VISIT(state->http_type);
    Py_VISIT(state->websocket_type);
    Py_VISIT(state->operation_type);
    return 0;
}

static int clear(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->link_type);
    Py_CLEAR(state->answer_type);
    Py_CLEAR(state->write_type);
    Py_CLEAR(state->input_type);
    Py_CLEAR(state->loop_link_type);
    Py_CLEAR(state->call_type);
    Py_CLEAR(state->http_type);
    Py_CLEAR(state->websocket_type);
    Py_CLEAR(state->operation_type);
    Py_CLEAR(state->close);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_USED}, /* requests are run under the GIL */
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_rickhouse",
    .m_doc = "The hot path of a Rickhouse worker.",
    .m_size = sizeof(struct module_state),
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__rickhouse(void)
{
    return PyModuleDef_Init(&definition);
}
