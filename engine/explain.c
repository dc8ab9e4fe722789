/* Two walks over the same input: the first judges each event and keeps what the others
 * must know of it, a hundred bytes a leg; the second judges it again and prints. So a
 * run of a hundred thousand events needs no more memory than its text and those. */
#include "commands.h"

#include "base/clock.h"
#include "base/time.h"
#include "documents.h"
#include "domain/event.h"
#include "explain_config.h"
#include "explain_print.h"
#include "explain_run.h"
#include "state_files.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

#define ROOM_FOR_TEXTS ((size_t)64 * 1024) /* mostly enough */
#define ROOM_MOST ((size_t)4 << 30)

struct input {
    const char *path;
    struct bytes all;
};

struct explain {
    const char *config_path;
    const char *state_paths[3]; /* by enum state_kind */
    int64_t now_ms;
    bool text;
    struct input *inputs;
    uint32_t input_count;

    struct explain_config *config;
    struct state_files *state;
    struct run run;
    struct arena arena;
    uint32_t index; /* of the event, in the walk */
    bool bad_line;
};

/* One event in the hand. */
struct reading {
    struct pb_unknown unknown; /* first: the callback casts back */
    const char *path;
    uint32_t line;
    struct event_error error;
    struct judge_case c;
};

static void usage(FILE *out)
{
    fputs("usage: carillon explain [--config FILE] [--tenants FILE] [--recipients FILE]\n"
          "                        [--bookings FILE] [--now TIME] [--text] [EVENT ...]\n"
          "\n"
          "Says what would happen to events, and why, by the code of the worker. Nothing is\n"
          "sent and nothing is connected to. EVENT is a file with one JSON document, a JSON\n"
          "array or JSON lines; none, or `-`, is standard input. All events of a run are in\n"
          "hand together.\n"
          "\n"
          "  --config FILE      zones, windows and templates of the platform\n"
          "  --tenants FILE     settings of tenants; --recipients and --bookings: their state\n"
          "  --now TIME         the clock, RFC 3339; else the real one\n"
          "  --text             sentences in place of JSON\n",
          out);
}

static void warn_unknown(struct pb_unknown *self, const char *path)
{
    const struct reading *reading = (const struct reading *)self;
    fprintf(stderr, "%s:%u: warning: unknown field %s\n", reading->path, reading->line, path);
}

static bool reserve(struct arena *arena, size_t size)
{
    if (arena->max < size) {
        free(arena->at);
        *arena = arena_of(malloc(size), size);
    }
    arena_reset(arena);
    return arena->at != NULL;
}

/* Decodes into an arena of `room` bytes and judges; false: it was too small. */
static bool try_event(struct explain *e, struct bytes document, size_t room, bool warn,
                      struct reading *r)
{
    Carillon__V1__Event *event = NULL;
    if (!reserve(&e->arena, room))
        return false;
    enum err err =
        event_decode_json(document, &e->arena, warn ? &r->unknown : NULL, &event, &r->error);
    if (err == ERR_NO_MEMORY)
        return false;
    r->c = (struct judge_case){
        .event = event,
        .undecoded = err == ERR_OK ? NULL : r->error.what.path,
        .tenant = &tenant_none,
        .record_ms = e->now_ms,
        .now_ms = e->now_ms,
        .arena = &e->arena,
    };
    if (event && event->tenant_id)
        r->c.tenant = state_files_tenant(e->state, bytes_of(event->tenant_id));
    if (event && err == ERR_OK)
        state_files_find(e->state, event, r->c.tenant, &e->arena, &r->c.state);
    judge(explain_config_rules(e->config), JUDGE_ALL, &r->c);
    return !r->c.arena_full;
}

/* False: no memory. */
static bool read_event(struct explain *e, struct bytes document, bool warn, struct reading *r)
{
    size_t room = EVENT_ARENA_BYTES(document.size) + ROOM_FOR_TEXTS;
    for (; room < ROOM_MOST; room *= 4) {
        if (try_event(e, document, room, warn, r))
            return true;
        warn = false; /* that was done */
    }
    return false;
}

static bool remember(struct explain *e, struct reading *r)
{
    return run_add(&e->run, explain_config_rules(e->config), &r->c);
}

static bool print(struct explain *e, struct reading *r)
{
    struct explained explained = {
        .c = &r->c,
        .event_id = r->c.undecoded ? r->error.event_id : bytes_of(r->c.event->event_id),
    };
    hmac_prepare(&explained.address_key, explain_config_address_key(e->config));
    run_apply(&e->run, e->index, &r->c);
    if (e->text)
        explain_print_text(&explained, stdout);
    else
        explain_print_json(&explained, stdout);
    return true;
}

static bool walk_input(struct explain *e, const struct input *input, bool first)
{
    struct documents documents;
    struct json_place place;
    struct bytes document;
    const char *error;
    enum documents_step step;
    documents_init(&documents, input->all);
    while ((step = documents_next(&documents, &document, &place, &error)) != DOCUMENTS_END) {
        if (step == DOCUMENTS_BROKEN) {
            e->bad_line = true;
            if (first)
                fprintf(stderr, "%s:%u:%u: error: not JSON: %s\n", input->path, place.line,
                        place.column, error);
            continue;
        }
        struct reading r = {.unknown = {warn_unknown}, .path = input->path};
        if (first)
            r.line = documents_line(&documents, document);
        if (!read_event(e, document, first, &r) || !(first ? remember(e, &r) : print(e, &r)))
            return false;
        e->index++;
    }
    return true;
}

static bool walk(struct explain *e, bool first)
{
    e->index = 0;
    for (uint32_t i = 0; i < e->input_count; i++)
        if (!walk_input(e, &e->inputs[i], first))
            return false;
    return true;
}

static int explain(struct explain *e)
{
    for (uint32_t i = 0; i < e->input_count; i++) {
        struct input *input = &e->inputs[i];
        if (documents_read(input->path, &input->all) != ERR_OK) {
            fprintf(stderr, "%s: error: %s\n", input->path, strerror(errno));
            return EX_NOINPUT;
        }
        if (strcmp(input->path, "-") == 0)
            input->path = "standard input";
    }
    if (!walk(e, true) || !run_settle(&e->run) || !walk(e, false)) {
        fputs("carillon explain: no memory\n", stderr);
        return EX_OSERR;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "carillon explain: standard output: %s\n", strerror(errno));
        return EX_IOERR;
    }
    return e->bad_line ? EXIT_DATA : EXIT_DONE;
}

/* The value of `--name VALUE` or `--name=VALUE` at *at, which moves on; NULL: not that
 * option. A value that is missing is "". */
static const char *option_of(int argc, char **argv, int *at, const char *name)
{
    size_t size = strlen(name);
    if (strncmp(argv[*at], name, size) != 0)
        return NULL;
    if (argv[*at][size] == '=')
        return argv[*at] + size + 1;
    if (argv[*at][size] != '\0')
        return NULL;
    return *at + 1 < argc ? argv[++*at] : "";
}

/* Whether the argument is one of the options with a value; -1: its value is missing or wrong. */
static int take_option(struct explain *e, int argc, char **argv, int *at)
{
    static const char *const names[] = {"--config", "--now", "--tenants", "--recipients",
                                        "--bookings"};
    for (size_t i = 0; i < countof(names); i++) {
        const char *value = option_of(argc, argv, at, names[i]);
        if (!value)
            continue;
        if (*value == '\0') {
            fprintf(stderr, "carillon explain: %s needs a value\n", names[i]);
            return -1;
        }
        if (i == 1 && time_parse_ms(bytes_of(value), &e->now_ms) != ERR_OK) {
            fprintf(stderr, "carillon explain: --now: '%s' is no RFC 3339 time\n", value);
            return -1;
        }
        if (i == 0)
            e->config_path = value;
        else if (i > 1)
            e->state_paths[i - 2] = value;
        return 1;
    }
    return 0;
}

/* False: the usage is wrong, and it was said. */
static bool parse(struct explain *e, int argc, char **argv)
{
    bool only_files = false;
    for (int i = 1; i < argc; i++) {
        int taken = only_files ? 0 : take_option(e, argc, argv, &i);
        if (taken < 0)
            return false;
        if (taken > 0)
            continue;
        if (!only_files && strcmp(argv[i], "--") == 0) {
            only_files = true;
        } else if (!only_files && strcmp(argv[i], "--text") == 0) {
            e->text = true;
        } else if (!only_files && argv[i][0] == '-' && argv[i][1] != '\0') {
            fprintf(stderr, "carillon explain: no option '%s'\n", argv[i]);
            usage(stderr);
            return false;
        } else {
            e->inputs[e->input_count++] = (struct input){.path = argv[i]};
        }
    }
    if (e->input_count == 0)
        e->inputs[e->input_count++] = (struct input){.path = "-"};
    return true;
}

static int load_state(struct explain *e)
{
    for (int kind = STATE_TENANTS; kind <= STATE_BOOKINGS; kind++) {
        if (!e->state_paths[kind])
            continue;
        enum err err = state_files_load(e->state, (enum state_kind)kind, e->state_paths[kind]);
        if (err != ERR_OK)
            return err == ERR_IO ? EX_NOINPUT : EXIT_DATA;
    }
    return EXIT_DONE;
}

static void clean(struct explain *e)
{
    for (uint32_t i = 0; i < e->input_count; i++)
        documents_free(&e->inputs[i].all);
    free(e->inputs);
    run_free(&e->run);
    free(e->arena.at);
    if (e->state)
        state_files_close(e->state);
    if (e->config)
        explain_config_close(e->config);
}

int explain_main(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        usage(stdout);
        return EXIT_DONE;
    }
    struct explain e = {.now_ms = clock_wall_ms(), .state = state_files_open()};
    e.inputs = calloc((size_t)argc + 1, sizeof *e.inputs);
    int code = e.state && e.inputs ? EXIT_DONE : EX_OSERR;
    if (code == EXIT_DONE && !parse(&e, argc, argv))
        code = EXIT_USAGE;
    if (code == EXIT_DONE) {
        e.config = explain_config_open(e.config_path);
        code = e.config ? load_state(&e) : EXIT_CONFIG;
    }
    if (code == EXIT_DONE)
        code = explain(&e);
    clean(&e);
    return code;
}
