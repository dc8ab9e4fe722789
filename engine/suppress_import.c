/* `carillon suppress import`: documents of recipients, each fact of which becomes a record,
 * many under way at once. Classes are added to those that are unsubscribed already, so that
 * no list brings anyone back; what is known comes from Redis, and from what the topic has
 * beyond. A batch is in force before the next one begins: that is where to go on from. */
#include "base/clock.h"
#include "command.h"
#include "commands.h"
#include "domain/address.h"
#include "domain/state_key.h"
#include "recipient_file.h"
#include "state_scan.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
    DOCUMENTS_MAX = 2048, /* of a batch */
    ASPECTS = 8,
    POSTS_OF_ONE = 2 * ASPECTS, /* of a document that speaks of an address and a customer */
    DOCUMENT_ROOM = 256 * 1024,
    BATCH_ROOM = 16 * 1024 * 1024,
    CLASSES_MAX = CARILLON__V1__CLASS__CLASS_ALERT + 1,
    CLASSES_WIRE = 2 + CLASSES_MAX, /* tag, size, one byte each */
};

static const char usage[] =
    "usage: carillon suppress import --config FILE [--from-line N] RECIPIENTS\n"
    "\n"
    "Writes what a file says of recipients ('-': standard input): JSON lines, or CSV whose\n"
    "header names fields of the contract:\n"
    "  tenant_id,address,customer_id,opted_out,unsubscribed_classes,blocked,consent_attested,\n"
    "  marketing_consent,reply_allowed,last_channel,line_type,updated_at,source\n"
    "An empty cell says nothing; classes are parted by ';' and added to those known. Lines\n"
    "that are wrong are told and passed over.\n"
    "\n"
    "  --from-line N  pass over what stands before: to go on where an import stopped\n"
    "\n"
    "Exit codes: 0 in force, 64 usage, 65 some lines are wrong (the others are in force),\n"
    "69 Kafka or Redis did not take it, 78 bad config.\n";

struct classes { /* of one subject, to be joined with what is known */
    struct bytes key;
    char redis_key[STATE_KEY_SIZE];
    char *wire; /* all but the classes, and room for them */
    size_t size;
    uint32_t set; /* bit per class */
};

struct import {
    const struct config *config;
    const char *path;
    struct state_writer *writer;
    struct latest unsubscribed; /* what Redis may lack */
    bool scanned;
    struct arena arena; /* keys and values of the batch */
    struct classes classes[2 * DOCUMENTS_MAX];
    uint32_t class_count, document_count; /* of the batch */
    uint32_t next_line;                   /* all before it is in force, or was told */
    uint64_t written, bad, facts;
    uint64_t begun_ns;
    struct progress progress;
};

static bool is_unsubscribe(void *context, struct bytes key)
{
    struct state_subject is;
    (void)context;
    return state_parse_recipient(key, &is) && bytes_equal(is.aspect, BYTES("unsubscribe"));
}

static uint32_t set_of(struct bytes wire)
{
    char memory[16 * 1024];
    struct arena arena = arena_of(memory, sizeof memory);
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    uint32_t set = 0;
    if (pb_decode(&carillon__v1__recipient_state__descriptor, wire, &arena, &message, &error) !=
        ERR_OK)
        return 0;
    const Carillon__V1__RecipientState *state = (const Carillon__V1__RecipientState *)message;
    for (size_t i = 0; i < state->n_unsubscribed_classes; i++)
        if ((unsigned)state->unsubscribed_classes[i] < CLASSES_MAX)
            set |= 1u << state->unsubscribed_classes[i];
    return set;
}

/* A reply of Redis for classes[index]: what is known of the subject joins it, unless the
 * topic has something newer. */
static void join_known(void *context, uint32_t index, struct bytes value)
{
    struct import *m = context;
    struct classes *c = &m->classes[index];
    const struct latest_row *row = latest_find(&m->unsubscribed, c->key);
    struct state_piece piece;
    uint32_t known = 0;
    int64_t offset = -1;
    while (state_next(&value, &piece))
        if (bytes_equal(piece.aspect, BYTES("unsubscribe"))) {
            known = set_of(piece.wire);
            offset = piece.offset;
        }
    if (row && row->offset > offset) {
        char memory[16 * 1024];
        struct arena arena = arena_of(memory, sizeof memory);
        struct state_record record = {
            .topic = TOPIC_SUPPRESSIONS, .key = row->key, .value = row->value};
        struct bytes wire = {0};
        const char *why;
        if (state_wire(&record, &arena, &wire, &why) == ERR_OK)
            known = wire.size > 0 ? set_of(wire) : 0;
    }
    c->set |= known;
}

static void post_classes(struct import *m, uint32_t index)
{
    struct classes *c = &m->classes[index];
    for (uint32_t i = 0; i < index; i++) /* an earlier line of the batch */
        if (memcmp(m->classes[i].redis_key, c->redis_key, sizeof c->redis_key) == 0)
            c->set |= m->classes[i].set;
    char *count = &c->wire[c->size + 1];
    c->wire[c->size] = 5 << 3 | 2; /* unsubscribed_classes, packed */
    *count = 0;
    for (int i = 0; i < CLASSES_MAX; i++)
        if (c->set & 1u << i)
            c->wire[c->size + 2 + (size_t)(*count)++] = (char)i;
    state_post(m->writer, c->key, (struct bytes){c->wire, c->size + 2 + (size_t)*count});
}

/* The batch is in force; the exit code. */
static int flush(struct import *m)
{
    struct bytes keys[2 * DOCUMENTS_MAX];
    int exit_code = EXIT_DONE;
    if (m->class_count > 0 && !m->scanned) {
        exit_code = state_scan(&(struct state_scan){.config = m->config,
                                                    .topic = TOPIC_SUPPRESSIONS,
                                                    .writer = m->writer,
                                                    .wants = is_unsubscribe},
                               &m->unsubscribed);
        m->scanned = true;
    }
    for (uint32_t i = 0; i < m->class_count; i++)
        keys[i] = (struct bytes){m->classes[i].redis_key, STATE_KEY_SIZE};
    if (exit_code == EXIT_DONE && m->class_count > 0 &&
        !state_writer_read_all(m->writer, keys, m->class_count, join_known, m))
        exit_code = EXIT_AWAY;
    for (uint32_t i = 0; i < m->class_count && exit_code == EXIT_DONE; i++)
        post_classes(m, i);
    if (exit_code == EXIT_DONE && !state_flush(m->writer))
        exit_code = EXIT_AWAY;
    if (exit_code != EXIT_DONE)
        return exit_code;
    m->written += m->document_count;
    m->class_count = m->document_count = 0;
    arena_reset(&m->arena);
    return EXIT_DONE;
}

/* A fact of one subject, with what every fact says. */
static void add_fact(struct import *m, const Carillon__V1__RecipientState *fact,
                     const char *subject, const char *aspect)
{
    struct bytes tenant = bytes_of(fact->tenant_id);
    size_t size = protobuf_c_message_get_packed_size(&fact->base);
    size_t key_max = tenant.size + strlen(subject) + strlen(aspect) + 3; /* and a NUL */
    struct writer key = writer_of(arena_take(&m->arena, key_max), key_max);
    struct writer wire = writer_of(arena_take(&m->arena, size + CLASSES_WIRE), size);
    CHECK(key.at && wire.at);
    write_format(&key, "%s/%s/%s", fact->tenant_id, subject, aspect);
    enum err err = pb_encode(&fact->base, &wire);
    CHECK(err == ERR_OK && !wire.overflow && !key.overflow);
    m->facts++;
    if (strcmp(aspect, "unsubscribe") != 0) {
        state_post(m->writer, writer_bytes(&key), writer_bytes(&wire));
        return;
    }
    struct classes *c = &m->classes[m->class_count++];
    *c = (struct classes){.key = writer_bytes(&key), .wire = wire.at, .size = wire.size};
    state_recipient_key(tenant, bytes_of(subject), c->redis_key);
}

/* One record per fact, so that facts of others stay as they are. */
static void add_facts(struct import *m, const Carillon__V1__RecipientState *all,
                      const Carillon__V1__RecipientState *plain, const char *subject)
{
#define FACT(aspect, field)                         \
    if (all->has_##field) {                         \
        Carillon__V1__RecipientState fact = *plain; \
        fact.has_##field = true;                    \
        fact.field = all->field;                    \
        add_fact(m, &fact, subject, aspect);        \
    }
    FACT("opt_out", opted_out)
    FACT("block", blocked)
    FACT("consent", consent_attested)
    FACT("marketing", marketing_consent)
    FACT("reply", reply_allowed)
    FACT("channel", last_channel)
    FACT("line", line_type)
#undef FACT
    if (all->n_unsubscribed_classes == 0)
        return;
    add_fact(m, plain, subject, "unsubscribe");
    for (size_t i = 0; i < all->n_unsubscribed_classes; i++)
        m->classes[m->class_count - 1].set |= 1u << all->unsubscribed_classes[i];
}

/* NULL: the document can be written. */
static const char *judge_document(const Carillon__V1__RecipientState *d)
{
    struct bytes address = bytes_of(d->address), customer = bytes_of(d->customer_id);
    bool number = address_number_valid(address), email = address_email_valid(address);
    if (!state_tenant_fits(bytes_of(d->tenant_id)))
        return "tenant_id: 1 to 64 bytes without '/'";
    if (address.size == 0 && customer.size == 0)
        return "address and customer_id are both missing";
    if (address.size > 0 && !number && !email)
        return "address: neither a number like +33612345678 nor an e-mail address";
    if (customer.size > 64)
        return "customer_id: at most 64 bytes";
    if (d->opted_out && !number)
        return "opted_out is about a number";
    if (d->n_unsubscribed_classes > 0 && !email)
        return "unsubscribed_classes are about an e-mail address";
    if (!d->has_opted_out && !d->has_blocked && !d->has_consent_attested &&
        !d->has_marketing_consent && !d->has_reply_allowed && !d->has_last_channel &&
        !d->has_line_type && d->n_unsubscribed_classes == 0)
        return "it says nothing of the recipient";
    return NULL;
}

static void add_document(struct import *m, const Carillon__V1__RecipientState *d)
{
    char memory[2 * ADDRESS_EMAIL_MAX], text[ADDRESS_EMAIL_MAX + 2];
    struct arena arena = arena_of(memory, sizeof memory);
    int64_t now_ms = clock_wall_ms();
    Google__Protobuf__Timestamp now = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Carillon__V1__RecipientState plain = CARILLON__V1__RECIPIENT_STATE__INIT;
    now.seconds = now_ms / 1000;
    now.nanos = (int32_t)(now_ms % 1000) * 1000000;
    plain.tenant_id = d->tenant_id;
    plain.updated_at = d->updated_at ? d->updated_at : &now;
    plain.source = d->source ? d->source : (char *)(uintptr_t) "import";
    if (d->address && *d->address) {
        struct bytes subject = bytes_of(d->address);
        if (address_email_valid(subject))
            subject = address_email_normal(subject, &arena);
        snprintf(text, sizeof text, "%.*s", (int)subject.size, subject.at);
        plain.address = text;
        add_facts(m, d, &plain, text);
        plain.address = NULL;
    }
    if (d->customer_id && *d->customer_id) {
        plain.customer_id = d->customer_id;
        add_facts(m, d, &plain, d->customer_id);
    }
    m->document_count++;
}

static void show(struct import *m, uint32_t line)
{
    double seconds = (double)(clock_mono_ns() - m->begun_ns) / (double)NS_PER_S;
    progress_show(&m->progress, "line %u: %" PRIu64 " documents in force, %.0f a second", line,
                  m->written, (double)m->written / (seconds > 0 ? seconds : 1));
}

static bool batch_full(const struct import *m)
{
    return m->document_count == DOCUMENTS_MAX ||
           state_posts_room(m->writer) - m->class_count < 2 * POSTS_OF_ONE ||
           m->arena.max - m->arena.used < POSTS_OF_ONE * (DOCUMENT_ROOM + 1024);
}

/* The exit code, but for bad lines. */
static int read_all(struct import *m, struct recipient_file *file, uint32_t from_line)
{
    struct recipient_found found = {.line = from_line};
    struct arena arena = arena_of(malloc(DOCUMENT_ROOM), DOCUMENT_ROOM);
    enum recipient_step step;
    int exit_code = EXIT_DONE;
    CHECK(arena.at);
    while (exit_code == EXIT_DONE && !command_interrupted() &&
           (step = recipient_file_next(file, from_line, &arena, &found)) != RECIPIENT_END) {
        const char *wrong = step == RECIPIENT_BAD ? found.what : judge_document(found.state);
        m->next_line = m->document_count == 0 ? found.line : m->next_line;
        if (wrong) {
            progress_end(&m->progress);
            fprintf(stderr, "%s:%u: error: %s\n", m->path, found.line, wrong);
            m->bad++;
            continue;
        }
        add_document(m, found.state);
        if (batch_full(m))
            exit_code = flush(m);
        show(m, found.line);
    }
    if (exit_code == EXIT_DONE && m->document_count > 0)
        exit_code = flush(m);
    if (exit_code == EXIT_DONE)
        m->next_line = found.line + 1;
    free(arena.at);
    return exit_code;
}

static int import_all(struct import *m, struct bytes all, uint32_t from_line)
{
    struct recipient_file file;
    char what[200];
    char *memory = malloc(DOCUMENT_ROOM);
    CHECK(memory);
    struct arena arena = arena_of(memory, DOCUMENT_ROOM);
    bool header = recipient_file_init(&file, all, &arena, what);
    free(memory); /* columns are known by their descriptors */
    if (!header) {
        fprintf(stderr, "%s:1: error: %s\n", m->path, what);
        return EXIT_DATA;
    }
    m->writer = state_writer_open(m->config, TOPIC_SUPPRESSIONS);
    if (!m->writer)
        return EXIT_AWAY;
    command_hold_interrupts();
    m->begun_ns = clock_mono_ns();
    int exit_code = read_all(m, &file, from_line);
    progress_end(&m->progress);
    fprintf(stderr, "%" PRIu64 " documents in force, %" PRIu64 " wrong\n", m->written, m->bad);
    if (exit_code != EXIT_DONE || command_interrupted()) {
        fprintf(stderr, "stopped at line %u: go on with --from-line %u\n", m->next_line,
                m->next_line);
        exit_code = EXIT_AWAY;
    }
    state_writer_close(m->writer);
    return exit_code != EXIT_DONE ? exit_code : m->bad > 0 ? EXIT_DATA : EXIT_DONE;
}

static int import(const char *config_path, const char *path, uint32_t from_line)
{
    struct bytes all;
    if (documents_read(path, &all) != ERR_OK) {
        fprintf(stderr, "%s: error: %s\n", path, strerror(errno));
        return EXIT_DATA;
    }
    struct import *m = calloc(1, sizeof *m);
    char *memory = malloc(BATCH_ROOM);
    CHECK(m && memory);
    m->config = command_config(config_path);
    m->path = path;
    m->arena = arena_of(memory, BATCH_ROOM);
    int exit_code = m->config ? import_all(m, all, from_line) : EXIT_CONFIG;
    config_free((struct config *)(uintptr_t)m->config);
    latest_free(&m->unsubscribed);
    free(memory);
    free(m);
    documents_free(&all);
    return exit_code;
}

int suppress_import_main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"from-line", required_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = NULL;
    uint64_t from_line = 0;
    bool good = true;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c')
            path = optarg;
        else if (c == 'f')
            good &= json_u64(bytes_of(optarg), &from_line) == ERR_OK && from_line <= UINT32_MAX;
        else if (c == 'h')
            return fputs(usage, stdout), EXIT_DONE;
        else
            good = false;
    }
    if (!good || !path || optind + 1 != argc) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return import(path, argv[optind], (uint32_t)from_line);
}
