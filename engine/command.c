#include "command.h"

#include "base/clock.h"
#include "base/time.h"
#include "clients.h"
#include "commands.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHOW_EVERY_MS = 200 };

static bool parse_ago(struct bytes text, int64_t now_ms, int64_t *ms)
{
    static const struct {
        char name;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', TIME_DAY_MS}};
    int64_t n = 0;
    if (text.size < 2 || text.size > 7)
        return false;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (text.at[i] - '0');
    }
    for (size_t i = 0; i < countof(units); i++) {
        if (text.at[text.size - 1] != units[i].name)
            continue;
        *ms = i64_max(0, now_ms - n * units[i].ms);
        return true;
    }
    return false;
}

bool moment_parse(const char *text, int64_t now_ms, int64_t *ms)
{
    char whole[64];
    struct bytes given = bytes_of(text);
    *ms = now_ms;
    if (bytes_equal(given, BYTES("now")) || parse_ago(given, now_ms, ms))
        return true;
    if (given.size == 10) { /* a date */
        snprintf(whole, sizeof whole, "%sT00:00:00Z", text);
        given = bytes_of(whole);
    }
    return time_parse_ms(given, ms) == ERR_OK;
}

struct config *command_config(const char *path)
{
    struct findings findings = {0};
    struct config *config = config_load(path, environ, &findings);
    if (!config)
        findings_print(&findings, stderr);
    findings_free(&findings);
    return config;
}

void command_kafka_away(const struct config *config, const char *why)
{
    fprintf(stderr, "kafka %s: %s\n", config->is.kafka.bootstrap_servers, why);
}

struct reader *command_reader(const struct config *config, const char *topic, int *exit_code)
{
    struct kafka_settings kafka;
    char why[KAFKA_WHY_SIZE] = "";
    enum err err;
    char *name = topic_name_of(config, topic);
    kafka_options_of(config, "carillon-command", &kafka);
    struct reader *reader = reader_open(&kafka.options, name, COMMAND_PATIENCE_MS, &err, why);
    if (err == ERR_NOT_FOUND)
        fprintf(stderr, "kafka %s: there is no topic %s: `carillon setup` creates it\n",
                config->is.kafka.bootstrap_servers, name);
    else if (err != ERR_OK)
        command_kafka_away(config, why);
    *exit_code = err == ERR_TIMEOUT ? EXIT_AWAY : EXIT_CONFIG;
    free(name);
    return reader;
}

void command_hold_interrupts(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

bool command_interrupted(void)
{
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, SIGINT) == 1;
}

void progress_show(struct progress *p, const char *format, ...)
{
    uint64_t now_ns = clock_mono_ns();
    if (now_ns - p->shown_ns < SHOW_EVERY_MS * NS_PER_MS || !isatty(STDERR_FILENO))
        return;
    p->shown_ns = now_ns;
    p->shown = true;
    va_list list;
    va_start(list, format);
    fputs("\r", stderr);
    vfprintf(stderr, format, list);
    fputs("\x1b[K", stderr);
    va_end(list);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\x1b[K", stderr);
    p->shown = false;
}
