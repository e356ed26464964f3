/* libnghttp2's callbacks, and the two ways in which the server's SETTINGS differ from plain. */
#include <stdlib.h>
#include <string.h>

#include "server.h"

static nghttp2_session_callbacks *callbacks;
static nghttp2_option *session_options;

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id,
                                             request_new(user_data, frame->hd.stream_id));
    return 0;
}

static bool starts_with(const uint8_t *value, size_t length, const char *prefix)
{
    return length >= strlen(prefix) && !memcmp(value, prefix, strlen(prefix));
}

enum kind kind_of(const uint8_t *path, size_t length)
{
    if (starts_with(path, length, "/3/device/"))
        return KIND_APNS;
    if (starts_with(path, length, "/v1/projects/"))
        return KIND_FCM;
    return starts_with(path, length, "/token") ? KIND_TOKEN : KIND_OTHER;
}

/* The number in "/3/device/facefeed<4 hex digits>..." plus 1, or 0: pushes whose time is taken. */
static int mark_of(const uint8_t *path, size_t length)
{
    static const char prefix[] = "/3/device/facefeed";
    char digits[5] = "";
    if (!starts_with(path, length, prefix) || length < sizeof prefix - 1 + 4)
        return 0;
    memcpy(digits, path + sizeof prefix - 1, 4);
    long number = strtol(digits, NULL, 16);
    return number < MARKS ? number + 1 : 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t length, uint8_t flags,
                     void *user_data)
{
    (void)flags, (void)user_data;
    bool is_path = name_length == 5 && !memcmp(name, ":path", 5);
    bool is_id = name_length == 7 && !memcmp(name, "apns-id", 7);
    if (!is_path && !is_id)
        return 0;
    struct request *r = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!r)
        return 0;
    if (is_path) {
        r->kind = kind_of(value, length);
        r->mark = mark_of(value, length);
        if (options.distinct)
            r->hash = hash_more(r->hash, value, length);
    } else if (length == APNS_ID_LENGTH) {
        memcpy(r->id, value, length);
        r->id_length = length;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t length, void *user_data)
{
    (void)flags, (void)user_data;
    counters.body_bytes += length;
    if (options.distinct) {
        struct request *r = nghttp2_session_get_stream_user_data(session, stream_id);
        if (r)
            r->hash = hash_more(r->hash, data, length);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!may_end || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct request *r = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (r)
        request_complete(r);
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session, (void)user_data;
    counters.rst_sent += frame->hd.type == NGHTTP2_RST_STREAM;
    counters.goaway_sent += frame->hd.type == NGHTTP2_GOAWAY;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error,
                           void *user_data)
{
    (void)user_data;
    counters.resets += error != NGHTTP2_NO_ERROR;
    struct request *r = nghttp2_session_get_stream_user_data(session, stream_id);
    if (r)
        request_free(r);
    return 0;
}

void make_callbacks(void)
{
    if (nghttp2_session_callbacks_new(&callbacks) || nghttp2_option_new(&session_options))
        die("nghttp2");
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_closed_streams(session_options, 1); /* RFC 7540 priorities, unused */
}

void start_session(struct connection *c)
{
    if (nghttp2_session_server_new2(&c->session, callbacks, c, session_options))
        die("nghttp2_session_server_new2");
    c->stream_limit = options.apns_streams ? 1 : options.streams;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->stream_limit},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 8000}, /* as seen from APNs */
    };
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, options.window);
}

/* --apns-streams: the limit follows each answer. nghttp2 refuses (REFUSED_STREAM) what a client
 * opens before it has seen a lowered limit. */
void set_stream_limit(struct connection *c, uint32_t limit)
{
    if (!options.apns_streams || !c->session || c->stream_limit == limit)
        return;
    const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limit};
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &entry, 1);
    c->stream_limit = limit;
}

/*
 * --no-table-confirm: renames SETTINGS_HEADER_TABLE_SIZE in the client's first SETTINGS frame to a
 * setting that nobody knows. nghttp2 ignores it and never sends the dynamic table size update that
 * RFC 7541 4.2 asks for. The answers do not use the dynamic table, so every client decodes them.
 */
void hide_table_size(struct connection *c, uint8_t *data, size_t length)
{
    static const size_t preface = 24, first = 24 + 9; /* the frame's length is its first 3 bytes */
    if (!c->settings_end)
        c->settings_end = first;
    for (size_t i = 0; i < length && c->preface_seen < c->settings_end; i++, c->preface_seen++) {
        size_t at = c->preface_seen;
        if (at >= preface && at < preface + 3)
            c->settings_end += (size_t)data[i] << (8 * (preface + 2 - at));
        else if (at >= first && (at - first) % 6 == 1 &&
                 data[i] == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE)
            data[i] = 0xff; /* the low byte of an identifier; the high one is 0 for all that exist */
    }
}
