/* `carillon setup`, and what `run` looks for before it starts. Set-up needs an operator's
 * credentials; it creates what is missing, changes nothing that exists, and says on
 * standard error what differs from what it would have made. */
#include "setup.h"

#include "base/clock.h"
#include "clients.h"
#include "commands.h"
#include "domain/redis_functions.h"
#include "io/topics.h"
#include "state_apply.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASK_MS = 3000, CREATE_MS = 30000, SETTINGS_MAX = 6, DEAD_ROOM = 64 * 1024 };

/* The topics. */

enum topic_trait {
    LIKE_EVENTS = 1, /* max.message.bytes of the events */
    LIKE_DEAD = 2,   /* and 64 KiB more, for the reasons in its headers */
    BROKER_TIME = 4, /* LogAppendTime */
    DAYS_90 = 8,     /* retention */
    COMPACTED = 16,  /* the truth, kept for ever */
    DAYS_450 = 32,   /* with COMPACTED: until so long after the last change */
};

static const struct topic_row {
    const char *name;
    uint32_t traits;
} topic_rows[] = {
    {"carillon.events", LIKE_EVENTS},
    {"carillon.events.urgent", LIKE_EVENTS},
    {"carillon.outcomes", BROKER_TIME | DAYS_90},
    {"carillon.dead", LIKE_DEAD | BROKER_TIME},
    {"carillon.suppressions", COMPACTED},
    {"carillon.bookings.state", COMPACTED | DAYS_450},
    {"carillon.tenants", COMPACTED},
};

struct wish {
    struct topic_wish topic;
    struct kafka_property settings[SETTINGS_MAX];
    char *name;
    char bytes[24];
};

static void want(struct wish *wish, const char *name, const char *value)
{
    CHECK(wish->topic.setting_count < SETTINGS_MAX);
    wish->settings[wish->topic.setting_count++] = (struct kafka_property){name, value};
}

static void wish_of(const struct config *config, const struct topic_row *row, struct wish *wish)
{
    const struct config_kafka *is = &config->is.kafka;
    *wish = (struct wish){.name = topic_name_of(config, row->name)};
    wish->topic = (struct topic_wish){.name = wish->name,
                                      .partitions = (uint32_t)is->partitions,
                                      .replicas = (uint32_t)is->replication_factor,
                                      .settings = wish->settings};
    if (row->traits & (LIKE_EVENTS | LIKE_DEAD)) {
        uint64_t room = row->traits & LIKE_DEAD ? DEAD_ROOM : 0;
        snprintf(wish->bytes, sizeof wish->bytes, "%llu",
                 (unsigned long long)(is->max_message_bytes + room));
        want(wish, "max.message.bytes", wish->bytes);
    }
    if (row->traits & BROKER_TIME)
        want(wish, "message.timestamp.type", "LogAppendTime");
    if (row->traits & DAYS_90)
        want(wish, "retention.ms", "7776000000");
    if (row->traits & DAYS_450)
        want(wish, "retention.ms", "38880000000");
    if (row->traits & COMPACTED)
        want(wish, "cleanup.policy", row->traits & DAYS_450 ? "compact,delete" : "compact");
    want(wish, "unclean.leader.election.enable", "false");
    if (is->replication_factor >= 3)
        want(wish, "min.insync.replicas", "2");
}

struct comparison {
    const struct wish *wish;
};

static void compare_setting(const char *name, const char *value, void *context)
{
    const struct wish *wish = ((struct comparison *)context)->wish;
    for (uint32_t i = 0; i < wish->topic.setting_count; i++)
        if (strcmp(wish->settings[i].name, name) == 0 &&
            strcmp(wish->settings[i].value, value) != 0)
            fprintf(stderr, "%s: %s is %s; set-up would have made it %s\n", wish->name, name, value,
                    wish->settings[i].value);
}

static enum err compare(struct topics *topics, const struct wish *wish,
                        const struct topic_found *found, char why[KAFKA_WHY_SIZE])
{
    struct comparison comparison = {wish};
    if (found->partitions != wish->topic.partitions)
        fprintf(stderr, "%s: has %u partitions; set-up would have made %u\n", wish->name,
                found->partitions, wish->topic.partitions);
    if (found->replicas != wish->topic.replicas)
        fprintf(stderr, "%s: has %u replicas; set-up would have made %u\n", wish->name,
                found->replicas, wish->topic.replicas);
    return topics_settings(topics, wish->name, compare_setting, &comparison, ASK_MS, why);
}

static enum err set_up_topic(struct topics *topics, const struct wish *wish, bool dry_run,
                             char why[KAFKA_WHY_SIZE])
{
    struct topic_found found;
    if (topics_find(topics, wish->name, &found))
        return compare(topics, wish, &found, why);
    printf("%s topic %s (%u partitions, %u replicas", dry_run ? "would create" : "creating",
           wish->name, wish->topic.partitions, wish->topic.replicas);
    for (uint32_t i = 0; i < wish->topic.setting_count; i++)
        printf(", %s=%s", wish->settings[i].name, wish->settings[i].value);
    printf(")\n");
    return dry_run ? ERR_OK : topics_create(topics, &wish->topic, CREATE_MS, why);
}

/* Brokers tell a new topic a little later: `run` must find it when set-up is over. */
static enum err wait_for_topics(const struct config *config, struct topics *topics,
                                char why[KAFKA_WHY_SIZE])
{
    uint64_t until_ns = clock_mono_ns() + CREATE_MS * NS_PER_MS;
    for (size_t i = 0; i < countof(topic_rows);) {
        struct topic_found found;
        char *name = topic_name_of(config, topic_rows[i].name);
        bool there = topics_find(topics, name, &found);
        free(name);
        if (there) {
            i++;
            continue;
        }
        poll(NULL, 0, 50);
        enum err err = topics_read(topics, ASK_MS, why);
        if (err == ERR_OK && clock_mono_ns() > until_ns)
            err = ERR_TIMEOUT;
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err set_up_topics(const struct config *config, bool dry_run, char why[KAFKA_WHY_SIZE])
{
    struct kafka_settings kafka;
    kafka_options_of(config, "carillon-setup", &kafka);
    struct topics *topics = topics_open(&kafka.options, why);
    if (!topics)
        return ERR_INVALID;
    enum err err = topics_read(topics, ASK_MS, why);
    for (size_t i = 0; i < countof(topic_rows) && err == ERR_OK; i++) {
        struct wish wish;
        wish_of(config, &topic_rows[i], &wish);
        err = set_up_topic(topics, &wish, dry_run, why);
        free(wish.name);
    }
    if (err == ERR_OK && !dry_run)
        err = wait_for_topics(config, topics, why);
    topics_close(topics);
    return err;
}

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
    "usage: carillon setup --config FILE [--dry-run]\n"
    "\n"
    "Creates the topics that are missing and loads the Redis functions, also over an older\n"
    "version; changes nothing else that exists, and says on standard error what differs from\n"
    "what it would have made.\n"
    "\n"
    "Exit codes: 0 done, 64 usage, 69 unreachable or refused, 78 bad config.\n";

static int set_up(const struct config *config, bool dry_run)
{
    char kafka_why[KAFKA_WHY_SIZE] = "", redis_why[REDIS_WHY_SIZE] = "";
    enum err kafka = set_up_topics(config, dry_run, kafka_why);
    enum err redis = set_up_functions(config, dry_run, redis_why);
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

int setup_main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"dry-run", no_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = NULL;
    bool dry_run = false;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'c') {
            path = optarg;
        } else if (c == 'd') {
            dry_run = true;
        } else {
            fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? EXIT_DONE : EXIT_USAGE;
        }
    }
    if (!path || optind != argc) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    struct findings findings = {0};
    struct config *config = config_load(path, environ, &findings);
    if (!config) /* `check` tells warnings */
        findings_print(&findings, stderr);
    findings_free(&findings);
    int exit_code = config ? set_up(config, dry_run) : EXIT_CONFIG;
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
    for (size_t i = 0; i < countof(topic_rows); i++) {
        struct topic_found topic;
        char *name = topic_name_of(config, topic_rows[i].name);
        if (!topics_find(topics, name, &topic)) {
            snprintf(why, SETUP_WHY_SIZE, "topic %.200s is missing: run `carillon setup`", name);
            state = SETUP_MISSING;
        } else if (is_state(topic_rows[i].name)) {
            add_marks(found, name, topic.partitions);
        }
        free(name);
    }
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
