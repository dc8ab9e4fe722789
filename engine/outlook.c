#include "outlook.h"

#include "base/clock.h"
#include "base/log.h"
#include "calendar.h"
#include "clients.h"
#include "ring_topics.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EVERY_S = 60, FIRST_S = 1, SLOTS_MAX = 4096 };
#define HOUR_MS INT64_C(3600000)

static const struct {
    const char *name;
    int64_t ms;
} windows[OUTLOOK_WINDOWS] = {{"1h", HOUR_MS},
                              {"6h", 6 * HOUR_MS},
                              {"12h", 12 * HOUR_MS},
                              {"24h", 24 * HOUR_MS},
                              {"48h", 48 * HOUR_MS}};

struct outlook {
    const struct config *_Atomic config;
    const struct adapters *adapters;
    struct redis_settings settings;
    struct redis_sync *redis;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    struct outlook_window found[OUTLOOK_WINDOWS];
    int64_t found_ms;
};

static void take(struct outlook_window *w, const struct release *release,
                 const struct release_result *result, int64_t start_ms, double count)
{
    w->count += count;
    w->miss += result->miss;
    if (count <= 0 || (w->start_ms > 0 && result->clear_s <= w->clear_s))
        return;
    w->start_ms = start_ms;
    w->clear_s = result->clear_s;
    struct writer limit = writer_of(w->limit, sizeof w->limit - 1);
    if (result->binds != RELEASE_NOTHING_BINDS)
        release_write_lane(&limit, release, result->binds);
    w->limit[limit.size] = '\0';
}

/* Slot after slot, so that what one leaves is in the way of the next. */
bool outlook_look(const struct config *config, const struct adapters *adapters,
                  struct redis_sync *redis, int64_t now_ms,
                  struct outlook_window out[OUTLOOK_WINDOWS])
{
    const struct ring ring = ring_of_config(config);
    struct release *release = calendar_limits(config, adapters);
    struct calendar_slot split;
    bool good = true;
    calendar_slot_init(&split);
    for (uint32_t i = 0; i < OUTLOOK_WINDOWS; i++)
        out[i] = (struct outlook_window){.name = windows[i].name};
    int64_t slot = ring_slot_of(&ring, now_ms) + 1;
    int64_t last = ring_slot_of(&ring, now_ms + windows[OUTLOOK_WINDOWS - 1].ms);
    last = i64_min(last, slot + i64_min(ring.slots, SLOTS_MAX) - 1);
    for (; good && slot <= last; slot++) {
        int64_t start_ms = ring_slot_start_ms(&ring, slot);
        calendar_slot_clear(&split);
        good = calendar_read(redis, ring.slot_ms, slot, &split);
        calendar_charge(&split, 1, release);
        struct release_result result = release_close(release, ring.slot_ms);
        for (uint32_t i = 0; i < OUTLOOK_WINDOWS; i++)
            if (start_ms < now_ms + windows[i].ms)
                take(&out[i], release, &result, start_ms, split.count);
    }
    calendar_slot_free(&split);
    calendar_limits_free(release);
    return good;
}

static void look(struct outlook *o)
{
    char why[REDIS_WHY_SIZE] = "";
    struct outlook_window found[OUTLOOK_WINDOWS];
    int64_t now_ms = clock_wall_ms();
    if (!o->redis)
        o->redis = redis_sync_open(&o->settings.options, why);
    if (!o->redis)
        return; /* others say so */
    if (!outlook_look(atomic_load(&o->config), o->adapters, o->redis, now_ms, found)) {
        log_limited(LOG_WARN, "no_outlook", "why=\"%s\"", redis_sync_why(o->redis));
        redis_sync_close(o->redis);
        o->redis = NULL;
        return;
    }
    pthread_mutex_lock(&o->lock);
    memcpy(o->found, found, sizeof found);
    o->found_ms = now_ms;
    pthread_mutex_unlock(&o->lock);
}

/* True: told to stop. */
static bool wait_for(struct outlook *o, uint32_t seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&o->lock);
    while (!o->stopping && pthread_cond_timedwait(&o->changed, &o->lock, &until) != ETIMEDOUT)
        continue;
    bool stopping = o->stopping;
    pthread_mutex_unlock(&o->lock);
    return stopping;
}

static void *run(void *context)
{
    struct outlook *o = context;
    for (uint32_t s = FIRST_S; !wait_for(o, s); s = EVERY_S)
        look(o);
    return NULL;
}

static void free_outlook(struct outlook *o)
{
    if (o->redis)
        redis_sync_close(o->redis);
    redis_settings_close(&o->settings);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->changed);
    free(o);
}

struct outlook *outlook_open(const struct config *config, const struct adapters *adapters,
                             char why[256])
{
    struct outlook *o = calloc(1, sizeof *o);
    CHECK(o);
    atomic_store(&o->config, config);
    o->adapters = adapters;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->changed, NULL);
    bool good = redis_options_of(config, false, &o->settings, why);
    if (good && pthread_create(&o->thread, NULL, run, o) == 0)
        return o;
    if (good)
        snprintf(why, 256, "the outlook's thread does not start");
    free_outlook(o);
    return NULL;
}

void outlook_close(struct outlook *o)
{
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    pthread_join(o->thread, NULL);
    free_outlook(o);
}

void outlook_reload(struct outlook *o, const struct config *config)
{
    atomic_store(&o->config, config);
}

int64_t outlook_read(struct outlook *o, struct outlook_window out[OUTLOOK_WINDOWS])
{
    pthread_mutex_lock(&o->lock);
    memcpy(out, o->found, sizeof o->found);
    int64_t found_ms = o->found_ms;
    pthread_mutex_unlock(&o->lock);
    return found_ms;
}
