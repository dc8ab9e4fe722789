/* Small tools for the scripts: raw records in, topics out, a group's lag. */
#include "base/bytes.h"
#include "bench.h"
#include "domain/json.h"
#include "kafka.h"
#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADERS_MAX = 16 };

struct produced {
    uint64_t line, acked, lost;
};

static void on_ack(void *context, void *opaque, int32_t partition, int64_t offset)
{
    struct produced *p = context;
    printf("{\"line\":%zu,\"partition\":%" PRId32 ",\"offset\":%" PRId64 "}\n",
           (size_t)(uintptr_t)opaque, partition, offset);
    if (offset >= 0)
        p->acked++;
    else
        p->lost++;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex to bytes, in place; `-` is absent. */
static bool unhex(char *field, struct bytes *out)
{
    *out = (struct bytes){0};
    if (strcmp(field, "-") == 0)
        return true;
    size_t size = strlen(field) / 2;
    for (size_t i = 0; i < size; i++) {
        int high = digit_of(field[2 * i]), low = digit_of(field[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        field[i] = (char)(high << 4 | low);
    }
    *out = (struct bytes){field, size};
    return true;
}

/* hex key TAB hex value [TAB name TAB hex value] ... */
static bool put_line(struct kafka_out *out, const char *topic, char *line, size_t number)
{
    struct kafka_header headers[HEADERS_MAX];
    struct bytes key, value;
    size_t count = 0;
    char *key_text = strsep(&line, "\t"), *value_text = strsep(&line, "\t"), *name;
    if (!value_text || !unhex(key_text, &key) || !unhex(value_text, &value))
        return false;
    while ((name = strsep(&line, "\t")) && count < HEADERS_MAX) {
        char *text = strsep(&line, "\t");
        if (!text || !unhex(text, &headers[count].value))
            return false;
        headers[count++].name = name;
    }
    while (!kafka_out_put(out, topic, -1, key, value, headers, count, (void *)(uintptr_t)number))
        kafka_out_poll(out, 10);
    return true;
}

int produce_command(int argc, char **argv)
{
    const char *brokers = NULL, *topic = NULL;
    const struct option_row rows[] = {
        {"brokers", OPTION_TEXT, &brokers, "host:port", NULL},
        {"topic", OPTION_TEXT, &topic,
         "takes lines from standard input: key TAB value [TAB header TAB value] ..., all but the "
         "header's name in hex, - for null",
         NULL},
    };
    if (!options_read("produce", rows, countof(rows), argc, argv) || !brokers || !topic)
        return EXIT_USAGE;
    struct produced p = {0};
    struct kafka_out *out = kafka_out_open(brokers, on_ack, &p);
    if (!out)
        return EXIT_UNAVAILABLE;
    char *line = NULL;
    size_t max = 0;
    bool fine = true;
    for (ssize_t n; fine && (n = getline(&line, &max, stdin)) > 0; p.line++) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        fine = put_line(out, topic, line, p.line);
        if (!fine)
            fprintf(stderr, "carillon-bench produce: line %" PRIu64 " is malformed\n", p.line);
    }
    kafka_out_close(out, 30000);
    free(line);
    return !fine ? EXIT_USAGE : p.lost > 0 ? EXIT_UNAVAILABLE : EXIT_OK;
}

static void print_hex(struct bytes b)
{
    if (!b.at) {
        printf("null");
        return;
    }
    putchar('"');
    for (size_t i = 0; i < b.size; i++)
        printf("%02x", (unsigned char)b.at[i]);
    putchar('"');
}

static void print_record(void *context, const struct kafka_in_record *r)
{
    (void)context;
    printf("{\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"time_ms\":%" PRId64
           ",\"append_time\":%s,\"key\":",
           r->partition, r->offset, r->time_ms, r->append_time ? "true" : "false");
    print_hex(r->key);
    printf(",\"value\":");
    print_hex(r->value);
    printf(",\"headers\":[");
    for (size_t i = 0; i < r->header_count; i++) {
        char memory[512];
        struct writer name = writer_of(memory, sizeof memory);
        json_write_string(&name, bytes_of(r->headers[i].name));
        printf("%s[%.*s,", i > 0 ? "," : "", (int)name.size, name.at);
        print_hex(r->headers[i].value);
        printf("]");
    }
    printf("]}\n");
}

int dump_command(int argc, char **argv)
{
    const char *brokers = NULL, *topic = NULL;
    const struct option_row rows[] = {
        {"brokers", OPTION_TEXT, &brokers, "host:port", NULL},
        {"topic", OPTION_TEXT, &topic, "its records as JSON lines, bytes in hex", NULL},
    };
    if (!options_read("dump", rows, countof(rows), argc, argv) || !brokers || !topic)
        return EXIT_USAGE;
    return kafka_read_all(brokers, topic, print_record, NULL) ? EXIT_OK : EXIT_UNAVAILABLE;
}

int lag_command(int argc, char **argv)
{
    const char *brokers = NULL, *prefix = "", *group = "carillon", *topic = NULL;
    const struct option_row rows[] = {
        {"brokers", OPTION_TEXT, &brokers, "host:port", NULL},
        {"prefix", OPTION_TEXT, &prefix, "of the topics' names", NULL},
        {"group", OPTION_TEXT, &group, "default carillon", NULL},
        {"topic", OPTION_TEXT, &topic, "default: the events' two", NULL},
    };
    if (!options_read("lag", rows, countof(rows), argc, argv) || !brokers)
        return EXIT_USAGE;
    char events[64], urgent[64];
    snprintf(events, sizeof events, "%scarillon.events", prefix);
    snprintf(urgent, sizeof urgent, "%scarillon.events.urgent", prefix);
    if (topic) {
        int64_t lag = kafka_lag(brokers, group, topic);
        printf("%" PRId64 "\n", lag);
        return lag < 0 ? EXIT_UNAVAILABLE : EXIT_OK;
    }
    int64_t first = kafka_lag(brokers, group, events);
    int64_t second = kafka_lag(brokers, group, urgent);
    if (first < 0 || second < 0)
        return EXIT_UNAVAILABLE;
    printf("%" PRId64 "\n", first + second);
    return EXIT_OK;
}
