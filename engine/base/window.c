/* One bit an offset, in a ring of the window's span: 1 says that the watermark may not pass it.
 * Offsets that were never delivered have no bit, so gaps need no care; what the metadata
 * calls open but is never delivered (compaction took it) loses its bit when a later offset
 * is delivered. Alternatives: a ring in order of delivery needs a search per completion
 * and 8 bytes a record; a list of runs is unbounded. */
#include "base/window.h"

static uint64_t *word_of(const struct window *w, int64_t offset)
{
    return &w->bits[((uint64_t)offset / 64) & (w->words - 1)];
}

static int64_t span(const struct window *w)
{
    return (int64_t)w->words * 64;
}

static uint64_t mask_of(int64_t offset)
{
    return UINT64_C(1) << ((uint64_t)offset % 64);
}

static bool bit(const struct window *w, int64_t offset)
{
    return (*word_of(w, offset) & mask_of(offset)) != 0;
}

/* The first offset in [from, to) whose bit is `set`; `to` where there is none. */
static int64_t find(const struct window *w, int64_t from, int64_t to, bool set)
{
    while (from < to) {
        uint64_t word = *word_of(w, from);
        word = (set ? word : ~word) >> ((uint64_t)from % 64);
        if (word != 0)
            return i64_min(from + __builtin_ctzll(word), to);
        from += 64 - from % 64;
    }
    return to;
}

/* Sets or clears the bits of [from, to). */
static void fill(struct window *w, int64_t from, int64_t to, bool set)
{
    while (from < to) {
        int64_t stop = i64_min(to, from + 64 - from % 64);
        uint64_t mask = (~UINT64_C(0) >> (64 - (stop - from))) << ((uint64_t)from % 64);
        *word_of(w, from) = set ? *word_of(w, from) | mask : *word_of(w, from) & ~mask;
        from = stop;
    }
}

void window_init(struct window *w, uint64_t bits[WINDOW_WORDS], int64_t low)
{
    window_init_words(w, bits, WINDOW_WORDS, low);
}

void window_init_words(struct window *w, uint64_t *bits, uint32_t words, int64_t low)
{
    CHECK(low >= 0 && low < WINDOW_OFFSET_MAX);
    CHECK(words > 0 && words <= WINDOW_WORDS_MAX && (words & (words - 1)) == 0);
    memset(bits, 0, words * sizeof(bits[0]));
    *w = (struct window){.bits = bits, .words = words, .low = low, .delivered = low, .end = low};
}

void window_grow(struct window *w, uint64_t *bits, uint32_t words)
{
    struct window old = *w;
    CHECK(words >= old.words);
    window_init_words(w, bits, words, old.low);
    for (int64_t o = old.low; o < old.end; o++)
        if (bit(&old, o))
            fill(w, o, o + 1, true);
    w->delivered = old.delivered;
    w->end = old.end;
    w->open_count = old.open_count;
}

/* Nothing before `offset` will be delivered any more: what still has a bit there and
 * was not delivered never will be. */
static void pass_to(struct window *w, int64_t offset)
{
    int64_t stop = i64_min(offset, w->end);
    fill(w, w->delivered, stop, false);
    w->delivered = i64_max(w->delivered, stop);
    w->low = find(w, w->low, w->end, true);
    if (w->low == w->end && offset > w->end) /* nothing is open: a gap may be of any length */
        w->low = w->delivered = w->end = offset;
}

enum err window_add(struct window *w, int64_t offset)
{
    if (offset < w->delivered || offset >= WINDOW_OFFSET_MAX)
        return ERR_INVALID;
    pass_to(w, offset);
    if (offset - w->low >= span(w))
        return ERR_AGAIN;
    if (offset < w->end && !bit(w, offset)) {
        pass_to(w, offset + 1);
        return ERR_NOT_FOUND;
    }
    fill(w, offset, offset + 1, true);
    w->delivered = offset + 1;
    w->end = i64_max(w->end, offset + 1);
    w->open_count++;
    return ERR_OK;
}

void window_take_back(struct window *w, int64_t offset)
{
    CHECK(offset == w->delivered - 1 && window_is_open(w, offset));
    w->open_count--;
    w->delivered = offset;
    if (w->end > offset + 1)
        return; /* the metadata calls it open, so its bit stays */
    fill(w, offset, offset + 1, false);
    w->end = offset;
}

void window_complete(struct window *w, int64_t offset)
{
    CHECK(window_is_open(w, offset));
    fill(w, offset, offset + 1, false);
    w->open_count--;
    if (offset == w->low)
        w->low = find(w, w->low, w->end, true);
}

bool window_is_open(const struct window *w, int64_t offset)
{
    return offset >= w->low && offset < w->delivered && bit(w, offset);
}

uint32_t window_room(const struct window *w)
{
    return (uint32_t)(w->low + span(w) - w->delivered);
}

static uint32_t varint_put(uint8_t at[5], uint32_t n)
{
    uint32_t size = 0;
    for (; n >= 0x80; n >>= 7)
        at[size++] = (uint8_t)(n | 0x80);
    at[size++] = (uint8_t)n;
    return size;
}

void window_encode_runs(const struct window *w, size_t max, struct writer *out)
{
    uint8_t runs[3 * 64 + 10]; /* what is whole triples of it goes out in between */
    size_t used = 0, left = max / 4 * 3;
    for (int64_t at = w->low; at < w->end;) {
        int64_t done = find(w, at, w->end, false);
        int64_t next = find(w, done, w->end, true);
        if (next == done)
            break; /* open to the end: that is what absence says, too */
        size_t size = used + varint_put(runs + used, (uint32_t)(done - at));
        size += varint_put(runs + size, (uint32_t)(next - done));
        if (size > left)
            break;
        used = size;
        at = next;
        if (used >= 3 * 64) {
            write_base64url(out, runs, 3 * 64);
            used -= 3 * 64;
            left -= 3 * 64;
            memmove(runs, runs + 3 * 64, used);
        }
    }
    write_base64url(out, runs, used);
}

void window_encode(const struct window *w, struct bytes worker, struct writer *out)
{
    size_t start = out->size;
    worker.size = u64_min(worker.size, WINDOW_WORKER_MAX);
    write_literal(out, "1|");
    for (size_t i = 0; i < worker.size; i++)
        write_char(out, worker.at[i] == '|' ? '_' : worker.at[i]);
    write_char(out, '|');
    window_encode_runs(w, WINDOW_METADATA_MAX - (worker.size + 3), out);
    CHECK(out->overflow || out->size - start <= WINDOW_METADATA_MAX);
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Pairs of (open, done) runs, as they are taken from their text. */
struct runs {
    struct bytes text;
    size_t at;
    uint32_t held, bits;
    int64_t open, done; /* of the pair taken last */
};

static bool byte_take(struct runs *r, uint8_t *byte)
{
    for (; r->bits < 8; r->bits += 6) {
        if (r->at == r->text.size)
            return false;
        r->held = (r->held << 6 | (uint32_t)base64url_value(r->text.at[r->at++])) & 0xffff;
    }
    r->bits -= 8;
    *byte = (uint8_t)(r->held >> r->bits);
    return true;
}

/* The next run, whose first byte was taken; refuses 0 and what no window could hold (4 bytes
 * say 64 x WINDOW_WORDS_MAX and more). */
static enum err varint_take(struct runs *r, uint8_t byte, int64_t *n)
{
    *n = 0;
    for (uint32_t shift = 0; shift < 28; shift += 7) {
        *n |= (int64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return *n == 0 ? ERR_INVALID : ERR_OK;
        if (!byte_take(r, &byte))
            return ERR_INVALID;
    }
    return ERR_INVALID;
}

/* ERR_NOT_FOUND: there is none more. */
static enum err pair_take(struct runs *r)
{
    uint8_t byte;
    if (!byte_take(r, &byte))
        return ERR_NOT_FOUND;
    enum err err = varint_take(r, byte, &r->open);
    if (err == ERR_OK)
        err = byte_take(r, &byte) ? varint_take(r, byte, &r->done) : ERR_INVALID;
    return err;
}

/* How many offsets the runs cover; -1: no text of runs. */
static int64_t runs_span(struct bytes text)
{
    struct runs runs = {.text = text};
    int64_t sum = 0;
    if (text.size % 4 == 1)
        return -1;
    for (size_t i = 0; i < text.size; i++)
        if (base64url_value(text.at[i]) < 0)
            return -1;
    enum err err;
    while ((err = pair_take(&runs)) == ERR_OK)
        sum += runs.open + runs.done;
    return err == ERR_NOT_FOUND ? sum : -1;
}

/* What is done in [from, to) is done here, too; before it lies what may be open. */
static void mark_done(struct window *w, int64_t from, int64_t to)
{
    from = i64_max(from, w->low);
    if (to <= from)
        return;
    if (from > w->end)
        fill(w, w->end, from, true);
    w->end = i64_max(w->end, to);
    fill(w, from, to, false);
}

static void apply_runs(struct window *w, int64_t at, struct bytes text)
{
    struct runs runs = {.text = text};
    while (pair_take(&runs) == ERR_OK) {
        mark_done(w, at + runs.open, at + runs.open + runs.done);
        at += runs.open + runs.done;
    }
}

/* Takes the metadata apart: the worker's name and the runs. */
static enum err split(struct bytes metadata, struct bytes *worker, struct bytes *runs)
{
    if (metadata.size < 3 || metadata.size > WINDOW_METADATA_MAX || metadata.at[0] != '1' ||
        metadata.at[1] != '|')
        return ERR_INVALID;
    struct bytes name = {metadata.at + 2, metadata.size - 2};
    const char *bar = memchr(name.at, '|', name.size);
    if (!bar || bar - name.at > WINDOW_WORKER_MAX)
        return ERR_INVALID;
    *worker = (struct bytes){name.at, (size_t)(bar - name.at)};
    *runs = (struct bytes){bar + 1, (size_t)(name.at + name.size - (bar + 1))};
    return ERR_OK;
}

enum err window_decode(struct window *w, struct bytes metadata, struct bytes *worker)
{
    struct bytes name, runs;
    CHECK(w->low == w->end);
    enum err err = split(metadata, &name, &runs);
    if (err != ERR_OK)
        return err;
    int64_t covered = runs_span(runs);
    if (covered < 0 || covered > span(w))
        return ERR_INVALID;
    apply_runs(w, w->low, runs);
    if (worker)
        *worker = name;
    return ERR_OK;
}

enum err window_runs_end(struct bytes runs, int64_t base, int64_t *end)
{
    int64_t covered = runs_span(runs);
    if (covered < 0 || base < 0 || base >= WINDOW_OFFSET_MAX)
        return ERR_INVALID;
    *end = base + covered;
    return ERR_OK;
}

void window_decode_runs(struct window *w, int64_t base, struct bytes runs)
{
    int64_t end;
    CHECK(w->delivered == w->low && window_runs_end(runs, base, &end) == ERR_OK);
    CHECK(end - w->low <= span(w));
    mark_done(w, w->low, base);
    apply_runs(w, base, runs);
    w->low = w->delivered = find(w, w->low, w->end, true);
}

uint32_t window_words_of(int64_t offsets)
{
    uint32_t words = 1;
    while ((int64_t)words * 64 < offsets)
        if ((words *= 2) > WINDOW_WORDS_MAX)
            return 0;
    return words;
}

uint32_t window_words_for(struct bytes metadata)
{
    struct bytes name, runs;
    int64_t covered = split(metadata, &name, &runs) == ERR_OK ? runs_span(runs) : -1;
    return covered < 0 ? 0 : window_words_of(covered);
}

void window_validate(const struct window *w)
{
    uint32_t open = 0, bits = 0;
    /* Above what was delivered the metadata may know of more that is done: low passes it. */
    CHECK(w->low <= w->end && w->delivered <= w->end);
    CHECK(w->end - w->low <= span(w));
    CHECK(w->low == w->end || bit(w, w->low));
    for (int64_t o = w->low; o < w->end; o++) {
        bits += bit(w, o);
        open += window_is_open(w, o);
    }
    CHECK(open == w->open_count);
    for (uint32_t i = 0; i < w->words; i++)
        bits -= (uint32_t)__builtin_popcountll(w->bits[i]);
    CHECK(bits == 0); /* none outside */
}
