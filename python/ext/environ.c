/* Environs: a copy of a template in which the values of the last request stand. Most of what a request says
 * was said by the one before, and is not made again. */
#include "rickhouse.h"

#include <string.h>

#define KEYS(X)                                                                                              \
    X(REQUEST_METHOD)                                                                                        \
    X(SCRIPT_NAME)                                                                                           \
    X(PATH_INFO)                                                                                             \
    X(QUERY_STRING)                                                                                          \
    X(RAW_URI)                                                                                               \
    X(REQUEST_URI)                                                                                           \
    X(SERVER_PROTOCOL)                                                                                       \
    X(SERVER_NAME)                                                                                           \
    X(SERVER_PORT)                                                                                           \
    X(REMOTE_ADDR)                                                                                           \
    X(REMOTE_PORT)

enum {
#define X(name) K_##name,
    KEYS(X)
#undef X
        K_URL_SCHEME,
    KEY_COUNT
};

static const char *const key_names[] = {
#define X(name) #name,
    KEYS(X)
#undef X
        "wsgi.url_scheme",
};

/* How a header field is called in the environ, and the value it had last. */
struct name {
    struct name *next;
    PyObject *key, *value;
    uint64_t seen; /* the last request that had it */
    enum { JOIN_COMMA, JOIN_COOKIE, FIRST_ONLY } repeated;
    bool odd; /* has a "_" */
    uint16_t len;
    uint8_t lower[];
};

enum { BUCKETS = 256, MAX_NAMES = 1000, MAX_NAME = 256, MAX_KEPT_VALUE = 1024 };

struct environ {
    Link *link;
    PyObject *template;
    PyObject *key[KEY_COUNT], *value[KEY_COUNT];
    PyObject *input_key, *host_key;
    PyObject *local, *local_host; /* the last answer of local_server, and for what */
    bool local_secure;
    PyObject *tls, *tls_text; /* the last answer of tls_environ, and for what */
    uint64_t requests;
    uint16_t server_port, client_port;
    size_t names;
    struct name *bucket[BUCKETS];
};

void environ_free(struct environ *e)
{
    if (!e) {
        return;
    }
    for (int i = 0; i < KEY_COUNT; i++) {
        Py_XDECREF(e->key[i]);
        Py_XDECREF(e->value[i]);
    }
    for (int i = 0; i < BUCKETS; i++) {
        while (e->bucket[i]) {
            struct name *name = e->bucket[i];
            e->bucket[i] = name->next;
            Py_XDECREF(name->key);
            Py_XDECREF(name->value);
            PyMem_Free(name);
        }
    }
    Py_XDECREF(e->input_key);
    Py_XDECREF(e->local);
    Py_XDECREF(e->local_host);
    Py_XDECREF(e->tls);
    Py_XDECREF(e->tls_text);
    Py_XDECREF(e->host_key);
    Py_XDECREF(e->template);
    PyMem_Free(e);
}

/* A dict takes room in steps, and its copies have the same: one more key for a moment takes the step that
 * header fields would take in each copy. */
static bool make_roomy(PyObject *dict)
{
    return PyDict_SetItemString(dict, "", Py_None) == 0 && PyDict_DelItemString(dict, "") == 0;
}

struct environ *environ_new(Link *link)
{
    struct environ *e = PyMem_Calloc(1, sizeof *e);
    if (!e) {
        PyErr_NoMemory();
        return NULL;
    }
    e->link = link;
    e->input_key = PyUnicode_InternFromString("wsgi.input");
    e->host_key = PyUnicode_InternFromString("HTTP_HOST");
    e->template = PyDict_Copy(link->constants);
    bool ok = e->input_key && e->host_key && e->template;
    /* Every key that each request sets has its place, so that copies need not grow for them. */
    for (int i = 0; ok && i < KEY_COUNT; i++) {
        e->key[i] = PyUnicode_InternFromString(key_names[i]);
        e->value[i] = PyUnicode_FromStringAndSize(NULL, 0);
        ok = e->key[i] && e->value[i] && PyDict_SetItem(e->template, e->key[i], e->value[i]) == 0;
    }
    ok = ok && PyDict_SetItem(e->template, e->input_key, Py_None) == 0 && make_roomy(e->template);
    if (!ok) {
        environ_free(e);
        return NULL;
    }
    return e;
}

static PyObject *latin1(struct span span)
{
    return PyUnicode_DecodeLatin1((const char *)span.at, span.len, NULL);
}

static bool equal(PyObject *text, struct span span)
{
    return PyUnicode_GET_LENGTH(text) == span.len && PyUnicode_KIND(text) == PyUnicode_1BYTE_KIND &&
           !memcmp(PyUnicode_1BYTE_DATA(text), span.at, (size_t)span.len);
}

/* Steals value, which may be NULL with an exception. */
static bool set(struct environ *e, int key, PyObject *value)
{
    if (!value) {
        return false;
    }
    REPLACE(e->value[key], value);
    return PyDict_SetItem(e->template, e->key[key], value) == 0;
}

static bool set_text(struct environ *e, int key, struct span span)
{
    return equal(e->value[key], span) || set(e, key, latin1(span));
}

static bool set_port(struct environ *e, int key, uint16_t *last, uint16_t port)
{
    if (*last == port && PyUnicode_GET_LENGTH(e->value[key])) {
        return true;
    }
    *last = port;
    return set(e, key, PyUnicode_FromFormat("%u", (unsigned)port));
}

/* RAW_URI and REQUEST_URI: the path as sent, and the query. */
static bool set_uri(struct environ *e, const struct request *r)
{
    struct span path = r->text[RAW_PATH], query = r->text[QUERY];
    PyObject *uri;
    if (!query.len) {
        if (equal(e->value[K_RAW_URI], path)) {
            return true;
        }
        uri = latin1(path);
    } else {
        Py_ssize_t len = path.len + 1 + query.len;
        PyObject *last = e->value[K_RAW_URI];
        if (PyUnicode_GET_LENGTH(last) == len) {
            const uint8_t *at = PyUnicode_1BYTE_DATA(last);
            if (at[path.len] == '?' && !memcmp(at, path.at, (size_t)path.len) &&
                !memcmp(at + path.len + 1, query.at, (size_t)query.len)) {
                return true;
            }
        }
        uint8_t *octets = PyMem_Malloc((size_t)len);
        if (!octets) {
            PyErr_NoMemory();
            return false;
        }
        memcpy(octets, path.at, (size_t)path.len);
        octets[path.len] = '?';
        memcpy(octets + path.len + 1, query.at, (size_t)query.len);
        uri = latin1((struct span){octets, len});
        PyMem_Free(octets);
    }
    if (!uri) {
        return false;
    }
    return set(e, K_REQUEST_URI, Py_NewRef(uri)) & set(e, K_RAW_URI, uri);
}

static struct span literal(const char *text)
{
    return (struct span){(const uint8_t *)text, (Py_ssize_t)strlen(text)};
}

static struct span protocol(uint8_t version)
{
    switch (version) {
    case 10:
        return literal("HTTP/1.0");
    case 11:
        return literal("HTTP/1.1");
    case 20:
        return literal("HTTP/2.0");
    default:
        return literal("HTTP/3.0");
    }
}

static bool set_server(struct environ *e, const struct request *r)
{
    if (!r->server_port) {
        return true; /* local_server comes later */
    }
    return set_text(e, K_SERVER_NAME, r->text[SERVER_NAME]) &&
           set_port(e, K_SERVER_PORT, &e->server_port, r->server_port);
}

static bool fill_template(struct environ *e, const struct request *r)
{
    return set_text(e, K_REQUEST_METHOD, r->text[METHOD]) &&
           set_text(e, K_SCRIPT_NAME, r->text[SCRIPT_NAME]) && set_text(e, K_PATH_INFO, r->text[PATH]) &&
           set_text(e, K_QUERY_STRING, r->text[QUERY]) && set_uri(e, r) &&
           set_text(e, K_SERVER_PROTOCOL, protocol(r->version)) && set_server(e, r) &&
           set_text(e, K_REMOTE_ADDR, r->text[CLIENT_ADDRESS]) &&
           set_port(e, K_REMOTE_PORT, &e->client_port, r->client_port) &&
           set_text(e, K_URL_SCHEME, literal(r->secure ? "https" : "http"));
}

/* Header fields. */

static uint32_t hash(struct span span)
{
    uint32_t h = 2166136261u;
    for (Py_ssize_t i = 0; i < span.len; i++) {
        h = (h ^ span.at[i]) * 16777619u;
    }
    return h;
}

static bool is(struct span span, const char *text)
{
    return span.len == (Py_ssize_t)strlen(text) && !memcmp(span.at, text, (size_t)span.len);
}

/* The key of a field: CONTENT_TYPE, CONTENT_LENGTH or HTTP_ and the name. What begins with ":" is no field of
 * the client's: its key is the name alone. */
static PyObject *make_key(struct span name)
{
    bool variable = name.len && name.at[0] == ':';
    if (variable) {
        name = (struct span){name.at + 1, name.len - 1};
    }
    Py_ssize_t prefix = variable || is(name, "content-type") || is(name, "content-length") ? 0 : 5;
    uint8_t small[MAX_NAME + 8], *key = small;
    if (name.len > MAX_NAME) {
        key = PyMem_Malloc((size_t)(name.len + prefix));
        if (!key) {
            return PyErr_NoMemory();
        }
    }
    memcpy(key, "HTTP_", 5);
    for (Py_ssize_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        key[prefix + i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 32 : c;
    }
    PyObject *text = latin1((struct span){key, prefix + name.len});
    if (key != small) {
        PyMem_Free(key);
    }
    return text;
}

/* What becomes of a field that comes again. */
static int when_repeated(struct span lower)
{
    if (is(lower, "content-type") || is(lower, "content-length")) {
        return FIRST_ONLY;
    }
    return is(lower, "cookie") ? JOIN_COOKIE : JOIN_COMMA;
}

static struct name *name_new(struct span lower, struct name **bucket)
{
    struct name *name = PyMem_Calloc(1, sizeof *name + (size_t)lower.len);
    if (!name) {
        PyErr_NoMemory();
        return NULL;
    }
    name->key = make_key(lower);
    if (!name->key) {
        PyMem_Free(name);
        return NULL;
    }
    PyUnicode_InternInPlace(&name->key);
    name->repeated = when_repeated(lower);
    name->odd = memchr(lower.at, '_', (size_t)lower.len) != NULL;
    name->len = (uint16_t)lower.len;
    memcpy(name->lower, lower.at, (size_t)lower.len);
    name->next = *bucket;
    *bucket = name;
    return name;
}

/* What is known of a name, or NULL: with an exception, or as there is no room to remember it. */
static struct name *find_name(struct environ *e, struct span lower)
{
    if (lower.len > MAX_NAME) {
        return NULL;
    }
    struct name **bucket = &e->bucket[hash(lower) % BUCKETS];
    for (struct name *name = *bucket; name; name = name->next) {
        if (name->len == lower.len && !memcmp(name->lower, lower.at, (size_t)lower.len)) {
            return name;
        }
    }
    if (e->names == MAX_NAMES) {
        return NULL;
    }
    e->names++;
    return name_new(lower, bucket);
}

/* Sets a field that may be there already. */
static int join(PyObject *dict, PyObject *key, PyObject *value, int repeated)
{
    PyObject *there = PyDict_GetItemWithError(dict, key);
    if (!there) {
        return PyErr_Occurred() ? -1 : PyDict_SetItem(dict, key, value);
    }
    if (repeated == FIRST_ONLY) {
        return 0;
    }
    PyObject *both = PyUnicode_FromFormat("%U%s%U", there, repeated == JOIN_COOKIE ? "; " : ",", value);
    int result = both ? PyDict_SetItem(dict, key, both) : -1;
    Py_XDECREF(both);
    return result;
}

static int add_unknown(PyObject *dict, struct span lower, struct span text)
{
    PyObject *key = make_key(lower), *value = key ? latin1(text) : NULL;
    int result = value ? join(dict, key, value, when_repeated(lower)) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return result;
}

/* careful: a name with "_" was seen, so that another spelling of this one may be there. */
static int add_field(struct environ *e, PyObject *dict, struct span lower, struct span text, bool *careful)
{
    struct name *name = find_name(e, lower);
    if (!name) {
        *careful = true;
        return PyErr_Occurred() ? -1 : add_unknown(dict, lower, text);
    }
    *careful |= name->odd;
    PyObject *value;
    if (name->value && equal(name->value, text)) {
        value = Py_NewRef(name->value);
    } else {
        value = latin1(text);
        if (!value) {
            return -1;
        }
        if (text.len <= MAX_KEPT_VALUE) {
            REPLACE(name->value, Py_NewRef(value));
        }
    }
    int result;
    if (name->seen == e->requests || *careful) {
        result = join(dict, name->key, value, name->repeated);
    } else {
        result = PyDict_SetItem(dict, name->key, value);
    }
    name->seen = e->requests;
    Py_DECREF(value);
    return result;
}

static int add_fields(struct environ *e, PyObject *dict, const struct request *r)
{
    const uint8_t *at = r->first_field;
    bool careful = false;
    e->requests++;
    for (int i = 0; i < r->fields; i++) {
        struct span name = request_span(&at), value = request_span(&at);
        if (add_field(e, dict, name, value, &careful) < 0) {
            return -1;
        }
    }
    return 0;
}

/* On a Unix socket the server is what the client addressed. */
static int add_local_server(struct environ *e, PyObject *dict, const struct request *r)
{
    PyObject *host = PyDict_GetItemWithError(dict, e->host_key);
    if (!host && PyErr_Occurred()) {
        return -1;
    }
    if (!e->local || e->local_host != host || e->local_secure != r->secure) {
        PyObject *local = host ? PyObject_CallFunction(e->link->hooks.local_server, "iO", r->secure, host)
                               : PyObject_CallFunction(e->link->hooks.local_server, "is", r->secure, "");
        if (!local) {
            return -1;
        }
        REPLACE(e->local, local);
        REPLACE(e->local_host, Py_XNewRef(host));
        e->local_secure = r->secure;
        if (!PyTuple_CheckExact(local) || PyTuple_GET_SIZE(local) != 2) {
            PyErr_SetString(PyExc_SystemError, "local_server did not return two values");
            Py_CLEAR(e->local);
            return -1;
        }
    }
    return PyDict_SetItem(dict, e->key[K_SERVER_NAME], PyTuple_GET_ITEM(e->local, 0)) < 0
               ? -1
               : PyDict_SetItem(dict, e->key[K_SERVER_PORT], PyTuple_GET_ITEM(e->local, 1));
}

/* What is told of a TLS connection. */
static int add_tls(struct environ *e, PyObject *dict, struct span text)
{
    if (!e->tls_text || !equal(e->tls_text, text)) {
        PyObject *fresh = latin1(text);
        PyObject *tls = fresh ? PyObject_CallOneArg(e->link->hooks.tls_environ, fresh) : NULL;
        if (!tls) {
            Py_XDECREF(fresh);
            return -1;
        }
        REPLACE(e->tls_text, fresh);
        REPLACE(e->tls, tls);
    }
    return PyDict_Update(dict, e->tls);
}

PyObject *environ_make(struct environ *e, const struct request *r, PyObject **method, PyObject **path)
{
    if (!fill_template(e, r)) {
        return NULL;
    }
    PyObject *dict = PyDict_Copy(e->template);
    if (!dict) {
        return NULL;
    }
    if (add_fields(e, dict, r) < 0 || (!r->server_port && add_local_server(e, dict, r) < 0) ||
        (r->text[TLS].len && add_tls(e, dict, r->text[TLS]) < 0)) {
        Py_DECREF(dict);
        return NULL;
    }
    *method = e->value[K_REQUEST_METHOD];
    *path = e->value[K_PATH_INFO];
    return dict;
}

int environ_set_input(struct environ *e, PyObject *dict, PyObject *input)
{
    return PyDict_SetItem(dict, e->input_key, input);
}
