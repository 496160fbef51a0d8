/* The worker's side of the link (docs/link.md) as a C extension.
 *
 * Two layers. The core (core.h) knows octets, sockets and threads and never touches Python: it runs with or
 * without the GIL. On it stand the Python types: Link serves requests, Answer is start_response, Input is a
 * small wsgi.input. What is rare is done by functions of rickhouse_worker.hooks, so that both twins do it
 * alike.
 *
 * Locks: the GIL may be held when out_lock or in_lock is taken, as both are held for moments only and never
 * while waiting for anything. write_lock is held while the socket blocks: nobody waits for it, nor holds it
 * and waits, with the GIL. */
#ifndef RICKHOUSE_H
#define RICKHOUSE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "core.h"

/* The functions of rickhouse_worker.hooks. */
#define HOOKS(X)                                                                                             \
    X(BytesIO)                                                                                               \
    X(DisconnectedError)                                                                                     \
    X(FileWrapper)                                                                                           \
    X(check_chunk)                                                                                           \
    X(check_result)                                                                                          \
    X(failure)                                                                                               \
    X(file_content)                                                                                          \
    X(file_range)                                                                                            \
    X(interrupted)                                                                                           \
    X(leave)                                                                                                 \
    X(local_server)                                                                                          \
    X(misdeed)                                                                                               \
    X(one_line)                                                                                              \
    X(plain_head)                                                                                            \
    X(raise_again)                                                                                           \
    X(stream_content)                                                                                        \
    X(tls_environ)

struct hooks {
#define X(name) PyObject *name;
    HOOKS(X)
#undef X
};

/* State of the module, one for each interpreter. */
struct module_state {
    PyTypeObject *link_type;
    PyTypeObject *answer_type;
    PyTypeObject *write_type;
    PyTypeObject *input_type;
    PyTypeObject *loop_link_type;
    PyTypeObject *call_type;
    PyTypeObject *http_type;
    PyTypeObject *websocket_type;
    PyTypeObject *operation_type;
    PyObject *close; /* "close" */
};

typedef struct {
    PyObject_HEAD struct module_state *state;
    PyObject *module; /* keeps state alive */
    struct core *core;
    int threads;
    struct hooks hooks;
    PyObject *constants; /* what every environ holds */
} Link;

/* A REQUEST frame taken apart; the spans point into its chunk. */
struct span {
    const uint8_t *at;
    Py_ssize_t len;
};

enum { METHOD, PATH, RAW_PATH, QUERY, SCRIPT_NAME, SERVER_NAME, CLIENT_ADDRESS, TLS, TEXTS };

struct request {
    uint8_t version;
    bool secure;
    uint16_t server_port, client_port;
    int64_t content_length;
    struct span text[TEXTS];
    uint16_t fields;
    const uint8_t *first_field;
    struct span content;
};

/* Takes a frame apart; false if it is malformed. */
bool request_parse(const struct item *item, struct request *request);
/* Moves *at over one name or value that request_parse has seen. */
struct span request_span(const uint8_t **at);

/* Makes environs. It belongs to one thread: between two of its steps another thread may run. */
struct environ;
struct environ *environ_new(Link *link);
void environ_free(struct environ *environ);
/* A new environ without wsgi.input. *method and *path are borrowed from it. NULL with an exception. */
PyObject *environ_make(struct environ *environ, const struct request *request, PyObject **method,
                       PyObject **path);
/* Sets wsgi.input. */
int environ_set_input(struct environ *environ, PyObject *dict, PyObject *input);

/* A small wsgi.input. */
PyObject *input_new(Link *link);
/* Gives it the content of another request. */
int input_fill(PyObject *input, struct span content);

extern PyType_Spec input_spec, answer_spec, write_spec, link_spec;

/* The head of an answer: the payload of HEAD, complete but for the time and the length. */
struct head {
    uint8_t *octets;
    size_t len, cap;
    int status;     /* 0: start_response was not called */
    int64_t length; /* Content-Length, -1: none */
};

/* Octets of a value (RFC 9110 §5.5), and of those the ones of a token (§5.6.2). */
enum octets { IN_VALUE = 1, IN_TOKEN = 2 };
bool head_octets(struct span span, enum octets what);
/* Whether a name is the lower one in whatever case; both are of the same length. */
bool head_same(struct span name, const char *lower);
/* RFC 9110 §7.6.1: what concerns one connection is the server's. */
bool head_hop_by_hop(struct span name);

/* Fills head. 0: status or headers are not plain, head is as it was; -1 with an exception: there is no
 * memory. */
int head_fill(struct head *head, PyObject *status, PyObject *headers);
/* Sets what was not known by head_fill. */
void head_finish(struct head *head, uint64_t started, uint64_t length);

typedef struct Answer Answer;

Answer *answer_new(Link *link);
/* Begins with another request. */
void answer_begin(Answer *answer, const struct item *item, uint64_t started);
/* Ends with it: what the application still holds is of no use any more. True if the object can be used again.
 */
bool answer_over(Answer *answer);
/* Calls the application and sends what it answers; nothing that it raises comes out. */
void answer_run(Answer *answer, PyObject *app, PyObject *environ, PyObject *method, PyObject *path);

/* report.c. Takes the exception at hand, with its traceback. */
PyObject *exception_take(void);

/* In a child that the application forked: ends it if it came back, with the exception at hand. */
void link_check_process(Link *link);
/* Writes what waits to be written. */
void link_flush(Link *link);

/* Stores a value that is or may be NULL in a variable and releases what was there. */
#define REPLACE(variable, value)                                                                             \
    do {                                                                                                     \
        PyObject *old_ = (PyObject *)(variable);                                                             \
        (variable) = (value);                                                                                \
        Py_XDECREF(old_);                                                                                    \
    } while (0)

#endif
