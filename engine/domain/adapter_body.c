/* Bodies: a form's fields one after another; a JSON tree from the paths of its leaves. */
#include "domain/adapter_program.h"
#include "domain/json.h"

#include <stdio.h>

struct field_path {
    char text[64];
};

static struct field_path path_of(uint32_t index, const char *key)
{
    struct field_path p;
    snprintf(p.text, sizeof p.text, "body.fields[%u].%s", index, key);
    return p;
}

static struct step *new_step(struct compiler *c, enum step_kind kind)
{
    struct adapter_program *p = c->program;
    if (p->step_count == STEPS_MAX) {
        compile_fail(c, "body.fields", "more than %d fields and nestings", STEPS_MAX);
        p->step_count--; /* the last is written over: nothing will run */
    }
    struct step *step = &p->steps[p->step_count++];
    *step = (struct step){.kind = kind};
    return step;
}

/* false: the text can never be anything but empty (an option that the account did not give). */
static bool fill_step(struct compiler *c, struct step *step, uint32_t index)
{
    const struct adapter_field *f = &c->spec->body.fields[index];
    enum encoding encoding = c->program->body == BODY_FORM ? ENCODE_FORM : ENCODE_JSON;
    struct field_path value = path_of(index, "value"), when = path_of(index, "when");
    step->text = compile_text(c, encoding, f->value, value.text);
    step->when = compile_when(c, f->when, when.text);
    step->as = f->as == 1 ? AS_NUMBER : f->as == 2 ? AS_BOOL : AS_TEXT;
    const char *copy = compile_copy(c, bytes_of(value.text)).at;
    step->path = copy;
    if (step->as == AS_BOOL && strcmp(f->value, "true") != 0 && strcmp(f->value, "false") != 0)
        compile_fail(c, value.text, "a bool is true or false");
    return step->text.count > 0 || !step->text.names_values;
}

void compile_form(struct compiler *c)
{
    char buffer[512];
    for (uint32_t i = 0; i < c->spec->body.fields_count && !c->failed; i++) {
        const struct adapter_field *f = &c->spec->body.fields[i];
        struct step *step = new_step(c, STEP_FIELD);
        struct writer w = writer_of(buffer, sizeof buffer);
        adapter_encode(&w, ENCODE_FORM, bytes_of(f->at));
        write_char(&w, '=');
        struct field_path at = path_of(i, "at");
        if (w.overflow || f->at[0] == '\0')
            compile_fail(c, at.text, "a form's key has 1 to 170 bytes");
        step->key = compile_copy(c, writer_bytes(&w));
        if (f->as != 0)
            compile_fail(c, path_of(i, "as").text, "a form has only text");
        if (!fill_step(c, step, i))
            c->program->step_count--;
    }
}

/* A container that is open while the leaves are walked. */
struct container {
    struct bytes path; /* up to here */
    bool array;
    uint32_t children;
};

struct tree {
    struct compiler *c;
    struct container open[DEPTH_MAX];
    uint32_t depth;
    struct bytes seen[STEPS_MAX]; /* paths of leaves and closed containers */
    uint32_t seen_count;
    const char *fault_path;
};

static bool is_index(struct bytes segment)
{
    for (size_t i = 0; i < segment.size; i++)
        if (segment.at[i] < '0' || segment.at[i] > '9')
            return false;
    return segment.size > 0 && segment.size < 4;
}

static bool is_each(struct bytes segment)
{
    return bytes_equal(segment, BYTES("-"));
}

static struct bytes segment_at(struct bytes path, size_t offset)
{
    size_t begin = offset + 1, end = begin;
    while (end < path.size && path.at[end] != '/')
        end++;
    return (struct bytes){path.at + begin, end - begin};
}

static void see(struct tree *t, struct bytes path)
{
    for (uint32_t i = 0; i < t->seen_count; i++)
        if (bytes_equal(t->seen[i], path))
            compile_fail(t->c, t->fault_path, "%.*s stands twice, or not together with its like",
                         (int)path.size, path.at);
    if (t->seen_count < countof(t->seen))
        t->seen[t->seen_count++] = path;
}

static void close_last(struct tree *t)
{
    const struct container *last = &t->open[--t->depth];
    new_step(t->c, STEP_CLOSE)->key = last->array ? BYTES("]") : BYTES("}");
}

/* The key of a child as it is written: nothing in an array, `"key":` in an object. */
static void write_key(struct tree *t, struct container *parent, struct bytes segment,
                      struct writer *w)
{
    bool entry = is_index(segment) || is_each(segment);
    if (entry != parent->array || segment.size == 0)
        compile_fail(t->c, t->fault_path, "\"%.*s\" is no key of its %s", (int)segment.size,
                     segment.at, parent->array ? "array" : "object");
    if (is_index(segment)) {
        char digits[16];
        int size = snprintf(digits, sizeof digits, "%u", parent->children);
        if (!bytes_equal(segment, (struct bytes){digits, (size_t)size}))
            compile_fail(t->c, t->fault_path,
                         "the entries of an array are numbered from 0, in order");
    } else if (!entry) {
        json_write_string(w, segment);
        write_char(w, ':');
    }
    parent->children++;
}

static void open_container(struct tree *t, struct bytes path, size_t end)
{
    struct bytes next = segment_at(path, end);
    struct container fresh = {.path = {path.at, end}, .array = is_index(next) || is_each(next)};
    char buffer[128];
    struct writer w = writer_of(buffer, sizeof buffer);
    if (t->depth > 0) {
        struct container *parent = &t->open[t->depth - 1];
        see(t, fresh.path);
        write_key(t, parent, segment_at(path, parent->path.size), &w);
    }
    write_char(&w, fresh.array ? '[' : '{');
    if (w.overflow || t->depth == DEPTH_MAX) {
        compile_fail(t->c, t->fault_path, "a key is too long, or nested too deep");
        return;
    }
    new_step(t->c, STEP_OPEN)->key = compile_copy(t->c, writer_bytes(&w));
    t->open[t->depth++] = fresh;
}

static bool is_below(struct bytes path, struct bytes container)
{
    return path.size > container.size && path.at[container.size] == '/' &&
           memcmp(path.at, container.at, container.size) == 0;
}

static void add_leaf(struct tree *t, uint32_t index)
{
    struct bytes path = bytes_of(t->c->spec->body.fields[index].at);
    while (t->depth > 1 && !is_below(path, t->open[t->depth - 1].path))
        close_last(t);
    for (size_t end = t->open[t->depth - 1].path.size; !t->c->failed;) {
        end += 1 + segment_at(path, end).size;
        if (end >= path.size)
            break;
        open_container(t, path, end);
    }
    if (t->c->failed)
        return;
    char buffer[128];
    struct writer w = writer_of(buffer, sizeof buffer);
    struct container *parent = &t->open[t->depth - 1];
    struct bytes segment = segment_at(path, parent->path.size);
    see(t, path);
    write_key(t, parent, segment, &w);
    struct step *step = new_step(t->c, STEP_FIELD);
    step->key = compile_copy(t->c, writer_bytes(&w));
    if (w.overflow)
        compile_fail(t->c, t->fault_path, "the key is too long");
    if (!fill_step(t->c, step, index))
        t->c->program->step_count--;
    else if (step->text.each_media != is_each(segment))
        compile_fail(t->c, t->fault_path, "${media} and a path that ends in /- belong together");
}

void compile_json(struct compiler *c)
{
    struct tree t = {.c = c};
    for (uint32_t i = 0; i < c->spec->body.fields_count && !c->failed; i++) {
        struct field_path at = path_of(i, "at");
        t.fault_path = at.text;
        if (c->spec->body.fields[i].at[0] != '/') {
            compile_fail(c, at.text, "a path in the JSON tree begins with /");
            return;
        }
        if (i == 0)
            open_container(&t, bytes_of(c->spec->body.fields[0].at), 0);
        if (!c->failed)
            add_leaf(&t, i);
    }
    while (t.depth > 0 && !c->failed)
        close_last(&t);
}
