/* Logs are events, not sentences: one line per event on standard error, logfmt or
 * JSON, name first; never a recipient, a body or a token. Thread-safe: a line is one
 * write(2). A site in the data path uses log_limited.
 *
 *   log_event(LOG_WARN, "provider_slow", "provider=%s p99_ms=%u", name, p99);
 *
 * The format holds key=value pairs separated by one space; a value that may hold
 * spaces is written key="%s" (quotes and control bytes inside are escaped). */
#pragma once

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_init(enum log_level least, bool json); /* before threads; again on reload */
void log_event(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

/* At most one line per second per site; the next one says how many were left out. */
struct log_limit {
    _Atomic uint64_t next_ns;
    _Atomic uint64_t dropped;
};
void log_event_limited(struct log_limit *limit, enum log_level level, const char *event,
                       const char *format, ...) PRINTF_LIKE(4, 5);
#define log_limited(level, event, ...)                         \
    do {                                                       \
        static struct log_limit limit_;                        \
        log_event_limited(&limit_, level, event, __VA_ARGS__); \
    } while (0)
