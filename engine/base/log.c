#include "base/log.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static enum log_level log_least = LOG_INFO;
static bool log_json = false;

void log_init(enum log_level least, bool json)
{
    log_least = least;
    log_json = json;
}

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static void write_now(struct writer *w)
{
    int64_t ms = clock_wall_ms();
    time_t s = (time_t)(ms / 1000);
    struct tm t;
    gmtime_r(&s, &t);
    char text[40];
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    write_bytes(w, text, n);
    write_format(w, ".%03dZ", (int)(ms % 1000));
}

/* One key=value pair as a JSON member. The value may be quoted. */
static const char *write_member(struct writer *w, const char *at)
{
    const char *equals = strchr(at, '=');
    if (!equals)
        return at + strlen(at);
    write_literal(w, ",\"");
    write_bytes(w, at, (size_t)(equals - at));
    write_literal(w, "\":");
    at = equals + 1;
    bool quoted = *at == '"';
    if (quoted)
        at++;
    bool number = !quoted && *at != '\0' && strspn(at, "-0123456789.") == strcspn(at, " ");
    if (!number)
        write_char(w, '"');
    for (; *at && *at != (quoted ? '"' : ' '); at++) {
        if (*at == '"' || *at == '\\')
            write_char(w, '\\');
        write_char(w, *at);
    }
    if (!number)
        write_char(w, '"');
    if (quoted && *at == '"')
        at++;
    return *at == ' ' ? at + 1 : at;
}

static void write_line(enum log_level level, const char *event, const char *pairs)
{
    char line[LINE_MAX_BYTES];
    struct writer w = writer_of(line, sizeof line - 4);
    if (log_json) {
        write_literal(&w, "{\"ts\":\"");
        write_now(&w);
        write_format(&w, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
        for (const char *at = pairs; *at;)
            at = write_member(&w, at);
        w.max = sizeof line;
        w.overflow = false;
        write_literal(&w, "}\n");
    } else {
        write_literal(&w, "ts=");
        write_now(&w);
        write_format(&w, " level=%s event=%s", level_names[level], event);
        if (*pairs)
            write_char(&w, ' ');
        write_text(&w, pairs);
        w.max = sizeof line;
        w.overflow = false;
        write_char(&w, '\n');
    }
    ssize_t written = write(STDERR_FILENO, line, w.size);
    (void)written; /* nowhere to say that the log is gone */
}

static void log_pairs(enum log_level level, const char *event, const char *format, va_list args,
                      uint64_t dropped)
{
    char pairs[LINE_MAX_BYTES - 200];
    int n = vsnprintf(pairs, sizeof pairs - 32, format, args);
    size_t end = n < 0 ? 0 : u64_min((size_t)n, sizeof pairs - 33);
    for (size_t i = 0; i < end; i++)
        if ((unsigned char)pairs[i] < ' ')
            pairs[i] = ' ';
    if (dropped > 0)
        snprintf(pairs + end, sizeof pairs - end, "%srepeats=%llu", end ? " " : "",
                 (unsigned long long)dropped);
    write_line(level, event, pairs);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if (level < log_least)
        return;
    va_list args;
    va_start(args, format);
    log_pairs(level, event, format, args, 0);
    va_end(args);
}

void log_event_limited(struct log_limit *limit, enum log_level level, const char *event,
                       const char *format, ...)
{
    if (level < log_least)
        return;
    uint64_t now_ns = clock_mono_ns();
    uint64_t next_ns = atomic_load(&limit->next_ns);
    if (now_ns < next_ns ||
        !atomic_compare_exchange_strong(&limit->next_ns, &next_ns, now_ns + NS_PER_S)) {
        atomic_fetch_add(&limit->dropped, 1);
        return;
    }
    va_list args;
    va_start(args, format);
    log_pairs(level, event, format, args, atomic_exchange(&limit->dropped, 0));
    va_end(args);
}
