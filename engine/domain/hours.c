/* Each zone says until when it is closed; the latest of these is asked again, until all
 * are open at one instant or the limit is reached. A window is looked for on the days
 * around the instant, because it may have begun the day before and because the clock may
 * be set back over midnight. */
#include "domain/hours.h"

#include "base/time.h"

enum {
    MINUTES_PER_DAY = 24 * 60,
    MS_PER_MINUTE = 60 * 1000,
    DAYS_BEFORE = 2, /* of a window that still closes: it began yesterday, and the clock was
                        set back over midnight */
    DAYS_AFTER = 1,
    LEGAL_DAYS_MAX = 370, /* every weekday and holiday has come once */
};

/* A zone around one instant. */
struct place {
    const struct zone *zone;
    int64_t day;       /* that the wall clock shows there */
    int64_t offset_ms; /* while steady */
    bool steady;       /* the offset stays for all days that are looked at */
};

static struct place place_at(const struct zone *zone, int64_t utc_ms)
{
    const int64_t reach_ms = (DAYS_BEFORE + 3) * TIME_DAY_MS;
    struct zone_span span = zone_span_at(zone, utc_ms);
    int64_t offset_ms = (int64_t)span.offset_s * 1000, wall_ms = utc_ms + offset_ms;
    return (struct place){
        .zone = zone,
        .day = wall_ms / TIME_DAY_MS - (wall_ms % TIME_DAY_MS < 0),
        .offset_ms = offset_ms,
        .steady = utc_ms - reach_ms >= span.from_ms && utc_ms + reach_ms < span.until_ms,
    };
}

static int64_t wall_of(int64_t day, uint32_t minute)
{
    return day * TIME_DAY_MS + (int64_t)minute * MS_PER_MINUTE;
}

static int64_t first_of(const struct place *place, int64_t wall_ms)
{
    return place->steady ? wall_ms - place->offset_ms : zone_first_ms(place->zone, wall_ms);
}

static int64_t last_of(const struct place *place, int64_t wall_ms)
{
    return place->steady ? wall_ms - place->offset_ms : zone_last_ms(place->zone, wall_ms);
}

struct interval {
    int64_t from_ms, until_ms;
};

/* The window that begins on that day: closed. */
static struct interval window_on(const struct place *place, struct hours_window w, int64_t day)
{
    bool over_midnight = w.end_minute <= w.start_minute;
    return (struct interval){
        first_of(place, wall_of(day, w.start_minute)),
        last_of(place, wall_of(day + over_midnight, w.end_minute)),
    };
}

/* The legal hours of that day: open; nothing where until <= from. */
static struct interval legal_on(const struct legal_hours *legal, const struct zone *zone,
                                int64_t day)
{
    struct legal_day hours = legal_day_of(legal, day);
    if (hours.open_minute == hours.close_minute)
        return (struct interval){0, 0};
    return (struct interval){
        zone_last_ms(zone, wall_of(day, hours.open_minute)),
        zone_first_ms(zone, wall_of(day, hours.close_minute)),
    };
}

/* While the offset stays, every day has the same windows. */
static int64_t steady_end_ms(const struct place *place, struct hours_window w, int64_t utc_ms)
{
    int64_t today_ms = place->day * TIME_DAY_MS - place->offset_ms, of_day_ms = utc_ms - today_ms;
    int64_t start_ms = (int64_t)w.start_minute * MS_PER_MINUTE;
    int64_t end_ms = (int64_t)w.end_minute * MS_PER_MINUTE;
    if (end_ms > start_ms)
        return of_day_ms >= start_ms && of_day_ms < end_ms ? today_ms + end_ms : utc_ms;
    if (of_day_ms < end_ms)
        return today_ms + end_ms;
    return of_day_ms >= start_ms ? today_ms + TIME_DAY_MS + end_ms : utc_ms;
}

/* When the window that holds the instant ends; the instant itself where none does. */
static int64_t window_end_ms(const struct place *place, struct hours_window w, int64_t utc_ms)
{
    if (place->steady)
        return steady_end_ms(place, w, utc_ms);
    for (int64_t day = place->day - DAYS_BEFORE; day <= place->day + DAYS_AFTER; day++) {
        struct interval closed = window_on(place, w, day);
        if (closed.from_ms <= utc_ms && utc_ms < closed.until_ms)
            return closed.until_ms;
    }
    return utc_ms;
}

/* The first instant >= utc_ms inside the legal hours of one zone. */
static int64_t legal_open_ms(const struct legal_hours *legal, const struct zone *zone,
                             int64_t utc_ms)
{
    int64_t today = place_at(zone, utc_ms).day;
    for (int64_t day = today - 1; day < today + LEGAL_DAYS_MAX; day++) {
        struct interval open = legal_on(legal, zone, day);
        if (open.from_ms < open.until_ms && utc_ms < open.until_ms)
            return i64_max(utc_ms, open.from_ms);
    }
    return HOURS_NEVER;
}

/* The first instant >= utc_ms at which this zone may be open. */
static int64_t zone_open_ms(const struct hours *hours, const struct zone *zone, int64_t utc_ms)
{
    struct place place = place_at(zone, utc_ms);
    int64_t open_ms = utc_ms;
    for (uint32_t i = 0; i < hours->window_count; i++)
        open_ms = i64_max(open_ms, window_end_ms(&place, hours->windows[i], utc_ms));
    if (hours->legal)
        open_ms = i64_max(open_ms, legal_open_ms(hours->legal, zone, utc_ms));
    return open_ms;
}

bool hours_closed_at(const struct hours *hours, struct zone_set zones, int64_t utc_ms)
{
    for (uint32_t i = 0; i < zones.count; i++)
        if (zone_open_ms(hours, zones.at[i], utc_ms) != utc_ms)
            return true;
    return false;
}

int64_t hours_next_open_ms(const struct hours *hours, struct zone_set zones, int64_t from_ms,
                           int64_t limit_ms)
{
    int64_t open_ms = from_ms;
    uint32_t agreed = 0; /* zones in a row that are open at open_ms */
    for (uint32_t i = 0; agreed < zones.count && open_ms < limit_ms; i = (i + 1) % zones.count) {
        int64_t later_ms = zone_open_ms(hours, zones.at[i], open_ms);
        agreed = later_ms == open_ms ? agreed + 1 : 0;
        open_ms = later_ms;
    }
    return open_ms < limit_ms ? open_ms : HOURS_NEVER;
}

/* The next start of the window after an instant outside it. */
static int64_t window_start_ms(const struct place *place, struct hours_window w, int64_t utc_ms)
{
    if (place->steady) {
        int64_t start_ms = wall_of(place->day, w.start_minute) - place->offset_ms;
        return start_ms >= utc_ms ? start_ms : start_ms + TIME_DAY_MS;
    }
    for (int64_t day = place->day - 1; day <= place->day + 2; day++) {
        struct interval closed = window_on(place, w, day);
        if (closed.from_ms >= utc_ms && closed.from_ms < closed.until_ms)
            return closed.from_ms;
    }
    return HOURS_NEVER;
}

/* The end of the legal hours that hold the instant. */
static int64_t legal_close_ms(const struct legal_hours *legal, const struct zone *zone,
                              int64_t utc_ms)
{
    int64_t today = place_at(zone, utc_ms).day;
    int64_t close_ms = utc_ms;
    for (int64_t day = today - 1; day < today + LEGAL_DAYS_MAX; day++) {
        struct interval open = legal_on(legal, zone, day);
        if (open.from_ms <= close_ms && close_ms < open.until_ms)
            close_ms = open.until_ms; /* a day open until 24:00 goes on in the next */
        else if (open.from_ms > close_ms)
            return close_ms;
    }
    return HOURS_NEVER;
}

int64_t hours_next_close_ms(const struct hours *hours, struct zone_set zones, int64_t from_ms)
{
    int64_t close_ms = HOURS_NEVER;
    if (hours_closed_at(hours, zones, from_ms))
        return from_ms;
    for (uint32_t i = 0; i < zones.count; i++) {
        struct place place = place_at(zones.at[i], from_ms);
        for (uint32_t w = 0; w < hours->window_count; w++)
            close_ms = i64_min(close_ms, window_start_ms(&place, hours->windows[w], from_ms));
        if (hours->legal)
            close_ms = i64_min(close_ms, legal_close_ms(hours->legal, zones.at[i], from_ms));
    }
    return close_ms;
}

enum err hours_minute_parse(struct bytes text, bool is_end, uint16_t *minute)
{
    if (text.size != 5 || text.at[2] != ':')
        return ERR_INVALID;
    uint32_t digits[4];
    for (size_t i = 0, n = 0; i < 5; i++) {
        if (i == 2)
            continue;
        if (text.at[i] < '0' || text.at[i] > '9')
            return ERR_INVALID;
        digits[n++] = (uint32_t)(text.at[i] - '0');
    }
    uint32_t hour = digits[0] * 10 + digits[1], min = digits[2] * 10 + digits[3];
    uint32_t of_day = hour * 60 + min;
    if (min > 59 || of_day > MINUTES_PER_DAY || (of_day == MINUTES_PER_DAY && !is_end))
        return ERR_INVALID;
    *minute = (uint16_t)of_day;
    return ERR_OK;
}
