/* What the files of the benchmark server share; server.c says what it is. */
#ifndef SERVER_H
#define SERVER_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#define OUTPUT_SIZE 65536
#define APNS_STREAMS 500
#define APNS_ID_LENGTH 36
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

enum kind { KIND_OTHER, KIND_APNS, KIND_FCM, KIND_TOKEN };

#define MARKS 1024

struct options {
    int port, latency_ms, streams, window;
    double dead; /* percent */
    bool apns_streams, no_table_confirm, indexed, distinct, die_with_parent;
    const char *cert, *key;
};

/* requests, distinct and the times are of pushes; tokens and other count the rest. */
struct counters {
    uint64_t requests, accepted, rejected, other, tokens, bytes, body_bytes, connections, resets;
    uint64_t rst_sent, goaway_sent, max_streams, distinct;
    double first_at, last_at; /* seconds, CLOCK_MONOTONIC */
    double marked_at[MARKS];  /* when the push to token "face<number, 4 hex digits>..." came */
};

struct connection;

struct request {
    struct request *prev, *next;   /* of its connection, or of the pool */
    struct request *later;         /* in the queue of delayed answers */
    struct connection *connection; /* NULL when the stream closed while the answer was delayed */
    bool delayed;
    int32_t stream_id;
    enum kind kind;
    int64_t due;
    uint64_t hash;
    size_t id_length, body_length, body_sent;
    int mark; /* number of the token + 1, 0 for those that are not marked */
    char id[APNS_ID_LENGTH]; /* from here on nothing is cleared for a new request */
    char body[320];
};

struct connection {
    struct connection *prev, *next;
    int fd;
    SSL *ssl;
    nghttp2_session *session; /* NULL: handshake not done, or HTTP/1.1 */
    bool handshaken, closing; /* closing: as soon as the answer is written (HTTP/1.1) */
    struct request requests; /* head of a ring */
    uint64_t open_streams;
    uint32_t stream_limit;
    size_t preface_seen, settings_end;
    size_t output_start, output_end;
    uint8_t output[OUTPUT_SIZE];
    size_t text_length;
    char text[8192]; /* an HTTP/1.1 request so far */
};

extern struct options options;
extern struct counters counters;
extern int64_t now; /* CLOCK_MONOTONIC in ns, read once per wake-up */

void die(const char *what);

/* counters.c */
void print_counters(void);
void reset_counters(void);
uint64_t hash_start(void);
uint64_t hash_more(uint64_t hash, const uint8_t *data, size_t length);
void count_distinct(uint64_t hash);

/* answers.c */
struct request *request_new(struct connection *c, int32_t stream_id);
void request_free(struct request *r);
void request_complete(struct request *r);
const char *decide(struct request *r);
void count_push(struct request *r);
bool answer_delayed(void);
int64_t next_due(void); /* ns, or -1 */

/* http1.c */
bool take_text(struct connection *c, const uint8_t *data, size_t length);

/* http2.c */
enum kind kind_of(const uint8_t *path, size_t length);
void make_callbacks(void);
void start_session(struct connection *c);
void set_stream_limit(struct connection *c, uint32_t limit);
void hide_table_size(struct connection *c, uint8_t *data, size_t length);

#endif
