/* What the server counts, and a set of request hashes that finds requests sent twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "server.h"

struct counters counters;

static uint64_t *seen; /* open addressing; 0 is a free place */
static size_t seen_size;

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void print_counters(void)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"requests", counters.requests},       {"accepted", counters.accepted},
        {"rejected", counters.rejected},       {"other", counters.other},
        {"tokens", counters.tokens},           {"bytes", counters.bytes},
        {"body_bytes", counters.body_bytes},   {"connections", counters.connections},
        {"resets", counters.resets},           {"rst_sent", counters.rst_sent},
        {"goaway_sent", counters.goaway_sent}, {"max_streams", counters.max_streams},
        {"distinct", counters.distinct},
    };
    putchar('{');
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        printf("\"%s\": %" PRIu64 ", ", numbers[i].name, numbers[i].value);
    printf("\"marked_at\": {");
    for (int i = 0, shown = 0; i < MARKS; i++)
        if (counters.marked_at[i])
            printf("%s\"%d\": %.6f", shown++ ? ", " : "", i, counters.marked_at[i]);
    printf("}, \"first_at\": %.6f, \"last_at\": %.6f, \"cpu_seconds\": %.6f}\n",
           counters.first_at, counters.last_at, cpu_seconds());
    fflush(stdout);
}

void reset_counters(void)
{
    memset(&counters, 0, sizeof counters);
    free(seen);
    seen = NULL;
    seen_size = 0;
}

/* Bytewise FNV-1a: does not depend on how a body was cut into frames. */
uint64_t hash_start(void)
{
    return UINT64_C(0xcbf29ce484222325);
}

uint64_t hash_more(uint64_t hash, const uint8_t *data, size_t length)
{
    while (length--)
        hash = (hash ^ *data++) * UINT64_C(0x100000001b3);
    return hash;
}

static void put(uint64_t hash)
{
    size_t at = hash & (seen_size - 1);
    while (seen[at] && seen[at] != hash)
        at = (at + 1) & (seen_size - 1);
    counters.distinct += !seen[at];
    seen[at] = hash;
}

static void grow(void)
{
    uint64_t *old = seen;
    size_t old_size = seen_size;
    seen_size = old_size ? old_size * 2 : 1 << 16;
    if (!(seen = calloc(seen_size, sizeof *seen)))
        die("calloc");
    counters.distinct = 0;
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            put(old[i]);
    free(old);
}

void count_distinct(uint64_t hash)
{
    if (counters.distinct * 2 >= seen_size)
        grow();
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93); /* FNV's low bits are weak */
    hash ^= hash >> 32;
    put(hash ? hash : 1);
}
