/* `carillon bookings cancel|confirm|revise`: what stands of a booking. A record says all of
 * it, so what is known is read first: from Redis, and from what the topic has beyond. */
#include "base/clock.h"
#include "carillon/v1/state.pb-c.h"
#include "command.h"
#include "commands.h"
#include "domain/json.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"
#include "state_scan.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BOOKING_MAX = 64, KEY_MAX = 64 + 1 + BOOKING_MAX + 1, WIRE_MAX = 1024, ROOM = 64 * 1024 };

static const char usage[] =
    "usage: carillon bookings cancel|confirm|revise --config FILE --tenant T --booking B\n"
    "                         [--revision N]\n"
    "\n"
    "  cancel    nothing about the booking goes any more, until it is revised\n"
    "  confirm   the customer has confirmed its revision\n"
    "  revise    it has a newer revision, neither cancelled nor confirmed; needs --revision\n"
    "  --revision N   with cancel and confirm: where none, or an older one, is known\n"
    "\n"
    "Exit codes: 0 in force, 64 usage, 65 a newer revision is known, 69 Kafka or Redis did not\n"
    "take it, 78 bad config.\n";

enum verb { CANCEL, CONFIRM, REVISE, VERB_COUNT };
static const char *const verbs[VERB_COUNT] = {"cancel", "confirm", "revise"};

struct wishes {
    enum verb verb;
    const char *config, *tenant, *booking, *revision_text;
    uint64_t revision;
    bool help;
};

static bool read_options(int argc, char **argv, struct wishes *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},  {"tenant", required_argument, NULL, 't'},
        {"booking", required_argument, NULL, 'b'}, {"revision", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},          {0}};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const char **text = c == 'c'   ? &out->config
                            : c == 't' ? &out->tenant
                            : c == 'b' ? &out->booking
                            : c == 'r' ? &out->revision_text
                                       : NULL;
        if (text)
            *text = optarg;
        else if (c == 'h')
            out->help = true;
        else
            return false;
    }
    const char *verb = optind + 1 == argc ? argv[optind] : "";
    for (out->verb = 0; out->verb < VERB_COUNT; out->verb++)
        if (strcmp(verb, verbs[out->verb]) == 0)
            return true;
    return out->help;
}

/* NULL: good. */
static const char *judge_wishes(struct wishes *w)
{
    if (!w->config || !w->tenant || !w->booking)
        return "--config, --tenant and --booking are needed";
    if (!state_tenant_fits(bytes_of(w->tenant)))
        return "the tenant's id is no id (1 to 64 bytes, no '/')";
    if (!*w->booking || strlen(w->booking) > BOOKING_MAX)
        return "the booking's id is no id (1 to 64 bytes)";
    if (w->revision_text && json_u64(bytes_of(w->revision_text), &w->revision) != ERR_OK)
        return "--revision is a whole number";
    if (w->verb == REVISE && !w->revision_text)
        return "revise needs --revision";
    return NULL;
}

struct known {
    struct arena *arena;
    bool any;
    Carillon__V1__BookingState is;
};

/* As the function `book` does: what is not said stays, but a confirmation is of its revision. */
static void know(struct known *known, const Carillon__V1__BookingState *said)
{
    Carillon__V1__BookingState *is = &known->is;
    known->any = true;
    if (said->has_revision && said->revision != is->revision) {
        is->revision = said->revision;
        is->confirmed = false;
    }
    if (said->has_cancelled)
        is->cancelled = said->cancelled;
    if (said->has_confirmed)
        is->confirmed = said->confirmed;
}

static void know_wire(struct known *known, struct bytes wire)
{
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    size_t used = known->arena->used;
    if (pb_decode(&carillon__v1__booking_state__descriptor, wire, known->arena, &message, &error) ==
        ERR_OK)
        know(known, (const Carillon__V1__BookingState *)message);
    known->arena->used = used;
}

static void take_record(void *context, struct bytes key, struct bytes value)
{
    struct known *known = context;
    const struct state_record record = {.topic = TOPIC_BOOKINGS, .key = key, .value = value};
    struct bytes wire = {0};
    const char *why;
    if (!value.at)
        *known = (struct known){.arena = known->arena, .is = CARILLON__V1__BOOKING_STATE__INIT};
    else if (state_wire(&record, known->arena, &wire, &why) == ERR_OK)
        know_wire(known, wire); /* else it says nothing, to workers neither */
}

/* What Redis has, and over it what it lacks of the topic. The exit code. */
static int read_known(const struct config *config, struct state_writer *writer,
                      const struct wishes *w, struct bytes key, struct known *known)
{
    struct latest none = {0};
    struct bytes value;
    char redis_key[STATE_KEY_SIZE], memory[WIRE_MAX];
    struct writer wire = writer_of(memory, sizeof memory);
    state_booking_key(bytes_of(w->tenant), bytes_of(w->booking), redis_key);
    if (!state_writer_read(writer, (struct bytes){redis_key, sizeof redis_key}, &value))
        return EXIT_AWAY;
    if (state_document(value, &wire) == ERR_OK && wire.size > 0 && !wire.overflow)
        know_wire(known, writer_bytes(&wire));
    return state_scan(&(struct state_scan){.config = config,
                                           .topic = TOPIC_BOOKINGS,
                                           .key = key,
                                           .writer = writer,
                                           .take = take_record,
                                           .context = known},
                      &none);
}

/* NULL: good. */
static const char *decide(const struct wishes *w, const struct known *known,
                          Carillon__V1__BookingState *out)
{
    bool cancelled = known->is.cancelled, confirmed = known->is.confirmed;
    uint64_t revision = known->is.revision;
    bool older = w->revision_text && w->revision < revision;
    switch (w->verb) {
    case CANCEL:
        cancelled = true;
        break;
    case CONFIRM:
        if (older)
            return "a newer revision is known: what was confirmed is over";
        confirmed = true;
        break;
    case REVISE: /* the same again only where it changes nothing: after a failure */
        if (older || (known->any && w->revision == revision && (cancelled || confirmed)))
            return "that revision, or a newer one, is known: revise needs a higher one";
        cancelled = confirmed = false;
        break;
    case VERB_COUNT:
        break;
    }
    out->has_revision = out->has_cancelled = out->has_confirmed = true;
    out->revision = w->revision_text ? u64_max(revision, w->revision) : revision;
    out->cancelled = cancelled;
    out->confirmed = confirmed;
    return NULL;
}

static int write_state(const struct config *config, struct state_writer *writer,
                       const struct wishes *w)
{
    char key_text[KEY_MAX], wire_text[WIRE_MAX], memory[ROOM];
    struct writer key = writer_of(key_text, sizeof key_text);
    struct writer wire = writer_of(wire_text, sizeof wire_text);
    struct arena arena = arena_of(memory, sizeof memory);
    struct known known = {.arena = &arena, .is = CARILLON__V1__BOOKING_STATE__INIT};
    Carillon__V1__BookingState state = CARILLON__V1__BOOKING_STATE__INIT;
    Google__Protobuf__Timestamp updated_at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    int64_t now_ms = clock_wall_ms();
    write_format(&key, "%s/%s", w->tenant, w->booking);
    CHECK(!key.overflow);
    int exit_code = read_known(config, writer, w, writer_bytes(&key), &known);
    if (exit_code != EXIT_DONE)
        return exit_code;
    const char *wrong = decide(w, &known, &state);
    if (wrong) {
        fprintf(stderr, "carillon bookings: %s (known: %" PRIu64 ")\n", wrong, known.is.revision);
        return EXIT_DATA;
    }
    if (!known.any && !w->revision_text)
        fprintf(stderr, "nothing was known of booking %s: it has revision 0\n", w->booking);
    updated_at.seconds = now_ms / 1000;
    updated_at.nanos = (int32_t)(now_ms % 1000) * 1000000;
    state.tenant_id = (char *)(uintptr_t)w->tenant;
    state.booking_id = (char *)(uintptr_t)w->booking;
    state.updated_at = &updated_at;
    enum err err = pb_encode(&state.base, &wire);
    CHECK(err == ERR_OK && !wire.overflow);
    return state_write(writer, writer_bytes(&key), writer_bytes(&wire)) ? EXIT_DONE : EXIT_AWAY;
}

int bookings_main(int argc, char **argv)
{
    struct wishes w = {0};
    bool read = read_options(argc, argv, &w);
    const char *wrong = read && !w.help ? judge_wishes(&w) : NULL;
    if (wrong)
        fprintf(stderr, "carillon bookings: %s\n", wrong);
    if (!read || w.help || wrong) {
        fputs(usage, w.help ? stdout : stderr);
        return w.help ? EXIT_DONE : EXIT_USAGE;
    }
    struct config *config = command_config(w.config);
    if (!config)
        return EXIT_CONFIG;
    struct state_writer *writer = state_writer_open(config, TOPIC_BOOKINGS);
    int exit_code = writer ? write_state(config, writer, &w) : EXIT_AWAY;
    if (writer)
        state_writer_close(writer);
    config_free(config);
    return exit_code;
}
