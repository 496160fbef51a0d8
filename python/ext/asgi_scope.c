/* Scopes: a copy of a template in which the values of the last request stand. */
#include "asgi.h"

#include <string.h>

#define KEYS(X)                                                                                              \
    X(asgi)                                                                                                  \
    X(http_version)                                                                                          \
    X(method)                                                                                                \
    X(scheme)                                                                                                \
    X(path)                                                                                                  \
    X(raw_path)                                                                                              \
    X(query_string)                                                                                          \
    X(root_path)                                                                                             \
    X(headers)                                                                                               \
    X(client)                                                                                                \
    X(server)                                                                                                \
    X(state)                                                                                                 \
    X(extensions)

enum {
#define X(name) K_##name,
    KEYS(X)
#undef X
        KEY_COUNT
};

static const char *const key_names[] = {
#define X(name) #name,
    KEYS(X)
#undef X
};

enum { PATHSEND, ZEROCOPYSEND, EARLY_HINT, RESPONSE_TRAILERS, EXTENSIONS };
static const char *const extension_names[] = {"http.response.pathsend", "http.response.zerocopysend",
                                              "http.response.early_hint", "http.response.trailers"};

/* The last header field of a name: a tuple of its name and value. */
struct field {
    struct field *next;
    PyObject *name, *pair;
    uint16_t len;
    uint8_t octets[];
};

enum { BUCKETS = 256, MAX_NAMES = 1000, MAX_NAME = 256, MAX_KEPT_VALUE = 1024 };

struct scopes {
    LoopLink *link;
    PyObject *template, *asgi;
    PyObject *key[KEY_COUNT];
    PyObject *extension[EXTENSIONS], *tls;
    /* What the template holds, to compare with; texts are as they came. */
    PyObject *text[TEXTS];
    PyObject *version[4], *http, *https;
    uint8_t last_version;
    bool last_secure;
    uint16_t server_port, client_port;
    size_t names;
    struct field *bucket[BUCKETS];
};

void scopes_free(struct scopes *s)
{
    if (!s) {
        return;
    }
    for (int i = 0; i < BUCKETS; i++) {
        while (s->bucket[i]) {
            struct field *field = s->bucket[i];
            s->bucket[i] = field->next;
            Py_XDECREF(field->name);
            Py_XDECREF(field->pair);
            PyMem_Free(field);
        }
    }
    for (int i = 0; i < KEY_COUNT; i++) {
        Py_XDECREF(s->key[i]);
    }
    for (int i = 0; i < TEXTS; i++) {
        Py_XDECREF(s->text[i]);
    }
    for (int i = 0; i < EXTENSIONS; i++) {
        Py_XDECREF(s->extension[i]);
    }
    for (int i = 0; i < 4; i++) {
        Py_XDECREF(s->version[i]);
    }
    Py_XDECREF(s->http);
    Py_XDECREF(s->https);
    Py_XDECREF(s->tls);
    Py_XDECREF(s->asgi);
    Py_XDECREF(s->template);
    PyMem_Free(s);
}

static bool make_constants(struct scopes *s)
{
    static const char *const versions[] = {"1.0", "1.1", "2", "3"};
    bool ok = true;
    for (int i = 0; i < KEY_COUNT; i++) {
        ok &= (s->key[i] = PyUnicode_InternFromString(key_names[i])) != NULL;
    }
    for (int i = 0; i < EXTENSIONS; i++) {
        ok &= (s->extension[i] = PyUnicode_InternFromString(extension_names[i])) != NULL;
    }
    for (int i = 0; i < 4; i++) {
        ok &= (s->version[i] = PyUnicode_InternFromString(versions[i])) != NULL;
    }
    s->http = PyUnicode_InternFromString("http");
    s->https = PyUnicode_InternFromString("https");
    s->tls = PyUnicode_InternFromString("tls");
    s->asgi = Py_BuildValue("{ssss}", "version", "3.0", "spec_version", "2.5");
    return ok && s->http && s->https && s->tls && s->asgi;
}

struct scopes *scopes_new(LoopLink *link)
{
    struct scopes *s = PyMem_Calloc(1, sizeof *s);
    if (!s) {
        PyErr_NoMemory();
        return NULL;
    }
    s->link = link;
    s->template = PyDict_New();
    bool ok = s->template && make_constants(s) && PyDict_SetItem(s->template, link->words.type, s->http) == 0;
    /* Every key has its place, so that copies need not grow. */
    for (int i = 0; ok && i < KEY_COUNT; i++) {
        ok = PyDict_SetItem(s->template, s->key[i], Py_None) == 0;
    }
    if (!ok) {
        scopes_free(s);
        return NULL;
    }
    return s;
}

static PyObject *octets(struct span span)
{
    return PyBytes_FromStringAndSize((const char *)span.at, span.len);
}

static bool same_octets(PyObject *bytes, struct span span)
{
    return bytes && PyBytes_GET_SIZE(bytes) == span.len &&
           !memcmp(PyBytes_AS_STRING(bytes), span.at, (size_t)span.len);
}

/* Stores a value in a dict; steals it, which may be NULL with an exception. */
static bool put(PyObject *dict, PyObject *key, PyObject *value)
{
    bool ok = value && PyDict_SetItem(dict, key, value) == 0;
    Py_XDECREF(value);
    return ok;
}

/* Whether a text of the request is another than that of the last one, which it becomes. -1 with an exception.
 */
static int changed(struct scopes *s, int text, const struct request *r)
{
    if (same_octets(s->text[text], r->text[text])) {
        return 0;
    }
    PyObject *fresh = octets(r->text[text]);
    if (!fresh) {
        return -1;
    }
    REPLACE(s->text[text], fresh);
    return 1;
}

/* Sets a key of the template to the octets of a text. */
static bool set_octets(struct scopes *s, int key, int text, const struct request *r)
{
    int news = changed(s, text, r);
    return news == 0 || (news > 0 && PyDict_SetItem(s->template, s->key[key], s->text[text]) == 0);
}

/* A path as ASGI wants it: raw_path has what is not UTF-8. */
static PyObject *decoded(struct span span)
{
    return PyUnicode_DecodeUTF8((const char *)span.at, span.len, "replace");
}

static bool set_paths(struct scopes *s, const struct request *r)
{
    int script = changed(s, SCRIPT_NAME, r), path = changed(s, PATH, r);
    if (script < 0 || path < 0) {
        return false;
    }
    if (!script && !path) {
        return true;
    }
    PyObject *root = decoded(r->text[SCRIPT_NAME]), *rest = root ? decoded(r->text[PATH]) : NULL;
    PyObject *whole = rest ? PyUnicode_Concat(root, rest) : NULL;
    bool ok = whole && PyDict_SetItem(s->template, s->key[K_root_path], root) == 0 &&
              PyDict_SetItem(s->template, s->key[K_path], whole) == 0;
    Py_XDECREF(root);
    Py_XDECREF(rest);
    Py_XDECREF(whole);
    if (!ok) {
        Py_CLEAR(s->text[PATH]);
    }
    return ok;
}

static bool set_method(struct scopes *s, const struct request *r)
{
    int news = changed(s, METHOD, r);
    if (news <= 0) {
        return news == 0;
    }
    PyObject *method = PyUnicode_DecodeLatin1((const char *)r->text[METHOD].at, r->text[METHOD].len, NULL);
    return put(s->template, s->key[K_method], method);
}

static bool set_version(struct scopes *s, const struct request *r)
{
    if (s->last_version != r->version) {
        int i = r->version >= 30 ? 3 : r->version >= 20 ? 2 : r->version - 10;
        if (PyDict_SetItem(s->template, s->key[K_http_version], s->version[i]) < 0) {
            return false;
        }
    }
    if (!s->last_version || s->last_secure != r->secure) {
        if (PyDict_SetItem(s->template, s->key[K_scheme], r->secure ? s->https : s->http) < 0) {
            return false;
        }
    }
    s->last_version = r->version;
    s->last_secure = r->secure;
    return true;
}

/* An address and a port; no port is None, and no address is none at all. */
static PyObject *address(struct span host, uint16_t port)
{
    PyObject *name = PyUnicode_DecodeLatin1((const char *)host.at, host.len, NULL);
    PyObject *pair = NULL;
    if (name) {
        pair = port ? Py_BuildValue("(Oi)", name, (int)port) : PyTuple_Pack(2, name, Py_None);
        Py_DECREF(name);
    }
    return pair;
}

static bool set_ends(struct scopes *s, const struct request *r)
{
    int server = changed(s, SERVER_NAME, r), client = changed(s, CLIENT_ADDRESS, r);
    if (server < 0 || client < 0) {
        return false;
    }
    if (server || s->server_port != r->server_port) {
        s->server_port = r->server_port;
        if (!put(s->template, s->key[K_server], address(r->text[SERVER_NAME], r->server_port))) {
            return false;
        }
    }
    if (client || s->client_port != r->client_port) {
        s->client_port = r->client_port;
        struct span host = r->text[CLIENT_ADDRESS];
        PyObject *pair = NULL;
        if (host.len) {
            PyObject *name = PyUnicode_DecodeLatin1((const char *)host.at, host.len, NULL);
            pair = name ? Py_BuildValue("(Ni)", name, (int)r->client_port) : NULL;
        } else {
            pair = Py_NewRef(Py_None);
        }
        return put(s->template, s->key[K_client], pair);
    }
    return true;
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

/* What is known of a name, or NULL: with an exception, or as there is no room to remember it. */
static struct field *find_field(struct scopes *s, struct span name)
{
    if (name.len > MAX_NAME) {
        return NULL;
    }
    struct field **bucket = &s->bucket[hash(name) % BUCKETS];
    for (struct field *field = *bucket; field; field = field->next) {
        if (field->len == name.len && !memcmp(field->octets, name.at, (size_t)name.len)) {
            return field;
        }
    }
    if (s->names == MAX_NAMES) {
        return NULL;
    }
    struct field *field = PyMem_Calloc(1, sizeof *field + (size_t)name.len);
    if (!field) {
        PyErr_NoMemory();
        return NULL;
    }
    field->name = octets(name);
    if (!field->name) {
        PyMem_Free(field);
        return NULL;
    }
    field->len = (uint16_t)name.len;
    memcpy(field->octets, name.at, (size_t)name.len);
    field->next = *bucket;
    *bucket = field;
    s->names++;
    return field;
}

static PyObject *pair_of(PyObject *name, struct span value)
{
    PyObject *content = octets(value);
    PyObject *pair = content ? PyTuple_Pack(2, name, content) : NULL;
    Py_XDECREF(content);
    return pair;
}

static PyObject *make_field(struct scopes *s, struct span name, struct span value)
{
    struct field *field = find_field(s, name);
    if (!field) {
        PyObject *unknown = PyErr_Occurred() ? NULL : octets(name);
        PyObject *pair = unknown ? pair_of(unknown, value) : NULL;
        Py_XDECREF(unknown);
        return pair;
    }
    if (field->pair && same_octets(PyTuple_GET_ITEM(field->pair, 1), value)) {
        return Py_NewRef(field->pair);
    }
    PyObject *pair = pair_of(field->name, value);
    if (pair && value.len <= MAX_KEPT_VALUE) {
        REPLACE(field->pair, Py_NewRef(pair));
    }
    return pair;
}

static PyObject *make_fields(struct scopes *s, const struct request *r)
{
    PyObject *list = PyList_New(r->fields);
    const uint8_t *at = r->first_field;
    for (int i = 0; list && i < r->fields; i++) {
        struct span name = request_span(&at), value = request_span(&at);
        PyObject *pair = make_field(s, name, value);
        if (!pair) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, pair);
    }
    return list;
}

static bool put_tls(struct scopes *s, PyObject *extensions, struct span text)
{
    PyObject *argument = PyUnicode_DecodeLatin1((const char *)text.at, text.len, NULL);
    PyObject *kept = argument ? PyObject_CallOneArg(s->link->hooks.tls, argument) : NULL;
    bool ok = kept && put(extensions, s->tls, PyDict_Copy(kept));
    Py_XDECREF(kept);
    Py_XDECREF(argument);
    return ok;
}

static PyObject *make_extensions(struct scopes *s, const struct request *r, uint8_t flags)
{
    PyObject *dict = PyDict_New();
    bool ok = dict && put(dict, s->extension[PATHSEND], PyDict_New()) &&
              put(dict, s->extension[ZEROCOPYSEND], PyDict_New()) &&
              (r->version < 11 || put(dict, s->extension[EARLY_HINT], PyDict_New())) &&
              (!(flags & TRAILERS) || put(dict, s->extension[RESPONSE_TRAILERS], PyDict_New())) &&
              (!r->text[TLS].len || put_tls(s, dict, r->text[TLS]));
    if (!ok) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyObject *scopes_http(struct scopes *s, const struct request *r, uint8_t flags, PyObject **method)
{
    if (!set_method(s, r) || !set_paths(s, r) || !set_octets(s, K_raw_path, RAW_PATH, r) ||
        !set_octets(s, K_query_string, QUERY, r) || !set_version(s, r) || !set_ends(s, r)) {
        return NULL;
    }
    PyObject *scope = PyDict_Copy(s->template);
    if (!scope) {
        return NULL;
    }
    if (!put(scope, s->key[K_asgi], PyDict_Copy(s->asgi)) ||
        !put(scope, s->key[K_headers], make_fields(s, r)) ||
        !put(scope, s->key[K_state], PyDict_Copy(s->link->hooks.state)) ||
        !put(scope, s->key[K_extensions], make_extensions(s, r, flags))) {
        Py_DECREF(scope);
        return NULL;
    }
    *method = PyDict_GetItemWithError(scope, s->key[K_method]);
    return scope;
}
