/* What the application gives to start_response, checked and packed. What is not plain rickhouse_worker.fields
 * makes so, and where something is wrong it finds the words. */
#include "rickhouse.h"

#include <string.h>

enum {
    STATUS_AT = 0,
    STARTED_AT = 2,
    LENGTH_AT = 10,
    REASON_AT = 18,
    MAX_STATUS = 1024,
    MAX_FIELDS = 512 << 10
};

/* By enum octets. */
static const uint8_t octet[256] = {
    ['\t'] = 1,        [' '] = 1,         ['!'] = 3,         ['"'] = 1,           ['#' ... '\''] = 3,
    ['('] = 1,         [')'] = 1,         ['*'] = 3,         ['+'] = 3,           [','] = 1,
    ['-'] = 3,         ['.'] = 3,         ['/'] = 1,         ['0' ... '9'] = 3,   [':' ... '@'] = 1,
    ['A' ... 'Z'] = 3, ['[' ... ']'] = 1, ['^' ... '`'] = 3, ['a' ... 'z'] = 3,   ['{'] = 1,
    ['|'] = 3,         ['}'] = 1,         ['~'] = 3,         [0x80 ... 0xff] = 1,
};

bool head_octets(struct span span, enum octets what)
{
    uint8_t seen = 0xff;
    for (Py_ssize_t i = 0; i < span.len; i++) {
        seen &= octet[span.at[i]];
    }
    return (seen & what) == what;
}

/* The octets of a str, or of a subclass, that is latin-1. */
static bool octets_of(PyObject *object, struct span *span)
{
    if (!PyUnicode_Check(object)) {
        return false;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(object) < 0) {
        PyErr_Clear();
        return false;
    }
#endif
    if (PyUnicode_KIND(object) != PyUnicode_1BYTE_KIND) {
        return false;
    }
    *span = (struct span){PyUnicode_1BYTE_DATA(object), PyUnicode_GET_LENGTH(object)};
    return true;
}

static bool grow(struct head *head, size_t more)
{
    size_t need = head->len + more;
    if (need <= head->cap) {
        return true;
    }
    size_t cap = head->cap ? head->cap : 512;
    while (cap < need) {
        cap *= 2;
    }
    uint8_t *octets = PyMem_RawRealloc(head->octets, cap);
    if (!octets) {
        PyErr_NoMemory();
        return false;
    }
    head->octets = octets;
    head->cap = cap;
    return true;
}

static void put16(struct head *head, size_t value)
{
    store16(head->octets + head->len, (uint16_t)value);
    head->len += 2;
}

static void put(struct head *head, struct span span)
{
    put16(head, (size_t)span.len);
    memcpy(head->octets + head->len, span.at, (size_t)span.len);
    head->len += (size_t)span.len;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool fill_status(struct head *head, PyObject *object)
{
    struct span s;
    if (!octets_of(object, &s) || s.len < 4 || s.len > MAX_STATUS || s.at[0] < '2' || !is_digit(s.at[0]) ||
        !is_digit(s.at[1]) || !is_digit(s.at[2]) || s.at[3] != ' ' || !head_octets(s, IN_VALUE)) {
        return false;
    }
    head->status = (s.at[0] - '0') * 100 + (s.at[1] - '0') * 10 + (s.at[2] - '0');
    head->len = 0;
    put16(head, (size_t)head->status);
    head->len = REASON_AT;
    put(head, (struct span){s.at + 4, s.len - 4});
    return true;
}

bool head_same(struct span name, const char *lower)
{
    for (Py_ssize_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (uint8_t)lower[i]) {
            return false;
        }
    }
    return true;
}

bool head_hop_by_hop(struct span name)
{
    switch (name.len) {
    case 2:
        return head_same(name, "te");
    case 7:
        return head_same(name, "trailer") || head_same(name, "upgrade");
    case 8:
        return head_same(name, "trailers");
    case 10:
        return head_same(name, "connection") || head_same(name, "keep-alive");
    case 16:
        return head_same(name, "proxy-connection");
    case 17:
        return head_same(name, "transfer-encoding");
    default:
        return false;
    }
}

static bool take_length(struct head *head, struct span value)
{
    if (head->length >= 0 || value.len < 1 || value.len > 18) {
        return false;
    }
    int64_t length = 0;
    for (Py_ssize_t i = 0; i < value.len; i++) {
        if (!is_digit(value.at[i])) {
            return false;
        }
        length = length * 10 + (value.at[i] - '0');
    }
    head->length = length;
    return true;
}

/* 1: packed, 0: is not part of the fields, -1: is wrong (or there is no memory: an exception is set). */
static int fill_field(struct head *head, PyObject *header)
{
    struct span name, value;
    if (!PyTuple_CheckExact(header) || PyTuple_GET_SIZE(header) != 2 ||
        !octets_of(PyTuple_GET_ITEM(header, 0), &name) || !octets_of(PyTuple_GET_ITEM(header, 1), &value) ||
        name.len < 1 || name.len > 0xffff || value.len > 0xffff || !head_octets(name, IN_TOKEN) ||
        !head_octets(value, IN_VALUE) || head_hop_by_hop(name)) {
        return -1;
    }
    if (name.len == 14 && head_same(name, "content-length")) {
        return take_length(head, value) ? 0 : -1;
    }
    if (!grow(head, 4 + (size_t)(name.len + value.len))) {
        return -1;
    }
    put(head, name);
    put(head, value);
    return 1;
}

static bool fill(struct head *head, PyObject *status, PyObject *headers)
{
    head->length = -1;
    if (!grow(head, REASON_AT + 4 + MAX_STATUS) || !fill_status(head, status) ||
        !PyList_CheckExact(headers)) {
        return false;
    }
    size_t count_at = head->len, count = 0;
    head->len += 2;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        int put_one = fill_field(head, PyList_GET_ITEM(headers, i));
        if (put_one < 0) {
            return false;
        }
        count += (size_t)put_one;
    }
    if (count > 0xffff || head->len - count_at > MAX_FIELDS) {
        return false;
    }
    store16(head->octets + count_at, (uint16_t)count);
    return true;
}

int head_fill(struct head *head, PyObject *status, PyObject *headers)
{
    /* What is to be replaced (exc_info) holds until the other is known to be right. */
    bool replaces = head->status != 0;
    struct head fresh = replaces ? (struct head){0} : *head;
    bool ok = fill(&fresh, status, headers);
    if (replaces) {
        PyMem_RawFree(ok ? head->octets : fresh.octets);
    }
    if (ok) {
        *head = fresh;
        return 1;
    }
    if (!replaces) {
        head->octets = fresh.octets;
        head->cap = fresh.cap;
    }
    return PyErr_Occurred() ? -1 : 0;
}

void head_finish(struct head *head, uint64_t started, uint64_t length)
{
    store64(head->octets + STARTED_AT, started);
    store64(head->octets + LENGTH_AT, length);
}
