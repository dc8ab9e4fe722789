/* A Redis of one key, enough for the claim protocol: SET with NX, GET and PX, GET, and
 * the functions takeover, swap, settle, restore, written after their Lua text. The
 * contract test holds it against a real Redis. */
#pragma once

#include "domain/claim.h"

#include <stdlib.h>

struct redis_model {
    int64_t now_ms, expires_ms;
    uint32_t size; /* 0: no key */
    char value[CLAIM_VALUE_MAX];
};

struct redis_model_answer {
    struct claim_answer answer;
    char text[CLAIM_VALUE_MAX]; /* what answer.text points to */
};

struct model_fields {
    uint32_t count;
    struct bytes at[16];
};

static inline bool model_is(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_of(text));
}

static inline struct model_fields model_fields(struct bytes v)
{
    struct model_fields f = {0};
    size_t start = 0;
    for (size_t i = 0; i <= v.size && f.count < 16; i++)
        if (i == v.size || v.at[i] == '|') {
            f.at[f.count++] = (struct bytes){v.at + start, i - start};
            start = i + 1;
        }
    return f;
}

static inline int64_t model_number(const struct model_fields *f, uint32_t index)
{
    char text[32] = {0};
    if (index >= f->count || f->at[index].size >= sizeof(text))
        return 0;
    memcpy(text, f->at[index].at, f->at[index].size);
    return strtoll(text, NULL, 10);
}

static inline int64_t model_integer(struct bytes b)
{
    char text[32] = {0};
    if (b.size < sizeof(text))
        memcpy(text, b.at, b.size);
    return strtoll(text, NULL, 10);
}

static inline bool model_own(const struct model_fields *x, const struct model_fields *y)
{
    return x->count > 2 && y->count > 2 && bytes_equal(x->at[1], y->at[1]) &&
           bytes_equal(x->at[2], y->at[2]);
}

static inline void model_put(struct redis_model *m, struct bytes value, struct bytes ttl)
{
    CHECK(value.size <= sizeof(m->value));
    memmove(m->value, value.at, value.size);
    m->size = (uint32_t)value.size;
    m->expires_ms = m->now_ms + model_integer(ttl);
}

static inline void model_expire(struct redis_model *m)
{
    if (m->size > 0 && m->expires_ms <= m->now_ms)
        m->size = 0;
}

static inline void model_tag(struct redis_model_answer *out, struct bytes tag, struct bytes text)
{
    out->answer.kind = CLAIM_ANSWER_TAG;
    out->answer.tag = tag;
    CHECK(text.size <= sizeof(out->text));
    if (text.size > 0)
        memcpy(out->text, text.at, text.size);
    out->answer.text = (struct bytes){out->text, text.size};
}

static inline void model_text(struct redis_model_answer *out, struct bytes text)
{
    model_tag(out, (struct bytes){0}, text);
    out->answer.kind = text.size > 0 ? CLAIM_ANSWER_TEXT : CLAIM_ANSWER_NIL;
}

static inline void model_takeover(struct redis_model *m, const struct bytes *a,
                                  struct redis_model_answer *out)
{
    struct bytes cur = {m->value, m->size};
    if (cur.size == 0)
        model_tag(out, BYTES("GONE"), (struct bytes){0});
    else if (cur.size < 2 || memcmp(cur.at, "C|", 2) != 0)
        model_tag(out, BYTES("DONE"), cur);
    else if (!bytes_equal(cur, a[0]))
        model_tag(out, BYTES("CHANGED"), cur);
    else {
        struct model_fields f = model_fields(cur);
        struct bytes last = f.at[f.count - 1];
        bool digits = last.size > 0;
        for (size_t i = 0; i < last.size; i++)
            digits = digits && last.at[i] >= '0' && last.at[i] <= '9';
        if (!digits) {
            model_tag(out, BYTES("CORRUPT"), cur);
            return;
        }
        int64_t deadline = model_integer(last);
        int64_t left = deadline + model_integer(a[3]) - m->now_ms;
        if (deadline > 0 && left > 0) {
            model_tag(out, BYTES("BUSY"), (struct bytes){0});
            out->answer.number = left;
            return;
        }
        model_tag(out, deadline > 0 ? BYTES("AMBIG") : BYTES("FREE"), cur);
        model_put(m, a[1], a[2]);
    }
}

static inline void model_swap(struct redis_model *m, const struct bytes *a,
                              struct redis_model_answer *out)
{
    struct bytes cur = {m->value, m->size};
    if (cur.size == 0)
        model_tag(out, BYTES("GONE"), (struct bytes){0});
    else if (!bytes_equal(cur, a[0]))
        model_tag(out, BYTES("CHANGED"), cur);
    else {
        if (a[1].size == 0)
            m->size = 0;
        else
            model_put(m, a[1], a[2]);
        model_tag(out, BYTES("OK"), (struct bytes){0});
    }
}

static inline void model_settle(struct redis_model *m, const struct bytes *a,
                                struct redis_model_answer *out)
{
    struct bytes cur = {m->value, m->size};
    struct model_fields new = model_fields(a[0]), old = {0};
    if (cur.size > 0)
        old = model_fields(cur);
    int64_t risk = model_number(&new, 5), seen = model_number(&old, 5);
    int64_t attempts = model_number(&new, 4), before = model_number(&old, 4);
    bool own = model_own(&old, &new);
    if (own && model_is(old.at[0], "X")) {
        model_tag(out, BYTES("X"), cur);
        return;
    }
    if (own && bytes_equal(old.at[3], new.at[3])) {
        attempts = i64_max(attempts, before);
        risk = i64_max(risk, seen);
    } else if (own) {
        attempts += before;
        risk = i64_max(risk, seen) + 1;
    } else {
        risk++;
    }
    char text[CLAIM_VALUE_MAX];
    struct writer w = writer_of(text, sizeof(text));
    for (uint32_t i = 0; i < new.count; i++) {
        if (i > 0)
            write_char(&w, '|');
        if (i == 4)
            write_i64(&w, attempts);
        else if (i == 5)
            write_i64(&w, risk);
        else
            write_slice(&w, new.at[i]);
    }
    model_put(m, writer_bytes(&w), a[1]);
    model_tag(out, BYTES("OK"), writer_bytes(&w));
}

static inline void model_restore(struct redis_model *m, const struct bytes *a,
                                 struct redis_model_answer *out)
{
    struct bytes cur = {m->value, m->size};
    if (cur.size > 0) {
        struct model_fields old = model_fields(cur), new = model_fields(a[0]);
        bool older =
            model_is(old.at[0], "C") && model_own(&old, &new) &&
            (!model_is(new.at[0], "C") ||
             (bytes_equal(old.at[3], new.at[3]) && model_number(&old, 5) <= model_number(&new, 5)));
        if (!older) {
            model_tag(out, BYTES("CHANGED"), cur);
            return;
        }
    }
    model_put(m, a[0], a[1]);
    model_tag(out, BYTES("OK"), a[0]);
}

/* Runs one command of the protocol. */
static inline void redis_model_run(struct redis_model *m, const struct claim_command *c,
                                   struct redis_model_answer *out)
{
    const struct bytes *arg = c->arg;
    memset(&out->answer, 0, sizeof(out->answer));
    model_expire(m);
    if (model_is(arg[0], "GET")) {
        model_text(out, (struct bytes){m->value, m->size});
    } else if (model_is(arg[0], "SET")) {
        bool only_new = model_is(arg[3], "NX"), any = m->size > 0;
        model_text(out, (struct bytes){m->value, m->size});
        CHECK(model_is(arg[c->arg_count - 2], "PX"));
        if (!only_new || !any)
            model_put(m, arg[2], arg[c->arg_count - 1]);
    } else {
        CHECK(model_is(arg[0], "FCALL"));
        if (model_is(arg[1], "takeover"))
            model_takeover(m, arg + 4, out);
        else if (model_is(arg[1], "swap"))
            model_swap(m, arg + 4, out);
        else if (model_is(arg[1], "settle"))
            model_settle(m, arg + 4, out);
        else
            model_restore(m, arg + 4, out);
    }
}
