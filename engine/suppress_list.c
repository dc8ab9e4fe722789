/* `carillon suppress list`: what the topic, which is the truth, says about a tenant's
 * recipients, as documents that `explain --recipients` and `suppress import` take. */
#include "carillon/v1/state.pb-c.h"
#include "command.h"
#include "commands.h"
#include "domain/address.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"
#include "state_scan.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 256 * 1024 };

static const char usage[] =
    "usage: carillon suppress list --config FILE --tenant T [--address A | --customer ID]\n"
    "\n"
    "Prints what is known of the tenant's recipients, or of one: a JSON document a line.\n"
    "\n"
    "Exit codes: 0 done, 64 usage, 69 Kafka does not answer, 78 bad config.\n";

struct wanted {
    struct bytes tenant, subject; /* subject of size 0: all */
};

static bool wants(void *context, struct bytes key)
{
    const struct wanted *wanted = context;
    struct state_subject is;
    return state_parse_recipient(key, &is) && bytes_equal(is.tenant, wanted->tenant) &&
           (wanted->subject.size == 0 || bytes_equal(is.subject, wanted->subject));
}

static int compare(const void *left, const void *right)
{
    const struct latest_row *a = left, *b = right;
    int order = memcmp(a->key.at, b->key.at, u64_min(a->key.size, b->key.size));
    return order ? order : (a->key.size > b->key.size) - (a->key.size < b->key.size);
}

static struct bytes subject_of(const struct latest_row *row)
{
    struct state_subject is;
    return state_parse_recipient(row->key, &is) ? is.subject : (struct bytes){0};
}

/* Adds a fact to the document in the making; the newest says when and by whom. */
static void add_fact(const struct latest_row *row, struct arena *arena, struct writer *wire,
                     const Carillon__V1__RecipientState **newest)
{
    struct state_record record = {
        .topic = TOPIC_SUPPRESSIONS, .key = row->key, .value = row->value};
    struct bytes piece;
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    const char *why;
    if (!row->value.at)
        return;
    if (state_wire(&record, arena, &piece, &why) != ERR_OK ||
        pb_decode(&carillon__v1__recipient_state__descriptor, piece, arena, &message, &error) !=
            ERR_OK) {
        fprintf(stderr, "record %.*s says nothing: it cannot be read\n", (int)row->key.size,
                row->key.at);
        return;
    }
    const Carillon__V1__RecipientState *fact = (const Carillon__V1__RecipientState *)message;
    write_slice(wire, piece);
    int64_t ms = fact->updated_at ? pb_time_ms(fact->updated_at) : 0;
    int64_t newest_ms = *newest && (*newest)->updated_at ? pb_time_ms((*newest)->updated_at) : 0;
    if (!*newest || ms >= newest_ms)
        *newest = fact;
}

/* The document of rows[0..count), which are of one subject. */
static void print_document(const struct latest_row *rows, uint32_t count, char *memory)
{
    struct arena arena = arena_of(memory, 3 * ROOM);
    struct writer wire = writer_of(arena_take(&arena, ROOM / 2), ROOM / 2);
    struct writer text = writer_of(arena_take(&arena, ROOM), ROOM);
    const Carillon__V1__RecipientState *newest = NULL;
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    for (uint32_t i = 0; i < count; i++)
        add_fact(&rows[i], &arena, &wire, &newest);
    if (wire.size == 0)
        return;
    bool good =
        !wire.overflow && pb_decode(&carillon__v1__recipient_state__descriptor, writer_bytes(&wire),
                                    &arena, &message, &error) == ERR_OK;
    if (good) {
        Carillon__V1__RecipientState *state = (Carillon__V1__RecipientState *)message;
        state->updated_at = newest->updated_at;
        state->source = newest->source;
        pb_to_json(message, &text);
    }
    if (good && !text.overflow)
        printf("%.*s\n", (int)text.size, text.at);
    else
        fprintf(stderr, "document %.*s is too large\n", (int)rows->key.size, rows->key.at);
}

static int list(const struct config *config, struct wanted *wanted)
{
    struct latest latest = {0};
    int exit_code = state_scan(
        &(struct state_scan){
            .config = config, .topic = TOPIC_SUPPRESSIONS, .wants = wants, .context = wanted},
        &latest);
    char *memory = malloc(3 * ROOM);
    CHECK(memory);
    if (latest.count > 0)
        qsort(latest.rows, latest.count, sizeof latest.rows[0], compare);
    for (uint32_t from = 0, to; exit_code == EXIT_DONE && from < latest.count; from = to) {
        struct bytes subject = subject_of(&latest.rows[from]);
        for (to = from + 1; to < latest.count; to++)
            if (!bytes_equal(subject_of(&latest.rows[to]), subject))
                break;
        print_document(&latest.rows[from], to - from, memory);
    }
    free(memory);
    latest_free(&latest);
    return exit_code;
}

int suppress_list_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},  {"tenant", required_argument, NULL, 't'},
        {"address", required_argument, NULL, 'a'}, {"customer", required_argument, NULL, 'u'},
        {"help", no_argument, NULL, 'h'},          {0}};
    const char *path = NULL, *tenant = NULL, *address = NULL, *customer = NULL;
    bool good = true;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const char **text = c == 'c'   ? &path
                            : c == 't' ? &tenant
                            : c == 'a' ? &address
                            : c == 'u' ? &customer
                                       : NULL;
        if (text)
            *text = optarg;
        else if (c == 'h')
            return fputs(usage, stdout), EXIT_DONE;
        else
            good = false;
    }
    if (!good || optind != argc || !path || !tenant || !*tenant || (address && customer)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    char memory[2 * ADDRESS_EMAIL_MAX];
    struct arena arena = arena_of(memory, sizeof memory);
    struct wanted wanted = {bytes_of(tenant), bytes_of(address ? address : customer)};
    if (address && address_email_valid(wanted.subject))
        wanted.subject = address_email_normal(wanted.subject, &arena);
    struct config *config = command_config(path);
    int exit_code = config ? list(config, &wanted) : EXIT_CONFIG;
    config_free(config);
    return exit_code;
}
