/* REQUEST frames. */
#include "rickhouse.h"

enum { FIXED = 14 };

/* Moves *at over one text; false if it does not end before end. */
static bool text(const uint8_t **at, const uint8_t *end, struct span *span)
{
    if (end - *at < 2) {
        return false;
    }
    *span = (struct span){*at + 2, load16(*at)};
    if (end - span->at < span->len) {
        return false;
    }
    *at = span->at + span->len;
    return true;
}

struct span request_span(const uint8_t **at)
{
    struct span span = {*at + 2, load16(*at)};
    *at = span.at + span.len;
    return span;
}

bool request_parse(const struct item *item, struct request *request)
{
    const uint8_t *at = item->payload, *end = at + item->len;
    if (item->len < FIXED) {
        return false;
    }
    uint8_t version = at[0], scheme = at[1];
    request->version = version;
    request->secure = scheme == 1;
    request->server_port = load16(at + 2);
    request->client_port = load16(at + 4);
    request->content_length = (int64_t)load64(at + 6);
    at += FIXED;
    for (int i = 0; i < TEXTS; i++) {
        if (!text(&at, end, &request->text[i])) {
            return false;
        }
    }
    if (end - at < 2) {
        return false;
    }
    request->fields = load16(at);
    at += 2;
    request->first_field = at;
    for (int i = 0; i < 2 * request->fields; i++) {
        struct span span;
        if (!text(&at, end, &span)) {
            return false;
        }
    }
    request->content = (struct span){at, end - at};
    if (request->content.len && (item->fd >= 0 || !(item->flags & END))) {
        return false;
    }
    return scheme <= 1 && (version == 10 || version == 11 || version == 20 || version == 30);
}
