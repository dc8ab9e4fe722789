/* From values to a request: the hot path. The rest of the arena is written into from its
 * front; filters that make new bytes use its upper half for a moment. */
#include "domain/adapter_program.h"

#include "base/time.h"
#include "domain/json.h"

static const char *const value_fields[] = {
#define X(name, word, field) [VALUE_##name] = field,
    ADAPTER_VALUE_LIST(X)
#undef X
};

struct rendering {
    const struct adapter_values *values;
    struct writer w;
    uint32_t media; /* the one that ${media} stands for */
    bool invalid;
    const char *field;
};

static void refuse(struct rendering *r, const char *field)
{
    if (!r->invalid)
        r->field = field;
    r->invalid = true;
}

/* Values that end in a header or subject, here or at the provider. */
static void check_values(struct rendering *r, uint32_t used)
{
    for (uint32_t i = VALUE_TO; i <= VALUE_UNSUBSCRIBE_URL; i++)
        if ((used & (1u << i)) && !adapter_header_safe(r->values->at[i]))
            refuse(r, value_fields[i]);
}

static bool is_present(const struct rendering *r, uint32_t when)
{
    if (when == WHEN_ALWAYS)
        return true;
    return when == WHEN_MEDIA ? r->values->media_count > 0 : r->values->at[when].size > 0;
}

static bool is_empty(const struct rendering *r, const struct adapter_text *text)
{
    if (!text->names_values || text->keep)
        return false;
    for (uint32_t i = 0; i < text->count; i++) {
        const struct piece *p = &text->pieces[i];
        if (p->kind == PIECE_LITERAL)
            continue;
        if (p->kind == PIECE_VALUE   ? r->values->at[p->value].size > 0
            : p->kind == PIECE_MEDIA ? r->values->media_count > 0
                                     : r->values->expires_ms > 0)
            return false;
    }
    return true;
}

static uint64_t number_of(const struct rendering *r, const struct piece *p)
{
    int64_t left = i64_max(r->values->expires_ms - r->values->now_ms, 1);
    int64_t n = r->values->expires_ms / 1000;
    if (p->kind == PIECE_TTL_MS)
        n = left;
    else if (p->kind == PIECE_TTL_S)
        n = i64_max(left / 1000, 1); /* 0 means "for ever" to some */
    else if (p->kind == PIECE_TTL_MINUTES)
        n = i64_max(left / 60000, 1);
    return p->filter == FILTER_MOST ? u64_min((uint64_t)n, p->most) : (uint64_t)n;
}

/* The argument is a=b,c=d. */
static struct bytes mapped(struct bytes map, struct bytes word)
{
    while (map.size > 0) {
        const char *comma = memchr(map.at, ',', map.size);
        size_t size = comma ? (size_t)(comma - map.at) : map.size;
        if (size > word.size && map.at[word.size] == '=' && memcmp(map.at, word.at, word.size) == 0)
            return (struct bytes){map.at + word.size + 1, size - word.size - 1};
        size += comma != NULL;
        map = (struct bytes){map.at + size, map.size - size};
    }
    return (struct bytes){0};
}

static void join_media(const struct rendering *r, struct bytes between, struct writer *w)
{
    for (uint32_t i = 0; i < r->values->media_count; i++) {
        if (i > 0)
            write_slice(w, between);
        write_slice(w, r->values->media[i]);
    }
}

/* The bytes that a piece stands for; in `scratch` where they are made here. */
static struct bytes bytes_of_piece(const struct rendering *r, const struct piece *p,
                                   struct writer *scratch)
{
    struct bytes text = p->kind == PIECE_MEDIA && p->filter == FILTER_NONE
                            ? r->values->media[r->media]
                            : r->values->at[p->value];
    if (p->kind != PIECE_VALUE && p->kind != PIECE_MEDIA) {
        if (r->values->expires_ms <= 0)
            return (struct bytes){0};
        if (p->kind == PIECE_EXPIRES_ISO8601)
            time_write(scratch, r->values->expires_ms);
        else
            write_u64(scratch, number_of(r, p));
        return writer_bytes(scratch);
    }
    switch (p->filter) {
    case FILTER_NONE:
    case FILTER_MOST:
        return text;
    case FILTER_E164_NOPLUS:
        return text.size > 0 && text.at[0] == '+' ? (struct bytes){text.at + 1, text.size - 1}
                                                  : text;
    case FILTER_E164_PLUS:
        if (text.size == 0 || text.at[0] == '+')
            return text;
        write_char(scratch, '+');
        write_slice(scratch, text);
        break;
    case FILTER_JSON_STRING:
        json_write_string(scratch, text);
        break;
    case FILTER_BASE64:
        write_base64(scratch, text.at, text.size);
        break;
    case FILTER_MAP:
        return mapped(p->text, text);
    case FILTER_JOIN:
        join_media(r, p->text, scratch);
        break;
    }
    return writer_bytes(scratch);
}

static void write_piece(struct rendering *r, enum encoding encoding, const struct piece *p)
{
    if (p->kind == PIECE_LITERAL) {
        write_slice(&r->w, p->text);
        return;
    }
    if (p->kind == PIECE_VALUE && p->filter == FILTER_NONE) {
        adapter_encode(&r->w, encoding, r->values->at[p->value]);
        return;
    }
    size_t half = (r->w.max - r->w.size) / 2;
    struct writer scratch = writer_of(r->w.at + r->w.max - half, half);
    struct bytes text = bytes_of_piece(r, p, &scratch);
    size_t max = r->w.max;
    r->w.max -= half;
    adapter_encode(&r->w, encoding, text);
    r->w.max = max;
    r->w.overflow = r->w.overflow || scratch.overflow;
}

static void write_pieces(struct rendering *r, enum encoding encoding,
                         const struct adapter_text *text)
{
    for (uint32_t i = 0; i < text->count; i++)
        write_piece(r, encoding, &text->pieces[i]);
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)? */
static bool is_number(struct bytes text)
{
    size_t i = text.size > 0 && text.at[0] == '-', begin = i;
    while (i < text.size && text.at[i] >= '0' && text.at[i] <= '9')
        i++;
    if (i == begin || (text.at[begin] == '0' && i > begin + 1))
        return false;
    if (i == text.size)
        return true;
    size_t point = i++;
    while (i < text.size && text.at[i] >= '0' && text.at[i] <= '9')
        i++;
    return text.at[point] == '.' && i == text.size && i > point + 1;
}

static void write_json_value(struct rendering *r, const struct step *step)
{
    if (step->as == AS_TEXT)
        write_char(&r->w, '"');
    size_t begin = r->w.size;
    write_pieces(r, ENCODE_JSON, &step->text);
    if (step->as == AS_TEXT)
        write_char(&r->w, '"');
    else if (step->as == AS_NUMBER && !r->w.overflow &&
             !is_number((struct bytes){r->w.at + begin, r->w.size - begin}))
        refuse(r, step->path);
}

static bool is_left_out(const struct rendering *r, const struct step *step)
{
    return !is_present(r, step->when) || is_empty(r, &step->text);
}

/* A container in which nothing was written is taken back, with its key and comma. */
static void render_json(struct rendering *r, const struct adapter_program *p)
{
    struct {
        size_t before, inside;
    } open[DEPTH_MAX];
    uint32_t depth = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct step *step = &p->steps[i];
        if (step->kind == STEP_CLOSE) {
            depth--;
            if (depth > 0 && r->w.size == open[depth].inside && !r->w.overflow)
                r->w.size = open[depth].before;
            else
                write_slice(&r->w, step->key);
        } else if (step->kind == STEP_OPEN) {
            open[depth].before = r->w.size;
            if (depth > 0)
                json_write_comma(&r->w);
            write_slice(&r->w, step->key);
            open[depth++].inside = r->w.size;
        } else if (!is_left_out(r, step)) {
            uint32_t times = step->text.each_media ? r->values->media_count : 1;
            for (r->media = 0; r->media < times; r->media++) {
                json_write_comma(&r->w);
                write_slice(&r->w, step->key);
                write_json_value(r, step);
            }
        }
    }
}

static void render_form(struct rendering *r, const struct adapter_program *p)
{
    size_t begin = r->w.size;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct step *step = &p->steps[i];
        if (is_left_out(r, step))
            continue;
        uint32_t times = step->text.each_media ? r->values->media_count : 1;
        for (r->media = 0; r->media < times; r->media++) {
            if (r->w.size > begin)
                write_char(&r->w, '&');
            write_slice(&r->w, step->key);
            write_pieces(r, ENCODE_FORM, &step->text);
        }
    }
}

static struct bytes since(const struct rendering *r, size_t begin)
{
    return (struct bytes){r->w.at + begin, r->w.size - begin};
}

static void render_headers(struct rendering *r, const struct adapter_program *p,
                           struct http_request *out)
{
    for (uint32_t i = 0; i < p->header_count; i++) {
        const struct rendered_header *h = &p->headers[i];
        if (!is_present(r, h->when) || is_empty(r, &h->text))
            continue;
        struct bytes value;
        if (h->text.count == 1 && h->text.pieces[0].kind == PIECE_LITERAL) {
            value = h->text.pieces[0].text;
        } else {
            size_t begin = r->w.size;
            write_pieces(r, ENCODE_HEADER, &h->text);
            value = since(r, begin);
            if (!adapter_header_safe(value))
                refuse(r, h->path);
        }
        out->headers[out->header_count++] = (struct http_header){h->name, value};
    }
}

enum err adapter_render(const struct adapter *adapter, const struct adapter_values *values,
                        struct arena *arena, struct http_request *out, const char **field)
{
    const struct adapter_program *p = adapter->program;
    char *memory = arena_take(arena, 0); /* where the free part begins */
    *field = NULL;
    if (!memory)
        return ERR_NO_MEMORY;
    struct rendering r = {.values = values, .w = writer_of(memory, arena_rest(arena))};
    check_values(&r, p->used);
    out->method = p->method;
    out->path = p->fixed_path;
    out->header_count = 0;
    if (out->path.size == 0) {
        write_pieces(&r, ENCODE_PATH, &p->path);
        out->path = since(&r, 0);
    }
    render_headers(&r, p, out);
    size_t begin = r.w.size;
    if (p->body == BODY_FORM)
        render_form(&r, p);
    else if (p->body == BODY_JSON)
        render_json(&r, p);
    out->body = since(&r, begin);
    *field = r.field;
    if (r.invalid)
        return ERR_INVALID;
    if (r.w.overflow)
        return ERR_NO_MEMORY;
    arena->used += r.w.size;
    return ERR_OK;
}
