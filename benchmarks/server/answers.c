/* Requests from their first header to their answer: what APNs, FCM and the token endpoint say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server.h"

#define FCM_GONE                                                                      \
    "{\"error\":{\"code\":404,\"message\":\"Requested entity was not found.\","       \
    "\"status\":\"NOT_FOUND\",\"details\":[{\"@type\":"                               \
    "\"type.googleapis.com/google.firebase.fcm.v1.FcmError\","                        \
    "\"errorCode\":\"UNREGISTERED\"}]}}"

static struct request *pool, *delayed_first, *delayed_last;

static void to_pool(struct request *r)
{
    r->next = pool;
    pool = r;
}

struct request *request_new(struct connection *c, int32_t stream_id)
{
    struct request *r = pool;
    if (r)
        pool = r->next;
    else if (!(r = malloc(sizeof *r)))
        die("malloc");
    memset(r, 0, offsetof(struct request, id));
    r->connection = c;
    r->stream_id = stream_id;
    r->hash = hash_start();
    r->prev = c->requests.prev;
    r->next = &c->requests;
    r->prev->next = r->next->prev = r;
    if (++c->open_streams > counters.max_streams)
        counters.max_streams = c->open_streams;
    return r;
}

void request_free(struct request *r)
{
    r->connection->open_streams--;
    r->prev->next = r->next;
    r->next->prev = r->prev;
    r->connection = NULL;
    if (!r->delayed) /* else answer_delayed() frees it when its time comes */
        to_pool(r);
}

static uint64_t random_next(void) /* xorshift64: only has to look like an id */
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void make_apns_id(char *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t bits = random_next();
    for (int i = 0; i < APNS_ID_LENGTH; i++, bits >>= 4) {
        if (i == 18)
            bits = random_next();
        out[i] = (i == 8 || i == 13 || i == 18 || i == 23) ? '-' : digits[bits & 15];
    }
}

/* Every (100 / dead)-th device is gone, counted over all connections. */
static bool next_is_dead(void)
{
    static double sum;
    sum += options.dead;
    if (sum < 100.0)
        return false;
    sum -= 100.0;
    return true;
}

static size_t write_token(char *out, size_t room)
{
    counters.tokens++;
    return snprintf(out, room,
                    "{\"access_token\":\"bench-%016" PRIx64
                    "\",\"expires_in\":3599,\"token_type\":\"Bearer\"}",
                    random_next());
}

static void write_apns(struct request *r, bool dead)
{
    if (r->id_length != APNS_ID_LENGTH)
        make_apns_id(r->id);
    if (!dead) /* Apple's 200 has no body */
        return;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    r->body_length =
        snprintf(r->body, sizeof r->body, "{\"reason\":\"Unregistered\",\"timestamp\":%lld}",
                 (long long)(t.tv_sec * 1000LL + t.tv_nsec / NS_PER_MS));
}

static void write_fcm(struct request *r, bool dead)
{
    if (dead)
        r->body_length = snprintf(r->body, sizeof r->body, FCM_GONE);
    else
        r->body_length = snprintf(r->body, sizeof r->body,
                                  "{\n  \"name\": \"projects/bench/messages/%016" PRIx64 "\"\n}\n",
                                  random_next());
}

/* Counts the request, writes its body, returns its status. */
const char *decide(struct request *r)
{
    if (r->kind == KIND_TOKEN) {
        r->body_length = write_token(r->body, sizeof r->body);
        return "200";
    }
    if (r->kind == KIND_OTHER) {
        counters.other++;
        r->body_length = snprintf(r->body, sizeof r->body, "{\"reason\":\"BadPath\"}");
        return "404";
    }
    bool dead = next_is_dead();
    *(dead ? &counters.rejected : &counters.accepted) += 1;
    (r->kind == KIND_APNS ? write_apns : write_fcm)(r, dead);
    set_stream_limit(r->connection, dead ? 1 : APNS_STREAMS);
    return !dead ? "200" : r->kind == KIND_APNS ? "410" : "404";
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)session, (void)stream_id, (void)user_data;
    struct request *r = source->ptr;
    size_t left = r->body_length - r->body_sent, n = left < size ? left : size;
    memcpy(buffer, r->body + r->body_sent, n);
    r->body_sent += n;
    if (n == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return n;
}

static uint8_t table_flag(void)
{
    return options.indexed ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX;
}

/* 200 and 404 are in HPACK's static table and take one byte, as from the vendors. */
static nghttp2_nv status_header(const char *status)
{
    bool is_static = strcmp(status, "410");
    return (nghttp2_nv){(uint8_t *)":status", (uint8_t *)status, 7, 3,
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                            (is_static ? NGHTTP2_NV_FLAG_NONE : table_flag())};
}

/* Kept out of the client's header table unless `--indexed`. */
static nghttp2_nv header(const char *name, const char *value, size_t length)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), length,
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                            table_flag()};
}

static void answer(struct request *r)
{
    static const char type[] = "application/json; charset=UTF-8";
    nghttp2_nv headers[2];
    headers[0] = status_header(decide(r));
    headers[1] = r->kind == KIND_APNS ? header("apns-id", r->id, APNS_ID_LENGTH)
                                      : header("content-type", type, strlen(type));
    nghttp2_data_provider body = {.source.ptr = r, .read_callback = read_body};
    if (nghttp2_submit_response(r->connection->session, r->stream_id, headers, 2,
                                r->body_length ? &body : NULL))
        die("nghttp2_submit_response");
}

void count_push(struct request *r)
{
    counters.requests++;
    counters.last_at = (double)now / NS_PER_S;
    if (counters.requests == 1)
        counters.first_at = counters.last_at;
    if (r->mark)
        counters.marked_at[r->mark - 1] = counters.last_at;
    if (options.distinct)
        count_distinct(r->hash);
}

void request_complete(struct request *r)
{
    if (r->kind == KIND_APNS || r->kind == KIND_FCM)
        count_push(r);
    if (!options.latency_ms) {
        answer(r);
        return;
    }
    r->delayed = true;
    r->due = now + options.latency_ms * NS_PER_MS;
    *(delayed_first ? &delayed_last->later : &delayed_first) = r;
    delayed_last = r;
}

/* One latency for all requests, so the queue is in order of due time. */
bool answer_delayed(void)
{
    bool any = false;
    for (struct request *r; (r = delayed_first) && r->due <= now; any = true) {
        delayed_first = r->later;
        r->delayed = false;
        if (r->connection)
            answer(r);
        else
            to_pool(r);
    }
    return any;
}

int64_t next_due(void)
{
    return delayed_first ? delayed_first->due : -1;
}
