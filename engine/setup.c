/* `carillon setup`, and what `run` looks for before it starts. Set-up needs an operator's
 * credentials; it creates what is missing, changes nothing that exists, and says on
 * standard error what differs from what it would have made. */
#include "setup.h"

#include "base/log.h"
#include "clients.h"
#include "commands.h"
#include "domain/redis_functions.h"
#include "io/topics.h"
#include "setup_topics.h"
#include "state_apply.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASK_MS = 3000 };

/* The functions. */

static struct redis_sync *redis_of(const struct config *config, bool deploy,
                                   struct redis_settings *settings, char why[REDIS_WHY_SIZE])
{
    char refused[256];
    if (redis_options_of(config, deploy, settings, refused))
        return redis_sync_open(&settings->options, why);
    snprintf(why, REDIS_WHY_SIZE, "%.199s", refused);
    return NULL;
}

/* 0: there are none. ERR_IO: `why` says what is wrong with Redis. */
static enum err functions_version(struct redis_sync *redis, int64_t *version,
                                  char why[REDIS_WHY_SIZE])
{
    const struct bytes ask[] = {BYTES("FCALL"), BYTES("version"), BYTES("0")};
    const struct redis_reply *reply = redis_sync_command(redis, ask, countof(ask));
    *version = 0;
    if (reply && reply->type == REDIS_INTEGER) {
        *version = reply->integer;
        return ERR_OK;
    }
    if (reply && reply->type == REDIS_ERROR && redis_error_of(reply) == REDIS_ERROR_FUNCTIONS)
        return ERR_OK;
    if (reply && reply->type == REDIS_ERROR)
        snprintf(why, REDIS_WHY_SIZE, "%.*s", (int)u64_min(reply->text.size, REDIS_WHY_SIZE - 1),
                 reply->text.at);
    else
        snprintf(why, REDIS_WHY_SIZE, "%s", reply ? "no version" : redis_sync_why(redis));
    return ERR_IO;
}

/* ERR_AGAIN: a dry run found none. */
static enum err load_functions(struct redis_sync *redis, bool dry_run, char why[REDIS_WHY_SIZE])
{
    int64_t version;
    enum err err = functions_version(redis, &version, why);
    if (err != ERR_OK)
        return err;
    if (version > REDIS_FUNCTIONS_VERSION)
        fprintf(stderr,
                "redis: functions have version %lld; set-up would have loaded %d, which they "
                "include\n",
                (long long)version, REDIS_FUNCTIONS_VERSION);
    if (version >= REDIS_FUNCTIONS_VERSION)
        return ERR_OK;
    if (dry_run)
        return ERR_AGAIN;
    const struct bytes load[] = {BYTES("FUNCTION"), BYTES("LOAD"), BYTES("REPLACE"),
                                 redis_functions};
    redis_sync_append(redis, load, countof(load));
    return state_confirm(redis, 1, why) ? ERR_OK : ERR_REFUSED;
}

static enum err set_up_functions(const struct config *config, bool dry_run,
                                 char why[REDIS_WHY_SIZE])
{
    struct redis_settings settings = {0};
    struct redis_sync *redis = redis_of(config, true, &settings, why);
    enum err err = redis ? load_functions(redis, dry_run, why) : ERR_IO;
    if (redis)
        redis_sync_close(redis);
    redis_settings_close(&settings);
    return err;
}

bool setup_functions(const struct config *config, char why[SETUP_WHY_SIZE])
{
    char redis_why[REDIS_WHY_SIZE] = "";
    bool good = set_up_functions(config, false, redis_why) == ERR_OK;
    snprintf(why, SETUP_WHY_SIZE, "%s", redis_why);
    return good;
}

static const char usage[] =
    "usage: carillon setup --config FILE [--dry-run] [--ring] [--remove-over]\n"
    "\n"
    "Creates the topics that are missing and loads the Redis functions, also over an older\n"
    "version; changes nothing else that exists, and says on standard error what differs from\n"
    "what it would have made.\n"
    "\n"
    "  --dry-run      says what it would do and does nothing\n"
    "  --ring         adds a generation of the calendar ring where the newest is not as the\n"
    "                 config's section deferral wants it\n"
    "  --remove-over  deletes older generations of the ring that are over: the group has\n"
    "                 committed all their partitions to the end, and nothing was written to\n"
    "                 them for a ring's length\n"
    "\n"
    "Exit codes: 0 done, 64 usage, 69 unreachable or refused, 78 bad config.\n";

static int set_up(const struct config *config, const struct setup_wishes *wishes)
{
    char kafka_why[KAFKA_WHY_SIZE] = "", redis_why[REDIS_WHY_SIZE] = "";
    enum err kafka = setup_topics(config, wishes, kafka_why);
    enum err redis = set_up_functions(config, wishes->dry_run, redis_why);
    if (redis == ERR_AGAIN) {
        printf("would load the Redis functions, version %d\n", REDIS_FUNCTIONS_VERSION);
        redis = ERR_OK;
    }
    if (kafka != ERR_OK)
        fprintf(stderr, "carillon setup: kafka %s: %s\n", config->is.kafka.bootstrap_servers,
                kafka_why);
    if (redis != ERR_OK)
        fprintf(stderr, "carillon setup: redis %s: %s\n", config->is.redis.address, redis_why);
    return kafka == ERR_OK && redis == ERR_OK ? EXIT_DONE : EXIT_AWAY;
}

struct command_line {
    const char *config;
    struct setup_wishes wishes;
    bool help;
};

static bool read_line(int argc, char **argv, struct command_line *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"dry-run", no_argument, NULL, 'd'},
        {"ring", no_argument, NULL, 'r'},         {"remove-over", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},         {0}};
    *out = (struct command_line){0};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c')
            out->config = optarg;
        out->wishes.dry_run |= c == 'd';
        out->wishes.ring |= c == 'r';
        out->wishes.remove_over |= c == 'o';
        out->help |= c == 'h';
        if (c == '?')
            return false;
    }
    return out->help || (out->config && optind == argc);
}

int setup_main(int argc, char **argv)
{
    struct command_line line;
    bool good = read_line(argc, argv, &line);
    if (!good || line.help) {
        fputs(usage, good ? stdout : stderr);
        return good ? EXIT_DONE : EXIT_USAGE;
    }
    struct findings findings = {0};
    struct config *config = config_load(line.config, environ, &findings);
    if (!config) /* `check` tells warnings */
        findings_print(&findings, stderr);
    findings_free(&findings);
    int exit_code = config ? set_up(config, &line.wishes) : EXIT_CONFIG;
    config_free(config);
    return exit_code;
}

/* What `run` looks for. */

static void add_marks(struct setup_found *found, const char *topic, uint32_t partitions)
{
    found->marks = realloc(found->marks, (found->mark_count + partitions) * sizeof(char *));
    CHECK(found->marks);
    for (uint32_t i = 0; i < partitions; i++) {
        size_t size = strlen(topic) + 12;
        char *mark = malloc(size);
        CHECK(mark);
        snprintf(mark, size, "%s/%u", topic, i);
        found->marks[found->mark_count++] = mark;
    }
}

static bool is_state(const char *name)
{
    for (size_t i = 0; i < STATE_TOPIC_COUNT; i++)
        if (strcmp(state_topic_names[i], name) == 0)
            return true;
    return false;
}

/* A worker that may not ask goes by partition counts, and set-up is who has to look. */
static void measure_ring(const struct config *config, struct topics *topics,
                         struct setup_found *found)
{
    char kafka_why[KAFKA_WHY_SIZE] = "", why[RING_WHY_SIZE];
    if (ring_topics_measure(topics, config, &found->ring, ASK_MS, kafka_why) != ERR_OK)
        log_event(LOG_WARN, "ring_length_unknown", "why=\"%s\"", kafka_why);
    if (!ring_marks_last(topics, config, ASK_MS, why))
        log_event(LOG_WARN, "marks_are_short_lived", "why=\"%s\"", why);
}

static enum setup_state check_topics(const struct config *config, struct topics *topics,
                                     struct setup_found *found, char why[SETUP_WHY_SIZE])
{
    char kafka_why[KAFKA_WHY_SIZE] = "";
    if (topics_read(topics, ASK_MS, kafka_why) != ERR_OK) {
        snprintf(why, SETUP_WHY_SIZE, "%s", kafka_why);
        found->away = "kafka";
        return SETUP_KAFKA_AWAY;
    }
    enum setup_state state = SETUP_GOOD;
    for (uint32_t i = 0; i < setup_topic_count; i++) {
        struct topic_found topic;
        char *name = topic_name_of(config, setup_topic_names[i]);
        if (!topics_find(topics, name, &topic)) {
            snprintf(why, SETUP_WHY_SIZE, "topic %.200s is missing: run `carillon setup`", name);
            state = SETUP_MISSING;
        } else if (is_state(setup_topic_names[i])) {
            add_marks(found, name, topic.partitions);
        }
        free(name);
    }
    ring_topics_read(topics, config, &found->ring);
    measure_ring(config, topics, found);
    if (state == SETUP_GOOD && !ring_topics_good(&found->ring, config, why))
        state = SETUP_MISSING;
    return state;
}

static enum setup_state check_functions(const struct config *config, struct setup_found *found,
                                        char why[SETUP_WHY_SIZE])
{
    char redis_why[REDIS_WHY_SIZE] = "";
    struct redis_settings settings = {0};
    struct redis_sync *redis = redis_of(config, false, &settings, redis_why);
    int64_t version = 0;
    enum err err = redis ? functions_version(redis, &version, redis_why) : ERR_IO;
    if (redis)
        redis_sync_close(redis);
    redis_settings_close(&settings);
    if (err != ERR_OK) {
        snprintf(why, SETUP_WHY_SIZE, "%s", redis_why);
        found->away = "redis";
        return SETUP_REDIS_AWAY;
    }
    if (version >= REDIS_FUNCTIONS_VERSION ||
        (version == 0 && config->is.redis.deploy_user[0] && setup_functions(config, why)))
        return SETUP_GOOD;
    snprintf(why, SETUP_WHY_SIZE, "Redis has %s: run `carillon setup`",
             version ? "other functions than this version needs" : "no carillon functions");
    return SETUP_MISSING;
}

enum setup_state setup_check(const struct config *config, struct setup_found *found,
                             char why[SETUP_WHY_SIZE])
{
    char kafka_why[KAFKA_WHY_SIZE] = "";
    struct kafka_settings kafka;
    setup_found_free(found);
    kafka_options_of(config, "carillon-check", &kafka);
    struct topics *topics = topics_open(&kafka.options, kafka_why);
    if (!topics) {
        snprintf(why, SETUP_WHY_SIZE, "%s", kafka_why);
        return SETUP_MISSING;
    }
    enum setup_state state = check_topics(config, topics, found, why);
    topics_close(topics);
    return state == SETUP_GOOD ? check_functions(config, found, why) : state;
}

void setup_found_free(struct setup_found *found)
{
    for (uint32_t i = 0; i < found->mark_count; i++)
        free(found->marks[i]);
    free(found->marks);
    *found = (struct setup_found){0};
}
