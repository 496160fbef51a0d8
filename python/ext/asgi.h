/* ASGI: the link on an event loop, and what an application gets of an HTTP request. All of it belongs to the
 * thread of the loop. The types are bases of Python classes (rickhouse_worker.asgi.fast), whose other bases
 * do what is rare, on the same attributes: whatever is not plain is left to them. */
#ifndef RICKHOUSE_ASGI_H
#define RICKHOUSE_ASGI_H

#include "rickhouse.h"

/* The attributes of rickhouse_worker.asgi.fast.Hooks. */
#define LOOP_HOOKS(X)                                                                                        \
    X(Call)                                                                                                  \
    X(CancelledError)                                                                                        \
    X(Frame)                                                                                                 \
    X(HTTP)                                                                                                  \
    X(Task)                                                                                                  \
    X(WebSocket)                                                                                             \
    X(app)                                                                                                   \
    X(awaited)                                                                                               \
    X(content)                                                                                               \
    X(raised)                                                                                                \
    X(receive)                                                                                               \
    X(send)                                                                                                  \
    X(state)                                                                                                 \
    X(tls)                                                                                                   \
    X(websocket)                                                                                             \
    X(websocket_receive)                                                                                     \
    X(websocket_send)

struct loop_hooks {
#define X(name) PyObject *name;
    LOOP_HOOKS(X)
#undef X
};

/* Names and values of messages, interned. */
#define WORDS(X)                                                                                             \
    X(blocking, "_asyncio_future_blocking")                                                                  \
    X(body, "body")                                                                                          \
    X(bytes, "bytes")                                                                                        \
    X(create_future, "create_future")                                                                        \
    X(cut, "cut")                                                                                            \
    X(done, "done")                                                                                          \
    X(eager_start, "eager_start")                                                                            \
    X(finish, "finish")                                                                                      \
    X(headers, "headers")                                                                                    \
    X(http_request, "http.request")                                                                          \
    X(loop, "loop")                                                                                          \
    X(more_body, "more_body")                                                                                \
    X(response_body, "http.response.body")                                                                   \
    X(response_start, "http.response.start")                                                                 \
    X(receive, "receive")                                                                                    \
    X(returned, "returned")                                                                                  \
    X(send, "send")                                                                                          \
    X(set_result, "set_result")                                                                              \
    X(status, "status")                                                                                      \
    X(take, "take")                                                                                          \
    X(text, "text")                                                                                          \
    X(throw_, "throw")                                                                                       \
    X(trailers, "trailers")                                                                                  \
    X(type, "type")                                                                                          \
    X(wake, "wake")                                                                                          \
    X(websocket_receive, "websocket.receive")                                                                \
    X(websocket_send, "websocket.send")                                                                      \
    X(written, "written")

struct words {
#define X(name, text) PyObject *name;
    WORDS(X)
#undef X
};

typedef struct Call Call;
typedef struct HTTP HTTP;
typedef struct WebSocket WebSocket;
struct scopes;

/* The worker's end on a loop. */
typedef struct {
    PyObject_HEAD struct module_state *state;
    PyObject *module; /* keeps state alive */
    Link *link;       /* owns the core */
    struct core *core;
    struct loop_hooks hooks;
    struct words words;
    PyObject *loop, *changed, *emptied; /* attributes that Python sets */
    char stopping, blocked, waited;     /* likewise */
    bool eager;                         /* tasks run at once as far as they go */
    bool planned;                       /* the loop will call flush */
    bool reading;                       /* read flushes when it is done */
    bool woken;                         /* and lets flush run behind the tasks that it has woken */
    Py_ssize_t beginning;               /* tasks that were made and have not begun: the last one flushes */
    Py_ssize_t running;
    unsigned slots;
    Call **calls;
    PyObject *task_names; /* the keywords for Task */
    PyObject *call_soon, *create_future, *flush;
    PyObject *request; /* the http.request message of an empty content */
    PyObject *message; /* a websocket.receive message, without what it carries */
    struct scopes *scopes;
    uint8_t *scratch; /* headers are packed here */
    size_t scratch_size;
} LoopLink;

/* Appends a frame whose payload has n parts; parts[0] is for the header. -1 with an exception. */
int loop_link_append(LoopLink *link, struct iovec *parts, int n, struct place *place);
/* How much may wait to be written before senders have to. */
enum { LOOP_LINK_FULL = 64 << 10 };
bool loop_link_full(const LoopLink *link);
/* Writes what waits as far as the socket takes it, and tells Python if somebody may wait for that. -1 with an
 * exception. */
int loop_link_flush(LoopLink *link);
/* Takes what came, and starts what is to be run. -1 with an exception: the server itself failed. */
int loop_link_read(LoopLink *link);
/* A task has begun. */
void loop_link_begun(LoopLink *link);
/* A call has sent DONE. */
void loop_link_finish(LoopLink *link, Call *call);

/* One request on the link, and the coroutine that its task runs: the application's, and what follows it. */
struct Call {
    PyObject_HEAD LoopLink *link;
    PyObject *pieces, *closed, *task, *changed; /* attributes; NULL and None are the same */
    PyObject *exchange, *scope;                 /* what the application gets */
    PyObject *coroutine;                        /* the application's */
    HTTP *http;                                 /* the exchange, if it is one of HTTP */
    WebSocket *websocket;                       /* the exchange, if it is one */
    PyObject *receiver; /* the future of who waits for a message, or NULL: others wait by changed */
    uint64_t started;
    int64_t credit, owed;
    struct place last; /* the frame that ended the answer */
    bool has_last;
    bool begun, finished;
    char complete, cut, left;
    uint8_t flags;
    uint16_t slot;
    uint32_t gen;
};

Call *call_new(LoopLink *link, const struct item *item);
/* Whether nobody waits for anything more. */
bool call_over(const Call *call);
/* Lets who waits for a change look again. */
int call_wake(Call *call);
/* The same for those alone that do not wait for a message: there is more credit. */
int call_wake_senders(Call *call);
/* Counts octets that the front may send again, and says so when they are many. -1 with an exception. */
int call_give_back(Call *call, int64_t octets);

struct HTTP {
    PyObject_HEAD Call *call;
    PyObject *method, *path, *fields, *trailers, *content; /* attributes; NULL and None are the same */
    uint64_t started;
    int64_t declared, sent;
    int status, hints;
    char head_sent, content_over, ended, excess, complete;
    bool is_head;
};

/* What an application gets of a request; content is stolen. */
HTTP *http_new(Call *call, PyObject *method, PyObject *path, PyObject *content, bool is_head);
/* 1: done, 0: it is for the slow way, -1: an exception. */
int http_receive_now(HTTP *http, PyObject **message);
int http_send_now(HTTP *http, PyObject *message);

/* A message that came whole, until the application takes it. */
struct message {
    struct message *next;
    PyObject *content; /* str or bytes */
    int64_t cost;      /* to be given back when it is taken */
};

struct WebSocket {
    PyObject_HEAD Call *call;
    PyObject *path, *response; /* attributes */
    PyObject *parts;           /* the pieces of a message that is not complete, or NULL */
    int64_t pending;           /* what these cost, as far as it was not given back */
    struct message *first, *last;
    PyObject *turn; /* attribute: a lock of those that send what is not done at once */
    int senders;    /* attribute: how many of them there are */
    uint64_t started;
    char connected, accepted, closed;
    bool finished; /* nobody takes messages any more */
};

/* What an application gets of a WebSocket; response is to a handshake that is refused. */
WebSocket *websocket_new(Call *call, PyObject *path, PyObject *response);
/* A frame with a message, or with a piece of one, came. -1 with an exception. */
int websocket_take(WebSocket *websocket, const struct item *item);
/* As of HTTP. */
int websocket_receive_now(WebSocket *websocket, PyObject **message);
int websocket_send_now(WebSocket *websocket, PyObject *message);
/* Whether there is nothing to do but to wait for a message. */
bool websocket_is_quiet(const WebSocket *websocket);

/* What an application awaits: a receive, or the send of a message. exchange is an HTTP or a WebSocket. */
PyObject *operation_new(Call *call, PyObject *exchange, PyObject *message);
/* What send and throw of a coroutine return: a result becomes StopIteration. */
PyObject *coroutine_result(PySendResult what, PyObject *result);
/* Raises what the arguments of throw say. */
void throw_exception(PyObject *args);

struct scopes *scopes_new(LoopLink *link);
void scopes_free(struct scopes *scopes);
/* A new scope. *method and *path are borrowed from it or from scopes. NULL with an exception. */
PyObject *scopes_http(struct scopes *scopes, const struct request *request, uint8_t flags, PyObject **method);

extern PyType_Spec loop_link_spec, call_spec, http_spec, websocket_spec, operation_spec;

static inline bool is_nothing(const PyObject *object)
{
    return !object || object == Py_None;
}

/* Whether text is one of words. */
static inline bool is_word(PyObject *text, PyObject *word)
{
    return text == word || (PyUnicode_CheckExact(text) && PyUnicode_Compare(text, word) == 0);
}

#endif
