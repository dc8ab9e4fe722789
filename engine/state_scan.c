#include "state_scan.h"

#include "clients.h"
#include "command.h"
#include "commands.h"
#include "domain/state_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUN_ID_SIZE = 40 };

struct reading {
    const struct state_scan *scan;
    struct reader *reader;
    char *topic;
    char run_id[RUN_ID_SIZE];
    char why[KAFKA_WHY_SIZE];
};

static bool read_run_id(struct reading *r)
{
    static const char name[] = "run_id:";
    struct bytes text;
    if (!state_writer_ask(r->scan->writer, (struct bytes[]){BYTES("INFO"), BYTES("server")}, 2,
                          &text))
        return false;
    const char *at = text.size > 0 ? memmem(text.at, text.size, name, sizeof name - 1) : NULL;
    if (at && (size_t)(text.at + text.size - at) >= sizeof name - 1 + RUN_ID_SIZE)
        memcpy(r->run_id, at + sizeof name - 1, RUN_ID_SIZE);
    return true;
}

/* How far this life of Redis has the partition: `run_id|next`, with `~` before it while the
 * group has not committed yet. */
static bool read_mark(struct reading *r, int32_t partition, int64_t *next)
{
    char name[300], key[STATE_MARK_KEY_MAX];
    struct writer w = writer_of(name, sizeof name), k = writer_of(key, sizeof key);
    struct bytes mark;
    *next = 0;
    write_text(&w, r->topic);
    write_format(&w, "/%d", partition);
    state_mark_key(writer_bytes(&w), &k);
    if (w.overflow || k.overflow)
        return true;
    if (!state_writer_read(r->scan->writer, writer_bytes(&k), &mark))
        return false;
    if (mark.size > 0 && mark.at[0] == '~')
        mark = (struct bytes){mark.at + 1, mark.size - 1};
    char number[24] = "";
    if (mark.size <= RUN_ID_SIZE || mark.at[RUN_ID_SIZE] != '|' ||
        memcmp(mark.at, r->run_id, RUN_ID_SIZE) != 0 || mark.size - RUN_ID_SIZE > sizeof number)
        return true;
    memcpy(number, mark.at + RUN_ID_SIZE + 1, mark.size - RUN_ID_SIZE - 1);
    *next = i64_max(0, strtoll(number, NULL, 10));
    return true;
}

static int away(struct reading *r)
{
    command_kafka_away(r->scan->config, r->why[0] ? r->why : "no broker answers");
    return EXIT_AWAY;
}

static int find_ranges(struct reading *r, struct reader_range *ranges, uint32_t *count)
{
    uint32_t partitions = reader_partitions(r->reader);
    struct bytes key = r->scan->key;
    int32_t only = key.size > 0 ? reader_partition_of(key, partitions) : -1;
    for (int32_t i = 0; i < (int32_t)partitions; i++) {
        int64_t next = 0;
        if (only >= 0 && only != i)
            continue;
        if (reader_find(r->reader, i, 0, &ranges[*count], r->why) != ERR_OK)
            return away(r);
        if (r->scan->writer && !read_mark(r, i, &next))
            return EXIT_AWAY;
        ranges[*count].from = i64_max(ranges[*count].from, next);
        *count += 1;
    }
    return EXIT_DONE;
}

static int read_ranges(struct reading *r, const struct reader_range *ranges, uint32_t count,
                       struct latest *out)
{
    const struct state_scan *scan = r->scan;
    struct reader_record at;
    struct progress progress = {0};
    uint64_t records = 0;
    enum err err = reader_start(r->reader, ranges, count, r->why);
    while (err == ERR_OK || err == ERR_AGAIN) {
        err = reader_take(r->reader, &at);
        progress_show(&progress, "%" PRIu64 " records of %s read", records, r->topic);
        if (err != ERR_OK)
            continue;
        records++;
        struct bytes key = at.record.key;
        bool wanted = scan->key.size > 0 ? bytes_equal(key, scan->key)
                                         : !scan->wants || scan->wants(scan->context, key);
        if (wanted && key.size > 0 && scan->take)
            scan->take(scan->context, key, at.record.value);
        else if (wanted && key.size > 0)
            latest_put(out, key, at.record.value, at.offset);
    }
    progress_end(&progress);
    return err == ERR_NOT_FOUND ? EXIT_DONE : away(r);
}

int state_scan(const struct state_scan *scan, struct latest *out)
{
    struct reading r = {.scan = scan};
    int exit_code = EXIT_DONE;
    uint32_t count = 0;
    r.reader = command_reader(scan->config, state_topic_names[scan->topic], &exit_code);
    if (!r.reader)
        return exit_code;
    r.topic = topic_name_of(scan->config, state_topic_names[scan->topic]);
    struct reader_range *ranges = calloc(reader_partitions(r.reader), sizeof *ranges);
    CHECK(ranges);
    exit_code = EXIT_DONE;
    if (scan->writer && !read_run_id(&r))
        exit_code = EXIT_AWAY;
    if (exit_code == EXIT_DONE)
        exit_code = find_ranges(&r, ranges, &count);
    if (exit_code == EXIT_DONE)
        exit_code = read_ranges(&r, ranges, count, out);
    free(ranges);
    free(r.topic);
    reader_close(r.reader);
    return exit_code;
}
