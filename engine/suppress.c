/* `carillon suppress add|remove`: what must not be sent to whom. One record per fact, so
 * that facts of other writers stay as they are. */
#include "base/clock.h"
#include "carillon/v1/state.pb-c.h"
#include "commands.h"
#include "domain/address.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"
#include "state_scan.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CLASSES_MAX = CARILLON__V1__CLASS__CLASS_ALERT + 1,
    KEY_MAX = 64 + 1 + 260 + 16,
    SCAN_MEMORY = 256 * 1024
};

static const char usage[] =
    "usage: carillon suppress add|remove --config FILE --tenant T (--address A | --customer ID)\n"
    "                         [--opted-out] [--blocked] [--class K]... [--reason TEXT]\n"
    "       carillon suppress list --config FILE --tenant T [--address A | --customer ID]\n"
    "       carillon suppress import --config FILE [--from-line N] RECIPIENTS\n"
    "\n"
    "  --address A   a number (+33612345678) or an e-mail address\n"
    "  --customer ID a customer of the tenant\n"
    "  --opted-out   no sms to the number any more (STOP)\n"
    "  --blocked     nothing to the address or customer; with tenant '*': on the whole platform\n"
    "  --class K     no e-mails of the class (marketing, reminder ...) to the address\n"
    "  without any:  --opted-out for a number, all classes for an e-mail, --blocked for a "
    "customer\n"
    "  --reason TEXT kept with it\n"
    "\n"
    "Exit codes: 0 in force, 64 usage, 69 Kafka or Redis did not take it, 78 bad config.\n";

struct wishes {
    bool remove, opted_out, blocked, help;
    const char *config, *tenant, *address, *customer, *reason;
    bool classes[CLASSES_MAX];
    uint32_t class_count;
};

static bool add_class(struct wishes *out, const char *name)
{
    int value = 0;
    if (pb_enum_of(&carillon__v1__class__descriptor, bytes_of(name), &value) != ERR_OK ||
        value <= 0 || value >= CLASSES_MAX) {
        fprintf(stderr, "carillon suppress: no class '%s'\n", name);
        return false;
    }
    out->class_count += !out->classes[value];
    out->classes[value] = true;
    return true;
}

static bool read_options(int argc, char **argv, struct wishes *out)
{
    enum { CONFIG = 1, TENANT, ADDRESS, CUSTOMER, OPTED_OUT, BLOCKED, CLASS, REASON, HELP };
    static const struct option options[] = {{"config", required_argument, NULL, CONFIG},
                                            {"tenant", required_argument, NULL, TENANT},
                                            {"address", required_argument, NULL, ADDRESS},
                                            {"customer", required_argument, NULL, CUSTOMER},
                                            {"opted-out", no_argument, NULL, OPTED_OUT},
                                            {"blocked", no_argument, NULL, BLOCKED},
                                            {"class", required_argument, NULL, CLASS},
                                            {"reason", required_argument, NULL, REASON},
                                            {"help", no_argument, NULL, HELP},
                                            {0}};
    const char **texts[] = {[CONFIG] = &out->config,
                            [TENANT] = &out->tenant,
                            [ADDRESS] = &out->address,
                            [CUSTOMER] = &out->customer,
                            [REASON] = &out->reason};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == OPTED_OUT)
            out->opted_out = true;
        else if (c == BLOCKED)
            out->blocked = true;
        else if (c == HELP)
            out->help = true;
        else if (c == CLASS && !add_class(out, optarg))
            return false;
        else if (c == '?')
            return false;
        else if (c != CLASS)
            *texts[c] = optarg;
    }
    const char *verb = optind + 1 == argc ? argv[optind] : "";
    out->remove = strcmp(verb, "remove") == 0;
    return out->help || out->remove || strcmp(verb, "add") == 0;
}

/* Who is meant, and by default what. NULL: good. */
static const char *judge(struct wishes *w)
{
    struct bytes address = bytes_of(w->address);
    bool number = address_number_valid(address), email = address_email_valid(address);
    if (!w->config || !w->tenant || !w->address == !w->customer)
        return "--config, --tenant and one of --address and --customer are needed";
    if (!state_tenant_fits(bytes_of(w->tenant)))
        return "the tenant's id is no id (1 to 64 bytes, no '/')";
    if (w->address && !number && !email)
        return "the address is neither a number like +33612345678 nor an e-mail address";
    if (w->customer && (!w->customer[0] || strlen(w->customer) > 64))
        return "the customer's id is no id (1 to 64 bytes)";
    if (!w->opted_out && !w->blocked && w->class_count == 0) {
        w->opted_out = number;
        w->blocked = w->customer != NULL;
        for (int i = 1; email && i < CLASSES_MAX; i++, w->class_count++)
            w->classes[i] = true;
    }
    if (w->opted_out && !number)
        return "--opted-out is about a number";
    if (w->class_count > 0 && !email)
        return "--class is about an e-mail address";
    return NULL;
}

struct fact {
    Carillon__V1__RecipientState state;
    Google__Protobuf__Timestamp updated_at;
    Carillon__V1__Class classes[CLASSES_MAX];
};

static void fact_init(struct fact *fact, const struct wishes *w, struct bytes subject)
{
    int64_t now_ms = clock_wall_ms();
    *fact = (struct fact){.state = CARILLON__V1__RECIPIENT_STATE__INIT,
                          .updated_at = GOOGLE__PROTOBUF__TIMESTAMP__INIT};
    fact->updated_at.seconds = now_ms / 1000;
    fact->updated_at.nanos = (int32_t)(now_ms % 1000) * 1000000;
    fact->state.tenant_id = (char *)(uintptr_t)w->tenant;
    if (w->customer)
        fact->state.customer_id = (char *)(uintptr_t)subject.at;
    else
        fact->state.address = (char *)(uintptr_t)subject.at;
    fact->state.updated_at = &fact->updated_at;
    fact->state.source = (char *)(uintptr_t)(w->reason ? w->reason : "operator");
}

static void write_key(struct writer *key, const struct wishes *w, struct bytes subject,
                      const char *aspect)
{
    write_text(key, w->tenant);
    write_char(key, '/');
    write_slice(key, subject);
    write_char(key, '/');
    write_text(key, aspect);
    CHECK(!key->overflow);
}

static bool write_fact(struct state_writer *writer, const struct wishes *w, struct bytes subject,
                       const char *aspect, const struct fact *fact)
{
    char key_text[KEY_MAX];
    struct writer key = writer_of(key_text, sizeof key_text);
    write_key(&key, w, subject, aspect);
    if (!fact)
        return state_write(writer, writer_bytes(&key), (struct bytes){0});
    size_t size = protobuf_c_message_get_packed_size(&fact->state.base);
    uint8_t *wire = malloc(size + 1);
    CHECK(wire);
    protobuf_c_message_pack(&fact->state.base, wire);
    bool good = state_write(writer, writer_bytes(&key), (struct bytes){(const char *)wire, size});
    free(wire);
    return good;
}

static void add_classes(struct bytes wire, bool classes[CLASSES_MAX])
{
    Carillon__V1__RecipientState *known =
        carillon__v1__recipient_state__unpack(NULL, wire.size, (const uint8_t *)wire.at);
    for (size_t i = 0; known && i < known->n_unsubscribed_classes; i++)
        if ((unsigned)known->unsubscribed_classes[i] < CLASSES_MAX)
            classes[known->unsubscribed_classes[i]] = true;
    if (known)
        carillon__v1__recipient_state__free_unpacked(known, NULL);
}

/* What Redis says of them; how far it has the topic is told with it. */
static bool read_redis(struct state_writer *writer, const struct wishes *w, struct bytes subject,
                       bool classes[CLASSES_MAX])
{
    char key[STATE_KEY_SIZE];
    struct bytes value;
    struct state_piece piece;
    state_recipient_key(bytes_of(w->tenant), subject, key);
    if (!state_writer_read(writer, (struct bytes){key, sizeof key}, &value))
        return false;
    while (state_next(&value, &piece))
        if (bytes_equal(piece.aspect, BYTES("unsubscribe")))
            add_classes(piece.wire, classes);
    return true;
}

/* The classes that are unsubscribed already; other writers may have added some. The topic is
 * the truth: what Redis is not known to have of it is read there. */
static int read_classes(const struct config *config, struct state_writer *writer,
                        const struct wishes *w, struct bytes subject, bool classes[CLASSES_MAX])
{
    char text[KEY_MAX], *memory;
    struct latest latest = {0};
    struct writer key = writer_of(text, sizeof text);
    struct bytes wire = {0};
    const char *why;
    write_key(&key, w, subject, "unsubscribe");
    int exit_code = state_scan(&(struct state_scan){.config = config,
                                                    .topic = TOPIC_SUPPRESSIONS,
                                                    .key = writer_bytes(&key),
                                                    .writer = writer},
                               &latest);
    const struct latest_row *row = latest_find(&latest, writer_bytes(&key));
    if (exit_code == EXIT_DONE && !row && !read_redis(writer, w, subject, classes))
        exit_code = EXIT_AWAY;
    if (row && row->value.at) {
        const struct state_record record = {
            .topic = TOPIC_SUPPRESSIONS, .key = row->key, .value = row->value};
        memory = malloc(SCAN_MEMORY);
        CHECK(memory);
        struct arena arena = arena_of(memory, SCAN_MEMORY);
        if (state_wire(&record, &arena, &wire, &why) == ERR_OK)
            add_classes(wire, classes);
        free(memory);
    }
    latest_free(&latest);
    return exit_code;
}

static bool write_classes(const struct config *config, struct state_writer *writer,
                          const struct wishes *w, struct bytes subject)
{
    struct fact fact;
    bool classes[CLASSES_MAX] = {false};
    fact_init(&fact, w, subject);
    if (read_classes(config, writer, w, subject, classes) != EXIT_DONE)
        return false;
    for (int i = 1; i < CLASSES_MAX; i++)
        if (w->classes[i] ? !w->remove : classes[i])
            fact.classes[fact.state.n_unsubscribed_classes++] = (Carillon__V1__Class)i;
    fact.state.unsubscribed_classes = fact.classes;
    bool none = fact.state.n_unsubscribed_classes == 0;
    return write_fact(writer, w, subject, "unsubscribe", none ? NULL : &fact);
}

static bool write_all(const struct config *config, const struct wishes *w, struct bytes subject)
{
    struct fact fact;
    struct state_writer *writer = state_writer_open(config, TOPIC_SUPPRESSIONS);
    if (!writer)
        return false;
    bool good = true;
    if (w->opted_out) {
        fact_init(&fact, w, subject);
        fact.state.has_opted_out = fact.state.opted_out = true;
        good = write_fact(writer, w, subject, "opt_out", w->remove ? NULL : &fact);
    }
    if (w->blocked && good) {
        fact_init(&fact, w, subject);
        fact.state.has_blocked = fact.state.blocked = true;
        good = write_fact(writer, w, subject, "block", w->remove ? NULL : &fact);
    }
    if (w->class_count > 0 && good)
        good = write_classes(config, writer, w, subject);
    state_writer_close(writer);
    return good;
}

int suppress_main(int argc, char **argv)
{
    struct wishes w = {0};
    if (argc > 1 && strcmp(argv[1], "list") == 0)
        return suppress_list_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "import") == 0)
        return suppress_import_main(argc - 1, argv + 1);
    bool read = read_options(argc, argv, &w);
    const char *wrong = read && !w.help ? judge(&w) : NULL;
    if (wrong)
        fprintf(stderr, "carillon suppress: %s\n", wrong);
    if (!read || w.help || wrong) {
        fputs(usage, w.help ? stdout : stderr);
        return w.help ? EXIT_DONE : EXIT_USAGE;
    }
    char text[ADDRESS_EMAIL_MAX + 2], memory[2 * ADDRESS_EMAIL_MAX];
    struct arena arena = arena_of(memory, sizeof memory);
    struct bytes subject = bytes_of(w.customer ? w.customer : w.address);
    if (w.address && address_email_valid(subject))
        subject = address_email_normal(subject, &arena);
    snprintf(text, sizeof text, "%.*s", (int)subject.size, subject.at);

    struct findings findings = {0};
    struct config *config = config_load(w.config, environ, &findings);
    if (!config) /* `check` tells warnings */
        findings_print(&findings, stderr);
    findings_free(&findings);
    int exit_code = EXIT_CONFIG;
    if (config)
        exit_code = write_all(config, &w, bytes_of(text)) ? EXIT_DONE : EXIT_AWAY;
    config_free(config);
    return exit_code;
}
