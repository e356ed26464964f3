/*
 * Plays APNs, FCM and Google's token endpoint on loopback at the speed of a load generator.
 *
 * One thread, epoll, OpenSSL and libnghttp2. A request is answered after its whole body was read;
 * a normal answer never comes with RST_STREAM. No credential, token or payload is checked: the
 * simulator of the package does that. This program only has to cost less than what it measures.
 *
 *   POST /3/device/<token>                APNs: 200 with apns-id, or 410 Unregistered
 *   POST /v1/projects/<id>/messages:send  FCM: 200 with the message's name, or 404 UNREGISTERED
 *   POST /token                           OAuth: an access token
 *
 * FCM and the token endpoint speak HTTP/1.1 too, as Google's do (http1.c); APNs does not.
 *
 * SIGUSR1 prints the counters as one line of JSON, SIGUSR2 prints and clears them, SIGTERM and
 * SIGINT print them and end the program.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "server.h"

#define INPUT_SIZE 16384
#define LARGEST_FRAME (16384 + 9)
#define READS_BEFORE_ANSWERS 4 /* TLS records; more would leave the client idle meanwhile */
#define EVENTS 64

struct options options = {.streams = 1000, .window = 1 << 20};
int64_t now;

static struct connection connections = {.prev = &connections, .next = &connections};
static SSL_CTX *tls;
static int poller, listener, signals;

void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void read_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    now = t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* --- connections -------------------------------------------------------------------------- */

static void watch(int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

static void accept_all(void)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c || !(c->ssl = SSL_new(tls)) || !SSL_set_fd(c->ssl, fd))
            die("connection");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        SSL_set_accept_state(c->ssl);
        c->fd = fd;
        c->requests.prev = c->requests.next = &c->requests;
        c->prev = connections.prev;
        c->next = &connections;
        c->prev->next = c->next->prev = c;
        counters.connections++;
        watch(fd, EPOLLIN | EPOLLOUT | EPOLLET, c);
    }
}

static void connection_close(struct connection *c)
{
    nghttp2_session_del(c->session);
    while (c->requests.next != &c->requests)
        request_free(c->requests.next);
    if (c->handshaken && !c->closing)
        SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(c->fd);
    c->prev->next = c->next;
    c->next->prev = c->prev;
    ERR_clear_error();
    free(c);
}

/* True when the TLS call has to be repeated later; false when the connection is over. */
static bool try_again(struct connection *c, int result)
{
    int error = SSL_get_error(c->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* --- reading and writing ------------------------------------------------------------------ */

static bool handshake(struct connection *c)
{
    int result = SSL_do_handshake(c->ssl);
    if (result != 1)
        return try_again(c, result);
    const uint8_t *protocol;
    unsigned length;
    SSL_get0_alpn_selected(c->ssl, &protocol, &length);
    c->handshaken = true;
    if (length == 2 && !memcmp(protocol, "h2", 2))
        start_session(c);
    return true;
}

static bool take(struct connection *c, uint8_t *data, size_t length)
{
    counters.bytes += length;
    if (!c->session && !c->text_length && length >= 4 && !memcmp(data, "PRI ", 4))
        start_session(c); /* a client without ALPN that takes HTTP/2 for granted, as with Apple */
    if (!c->session)
        return take_text(c, data, length);
    if (options.no_table_confirm)
        hide_table_size(c, data, length);
    return nghttp2_session_mem_recv(c->session, data, length) == (ssize_t)length;
}

static void fill_output(struct connection *c)
{
    const uint8_t *data;
    ssize_t n;
    c->output_start = c->output_end = 0;
    while (c->output_end + LARGEST_FRAME <= OUTPUT_SIZE &&
           (n = nghttp2_session_mem_send(c->session, &data)) > 0) {
        memcpy(c->output + c->output_end, data, n);
        c->output_end += n;
    }
}

/* False when the connection is over. */
static bool write_answers(struct connection *c)
{
    for (;;) {
        if (c->output_start == c->output_end) {
            if (c->session)
                fill_output(c);
            if (c->output_start == c->output_end)
                break;
        }
        int n = SSL_write(c->ssl, c->output + c->output_start, c->output_end - c->output_start);
        if (n <= 0)
            return try_again(c, n);
        c->output_start += n;
        if (c->closing && c->output_start == c->output_end) {
            SSL_shutdown(c->ssl);
            return false;
        }
    }
    return !c->session || nghttp2_session_want_read(c->session) ||
           nghttp2_session_want_write(c->session);
}

/* Reads until the socket is empty (edge-triggered), writing answers in between. */
static bool serve(struct connection *c)
{
    static uint8_t input[INPUT_SIZE];
    if (!c->handshaken && !handshake(c))
        return false;
    if (!c->handshaken)
        return true;
    for (int reads = 1;; reads++) {
        int n = SSL_read(c->ssl, input, sizeof input);
        if (n <= 0) {
            bool alive = try_again(c, n);
            return write_answers(c) && alive;
        }
        if (!take(c, input, n)) {
            write_answers(c); /* nghttp2's GOAWAY says what was wrong */
            return false;
        }
        if (reads % READS_BEFORE_ANSWERS == 0 && !write_answers(c))
            return false;
    }
}

static void flush_all(void)
{
    for (struct connection *c = connections.next, *next; c != &connections; c = next) {
        next = c->next;
        if (c->handshaken && !write_answers(c))
            connection_close(c);
    }
}

/* --- start and loop ----------------------------------------------------------------------- */

static int choose_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_length, const uint8_t *in,
                           unsigned in_length, void *arg)
{
    static const uint8_t ours[] = "\x02h2\x08http/1.1";
    (void)ssl, (void)arg;
    int result = SSL_select_next_proto((uint8_t **)out, out_length, ours, sizeof ours - 1, in,
                                       in_length);
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void make_tls(void)
{
    tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, options.cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, options.key, SSL_FILETYPE_PEM) != 1)
        die("certificate or key");
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_num_tickets(tls, 0);
    SSL_CTX_set_read_ahead(tls, 1); /* one system call for several records */
    SSL_CTX_set_default_read_buffer_len(tls, 65536);
    SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
}

static void listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 128) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        die("listen");
    watch(listener, EPOLLIN, &listener);
    printf("listening on %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (const int *s = (const int[]){SIGUSR1, SIGUSR2, SIGTERM, SIGINT, 0}; *s; s++)
        sigaddset(&set, *s);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    watch(signals, EPOLLIN, &signals);
}

static void obey_signals(void)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info) {
        print_counters();
        if (info.ssi_signo == SIGUSR2)
            reset_counters();
        else if (info.ssi_signo != SIGUSR1)
            exit(0);
    }
}

static int timeout_ms(void)
{
    int64_t due = next_due();
    read_clock();
    return due < 0 ? -1 : due <= now ? 0 : (int)((due - now + NS_PER_MS - 1) / NS_PER_MS);
}

static void loop(void)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, timeout_ms());
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        read_clock();
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (what == &listener)
                accept_all();
            else if (what == &signals)
                obey_signals();
            else if (!serve(what))
                connection_close(what);
        }
        if (answer_delayed())
            flush_all();
    }
}

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s --cert FILE --key FILE [--port N] [--latency-ms N] [--dead PERCENT]\n"
            "       [--streams N | --apns-streams] [--window BYTES]\n"
            "       [--no-table-confirm] [--indexed] [--distinct] [--die-with-parent]\n",
            program);
    exit(2);
}

static void parse_options(int argc, char **argv)
{
    int c;
    static const struct option names[] = {
        {"port", 1, 0, 'p'},          {"cert", 1, 0, 'c'},
        {"key", 1, 0, 'k'},           {"latency-ms", 1, 0, 'l'},
        {"dead", 1, 0, 'd'},          {"streams", 1, 0, 's'},
        {"window", 1, 0, 'w'},        {"apns-streams", 0, 0, 'a'},
        {"distinct", 0, 0, 'D'},      {"no-table-confirm", 0, 0, 't'},
        {"indexed", 0, 0, 'i'},       {"die-with-parent", 0, 0, 'P'},
        {0, 0, 0, 0},
    };
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'p': options.port = atoi(optarg); break;
        case 'c': options.cert = optarg; break;
        case 'k': options.key = optarg; break;
        case 'l': options.latency_ms = atoi(optarg); break;
        case 'd': options.dead = atof(optarg); break;
        case 's': options.streams = atoi(optarg); break;
        case 'w': options.window = atoi(optarg); break;
        case 'a': options.apns_streams = true; break;
        case 'D': options.distinct = true; break;
        case 't': options.no_table_confirm = true; break;
        case 'i': options.indexed = true; break;
        case 'P': options.die_with_parent = true; break;
        default: usage(argv[0]);
        }
    }
    if (!options.cert || !options.key || optind < argc)
        usage(argv[0]);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    if (options.die_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");
    watch_signals();
    make_tls();
    make_callbacks();
    read_clock();
    listen_on_loopback();
    loop();
}
