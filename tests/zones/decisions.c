/* Prints what the engine decides about zones and windows, for decisions.py, which holds
 * it against its own reading. Arguments are windows ("22:00-06:00"). Each line of
 * standard input is a zone's name (or `=CA+US`: all zones of these countries) and
 * milliseconds; each line of output: the offset in seconds, and for every window when it
 * is open next and when it closes next (`-`: it never does). A zone that is not known
 * gives `unknown`. */
#include "domain/hours.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WINDOWS_MAX = 32 };

static struct hours_window window_of(const char *text)
{
    struct hours_window w;
    if (strlen(text) != 11 ||
        hours_minute_parse((struct bytes){text, 5}, false, &w.start_minute) != ERR_OK ||
        hours_minute_parse((struct bytes){text + 6, 5}, true, &w.end_minute) != ERR_OK)
        exit(64);
    return w;
}

static void print(int64_t ms)
{
    if (ms == HOURS_NEVER)
        printf(" -");
    else
        printf(" %" PRId64, ms);
}

static void decide(struct zone_set set, int64_t ms, const struct hours_window *windows,
                   uint32_t count)
{
    printf("%" PRId32, zone_offset_s(set.at[0], ms));
    for (uint32_t i = 0; i < count; i++) {
        struct hours hours = {.windows = &windows[i], .window_count = 1};
        int64_t open_ms = hours_next_open_ms(&hours, set, ms, ms + INT64_C(4) * 86400 * 1000);
        CHECK((open_ms != ms) == hours_closed_at(&hours, set, ms));
        print(open_ms);
        print(hours_next_close_ms(&hours, set, ms));
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    static char memory[64 * 1024];
    struct hours_window windows[WINDOWS_MAX];
    uint32_t count = 0;
    for (int i = 1; i < argc && count < WINDOWS_MAX; i++)
        windows[count++] = window_of(argv[i]);
    struct zones *zones = zones_open();
    if (!zones)
        return 69;
    char name[128];
    int64_t ms;
    while (scanf("%127s %" SCNd64, name, &ms) == 2) {
        struct arena arena = arena_of(memory, sizeof memory);
        const struct zone *zone = name[0] == '=' ? NULL : zone_find(zones, bytes_of(name));
        struct zone_set set = name[0] == '=' ? zones_of_countries(zones, bytes_of(name + 1), &arena)
                                             : (struct zone_set){&zone, zone != NULL};
        if (set.count == 0)
            printf("unknown\n");
        else
            decide(set, ms, windows, count);
    }
    zones_close(zones);
    return 0;
}
