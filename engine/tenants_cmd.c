/* `carillon tenants put|get`: the settings of tenants. All documents of a file are checked
 * before the first is written. */
#include "commands.h"
#include "documents.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"
#include "domain/tenant.h"
#include "domain/zones.h"
#include "state_write.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: carillon tenants put --config FILE SETTINGS\n"
    "       carillon tenants get --config FILE --tenant T\n"
    "\n"
    "  put   writes the tenants of a JSON document, array or JSON lines ('-': standard input)\n"
    "  get   prints the settings in force, as JSON\n"
    "\n"
    "Exit codes: 0 in force, 64 usage, 65 bad settings, 69 Kafka or Redis did not take it,\n"
    "78 bad config.\n";

struct source {
    struct pb_unknown unknown;
    struct tenant_finder finder;
    const char *path;
    uint32_t line;
};

static void warn_unknown(struct pb_unknown *self, const char *field)
{
    const struct source *s = container_of(self, struct source, unknown);
    fprintf(stderr, "%s:%u: warning: %s: unknown field\n", s->path, s->line, field);
}

static void warn_found(struct tenant_finder *self, bool refuse, const char *field, const char *what)
{
    const struct source *s = container_of(self, struct source, finder);
    fprintf(stderr, "%s:%u: %s: %s: %s\n", s->path, s->line, refuse ? "error" : "warning", field,
            what);
}

/* One document; with a writer it is written, else checked. */
static int take(struct source *source, struct bytes document, struct arena arena,
                struct zones *zones, struct state_writer *writer)
{
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    if (pb_from_json(&carillon__v1__tenant__descriptor, document, &arena,
                     writer ? NULL : &source->unknown, &message, &error) != ERR_OK) {
        fprintf(stderr, "%s:%u: error: %s%s%s\n", source->path, source->line, error.path,
                error.path[0] ? ": " : "", error.word ? error.word : "too large");
        return EXIT_DATA;
    }
    const Carillon__V1__Tenant *tenant = (const Carillon__V1__Tenant *)message;
    struct bytes id = bytes_of(tenant->tenant_id);
    if (!state_tenant_fits(id)) {
        fprintf(stderr, "%s:%u: error: tenant_id: 1 to 64 bytes without '/'\n", source->path,
                source->line);
        return EXIT_DATA;
    }
    if (!writer)
        return tenant_check(tenant, zones, &source->finder) ? EXIT_DONE : EXIT_DATA;
    size_t size = protobuf_c_message_get_packed_size(message);
    struct writer wire = writer_of(arena_take(&arena, size + 1), size);
    if (!wire.at || pb_encode(message, &wire) != ERR_OK || wire.overflow) {
        fprintf(stderr, "%s:%u: error: too large\n", source->path, source->line);
        return EXIT_DATA;
    }
    return state_write(writer, id, writer_bytes(&wire)) ? EXIT_DONE : EXIT_AWAY;
}

/* Walks the file; the first that cannot be written ends it, all that are bad are told. */
static int walk(const char *path, struct bytes all, struct zones *zones,
                struct state_writer *writer)
{
    struct documents documents;
    struct bytes document;
    struct json_place place;
    const char *error;
    enum documents_step step;
    int result = EXIT_DONE;
    char *memory = malloc(3 * STATE_WIRE_MAX);
    CHECK(memory);
    documents_init(&documents, all);
    while ((step = documents_next(&documents, &document, &place, &error)) != DOCUMENTS_END &&
           result != EXIT_AWAY) {
        if (step == DOCUMENTS_BROKEN) {
            fprintf(stderr, "%s:%u:%u: error: not JSON: %s\n", path, place.line, place.column,
                    error);
            result = EXIT_DATA;
            continue;
        }
        struct source source = {
            {warn_unknown}, {warn_found}, path, documents_line(&documents, document)};
        struct arena arena = arena_of(memory, 3 * STATE_WIRE_MAX);
        int one = take(&source, document, arena, zones, writer);
        result = one != EXIT_DONE ? one : result;
    }
    free(memory);
    return result;
}

static int put(const struct config *config, const char *path)
{
    struct bytes all;
    if (documents_read(path, &all) != ERR_OK) {
        fprintf(stderr, "%s: error: %s\n", path, strerror(errno));
        return EXIT_DATA;
    }
    struct zones *zones = zones_open();
    int result = walk(path, all, zones, NULL);
    if (zones)
        zones_close(zones);
    struct state_writer *writer = NULL;
    if (result == EXIT_DONE) {
        writer = state_writer_open(config, TOPIC_TENANTS);
        result = writer ? walk(path, all, NULL, writer) : EXIT_AWAY;
    }
    if (writer)
        state_writer_close(writer);
    documents_free(&all);
    return result;
}

static bool print_tenant(struct bytes value)
{
    size_t room = 8 * STATE_WIRE_MAX;
    char *memory = malloc(room);
    CHECK(memory);
    struct arena arena = arena_of(memory, room);
    struct writer wire = writer_of(arena_take(&arena, value.size + 1), value.size);
    struct writer text = writer_of(arena_take(&arena, room / 2), room / 2);
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    bool good = wire.at && text.at && state_document(value, &wire) == ERR_OK &&
                pb_decode(&carillon__v1__tenant__descriptor, writer_bytes(&wire), &arena, &message,
                          &error) == ERR_OK;
    if (good && wire.size > 0) {
        pb_to_json(message, &text);
        good = !text.overflow;
    }
    if (good && wire.size == 0)
        fputs("no settings: the defaults hold\n", stderr);
    else if (good)
        printf("%.*s\n", (int)text.size, text.at);
    else
        fputs("the settings in Redis are damaged\n", stderr);
    free(memory);
    return good;
}

static int get(const struct config *config, const char *tenant)
{
    char key[STATE_KEY_SIZE];
    struct bytes value;
    struct state_writer *writer = state_writer_open(config, TOPIC_TENANTS);
    if (!writer)
        return EXIT_AWAY;
    state_tenant_key(bytes_of(tenant), key);
    bool good =
        state_writer_read(writer, (struct bytes){key, sizeof key}, &value) && print_tenant(value);
    state_writer_close(writer);
    return good ? EXIT_DONE : EXIT_AWAY;
}

int tenants_main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"tenant", required_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = NULL, *tenant = NULL;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c') {
            path = optarg;
        } else if (c == 't') {
            tenant = optarg;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? EXIT_DONE : EXIT_USAGE;
        }
    }
    int left = argc - optind;
    bool puts_file = left == 2 && strcmp(argv[optind], "put") == 0 && !tenant;
    bool gets_one = left == 1 && strcmp(argv[optind], "get") == 0 && tenant;
    if (!path || (!puts_file && !gets_one)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    struct findings findings = {0};
    struct config *config = config_load(path, environ, &findings);
    if (!config) /* `check` tells warnings */
        findings_print(&findings, stderr);
    findings_free(&findings);
    int exit_code = EXIT_CONFIG;
    if (config)
        exit_code = puts_file ? put(config, argv[optind + 1]) : get(config, tenant);
    config_free(config);
    return exit_code;
}
