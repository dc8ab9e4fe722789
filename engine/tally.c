#include "tally.h"

#include "base/time.h"
#include "domain/json.h"
#include "domain/pbjson.h"
#include "say.h"

#include <inttypes.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 256 };

static struct tally_row *row_of(struct tally *t, Carillon__V1__OutcomeKind outcome,
                                const char *reason)
{
    char cut[TALLY_REASON_MAX];
    snprintf(cut, sizeof cut, "%s", reason ? reason : "");
    for (uint32_t i = 0; i < t->row_count; i++)
        if (t->rows[i].outcome == outcome && strcmp(t->rows[i].reason, cut) == 0)
            return &t->rows[i];
    struct tally_row *row = &t->rows[t->row_count];
    if (t->row_count == TALLY_ROWS_MAX) {
        snprintf(row->reason, sizeof row->reason, "(others)");
        return row;
    }
    t->row_count++;
    row->outcome = outcome;
    memcpy(row->reason, cut, sizeof cut);
    return row;
}

void tally_add(struct tally *t, const Carillon__V1__Outcome *o)
{
    struct tally_row *row = row_of(t, o->outcome, o->reason);
    row->count++;
    row->dup_risk += o->dup_risk ? 1 : 0;
    t->total++;
    t->dup_risk += o->dup_risk ? 1 : 0;
    t->replays += o->replay ? 1 : 0;
}

static int compare(const void *left, const void *right)
{
    const struct tally_row *a = left, *b = right;
    if (a->outcome != b->outcome)
        return a->outcome < b->outcome ? -1 : 1;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->reason, b->reason);
}

void tally_sort(struct tally *t)
{
    qsort(t->rows, t->row_count, sizeof t->rows[0], compare);
}

static void write_outcome(struct writer *w, Carillon__V1__OutcomeKind outcome)
{
    if (outcome)
        pb_write_enum(w, &carillon__v1__outcome_kind__descriptor, (int)outcome);
    else
        write_literal(w, "unknown");
}

static uint32_t last_row(const struct tally *t)
{
    return t->row_count + (t->rows[TALLY_ROWS_MAX].count > 0);
}

void tally_print_text(const struct tally *t, FILE *out)
{
    for (uint32_t i = 0; i < last_row(t); i++) {
        const struct tally_row *row = &t->rows[i];
        char name[32];
        struct writer w = writer_of(name, sizeof name);
        const char *sentence = say_reason(row->reason);
        write_outcome(&w, row->outcome);
        fprintf(out, "%12" PRIu64 " %6.2f %%  %-10.*s %-26s %s\n", row->count,
                100.0 * (double)row->count / (double)t->total, (int)w.size, w.at, row->reason,
                sentence ? sentence : "");
    }
    fprintf(out, "%12" PRIu64 " in all", t->total);
    if (t->dup_risk > 0)
        fprintf(out, "; %" PRIu64 " may have been sent twice (dup_risk)", t->dup_risk);
    if (t->replays > 0)
        fprintf(out, "; of %" PRIu64 " only a replay tells the end", t->replays);
    fputs("\n", out);
}

static void put_count(struct writer *w, const char *name, uint64_t count)
{
    json_write_key(w, name);
    write_u64(w, count);
}

static void put_time(struct writer *w, const char *name, int64_t ms)
{
    json_write_key(w, name);
    write_char(w, '"');
    time_write(w, ms);
    write_char(w, '"');
}

void tally_print_json(const struct tally *t, int64_t from_ms, int64_t to_ms, FILE *out)
{
    char memory[(TALLY_ROWS_MAX + 2) * LINE_MAX_BYTES];
    struct writer w = writer_of(memory, sizeof memory);
    write_char(&w, '{');
    put_time(&w, "from", from_ms);
    put_time(&w, "to", to_ms);
    put_count(&w, "total", t->total);
    put_count(&w, "dup_risk", t->dup_risk);
    put_count(&w, "replays", t->replays);
    json_write_key(&w, "outcomes");
    write_char(&w, '[');
    for (uint32_t i = 0; i < last_row(t); i++) {
        json_write_comma(&w);
        write_literal(&w, "{\"outcome\":\"");
        write_outcome(&w, t->rows[i].outcome);
        write_literal(&w, "\",\"reason\":");
        json_write_string(&w, bytes_of(t->rows[i].reason));
        put_count(&w, "count", t->rows[i].count);
        put_count(&w, "dup_risk", t->rows[i].dup_risk);
        write_char(&w, '}');
    }
    write_literal(&w, "]}\n");
    CHECK(!w.overflow);
    fwrite(w.at, 1, w.size, out);
}
