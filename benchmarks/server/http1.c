/* HTTP/1.1 on kept connections, one request at a time, without --latency-ms: what the FCM clients
 * that do not speak HTTP/2 need, and every client that asks for an access token. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server.h"

/* The length of the request at the start of `text`, 0 while its head is not complete. */
static size_t request_size(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\ncontent-length:");
    if (!end)
        return 0;
    return (size_t)(end + 4 - text) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static bool wants_close(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n"), *close = strcasestr(text, "\r\nconnection: close");
    return close && close < end;
}

static void answer_text(struct connection *c, size_t size)
{
    const char *path = strchr(c->text, ' '), *body = strstr(c->text, "\r\n\r\n") + 4;
    struct request r = {.connection = c, .kind = KIND_OTHER, .hash = hash_start()};
    if (path++) {
        r.kind = kind_of((const uint8_t *)path, strcspn(path, " \r"));
        if (options.distinct)
            r.hash = hash_more(r.hash, (const uint8_t *)path, strcspn(path, " \r"));
    }
    if (r.kind == KIND_APNS)
        r.kind = KIND_OTHER;
    size_t body_size = c->text + size - body;
    counters.body_bytes += body_size;
    if (options.distinct)
        r.hash = hash_more(r.hash, (const uint8_t *)body, body_size);
    if (r.kind == KIND_FCM)
        count_push(&r);
    const char *status = decide(&r);
    c->closing = wants_close(c->text);
    c->output_start = 0;
    c->output_end = snprintf((char *)c->output, OUTPUT_SIZE,
                             "HTTP/1.1 %s %s\r\ncontent-type: application/json; charset=UTF-8\r\n"
                             "content-length: %zu\r\n\r\n%.*s",
                             status, *status == '2' ? "OK" : "Not Found", r.body_length,
                             (int)r.body_length, r.body);
}

bool take_text(struct connection *c, const uint8_t *data, size_t length)
{
    if (c->text_length + length >= sizeof c->text)
        return false;
    memcpy(c->text + c->text_length, data, length);
    c->text_length += length;
    c->text[c->text_length] = 0;
    size_t size = request_size(c->text);
    if (!size || size > c->text_length || c->closing)
        return true;
    if (c->output_start != c->output_end)
        return false; /* a second request before the first one's answer is taken */
    answer_text(c, size);
    memmove(c->text, c->text + size, c->text_length + 1 - size);
    c->text_length -= size;
    return true;
}
