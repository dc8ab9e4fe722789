/* What else there is to ask of any message: names of enums, sizes of fields. */
#include "domain/pb_build.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Values of `OutcomeKind` begin with OUTCOME_KIND_, which is left out in JSON. The first of
 * each is OUTCOME_KIND_UNSPECIFIED. */
static size_t prefix_size(const ProtobufCEnumDescriptor *type)
{
    const size_t rest = sizeof "UNSPECIFIED" - 1;
    size_t size = strlen(type->values[0].name);
    CHECK(size > rest);
    return size - rest;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Names are of A-Z, 0-9 and _: of these only letters have 0x40 and stay below 0x80 when
 * 0x25 is added. */
static void write_lower(char *to, const char *name, size_t size)
{
    size_t i = 0;
    for (; size - i >= 8; i += 8) {
        uint64_t v;
        memcpy(&v, name + i, sizeof v);
        v |= ((v << 1) & ~(v + EACH(0x25)) & EACH(0x80)) >> 2;
        memcpy(to + i, &v, sizeof v);
    }
    for (; i < size; i++)
        to[i] = lower(name[i]);
}

void pb_write_enum(struct writer *w, const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *found = pb_enum_value(type, value);
    if (!found) {
        write_i64(w, value);
        return;
    }
    const char *name = found->name + prefix_size(type);
    size_t size = strlen(name);
    if (w->overflow || size > w->max - w->size) {
        w->overflow = true;
        return;
    }
    write_lower(w->at + w->size, name, size);
    w->size += size;
}

static bool is_name(struct bytes text, const char *name)
{
    if (lower(text.at[0]) != lower(name[0]))
        return false;
    size_t i = 0;
    while (i < text.size && name[i] && lower(text.at[i]) == lower(name[i]))
        i++;
    return i == text.size && name[i] == '\0';
}

enum err pb_enum_of(const ProtobufCEnumDescriptor *type, struct bytes text, int *value)
{
    size_t prefix = prefix_size(type);
    for (uint32_t i = 0; text.size > 0 && i < type->n_values; i++) {
        const char *name = type->values[i].name;
        if (is_name(text, name + prefix) || is_name(text, name)) {
            *value = type->values[i].value;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

struct checker {
    const struct pb_limit *limits;
    uint32_t limit_count;
    struct pb_error *error;
};

static const char too_long[] = "longer than its limit";

static void check_message(const struct checker *c, ProtobufCMessage *message,
                          const struct pb_path *path);

/* Strings too long are left out: of what was read, only what is good may be told. */
static void check_text(const struct checker *c, char **text, uint32_t most,
                       const struct pb_path *path)
{
    if (!*text || most == 0 || strlen(*text) <= most)
        return;
    pb_fail(c->error, path, too_long);
    *text = NULL;
}

/* One bad entry, and the whole map is left out. */
static void check_map(const struct checker *c, ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field, const struct pb_limit *limit,
                      const struct pb_path *path)
{
    ProtobufCMessage **entries = *(ProtobufCMessage ***)pb_member(message, field);
    for (size_t i = 0; i < *pb_count(message, field); i++) {
        struct pb_path here = {.up = path, .entry = entries[i]};
        bool long_key = limit->keys > 0 && strlen(*pb_entry_key(entries[i])) > limit->keys;
        bool long_value = limit->bytes > 0 && strlen(*pb_entry_value(entries[i])) > limit->bytes;
        if (long_key || long_value) {
            pb_fail(c->error, long_key ? path : &here, too_long);
            *pb_count(message, field) = 0;
        }
    }
}

static void check_list(const struct checker *c, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field, const struct pb_limit *limit,
                       const struct pb_path *path)
{
    size_t *count = pb_count(message, field);
    void **list = *(void ***)pb_member(message, field);
    if (limit->count > 0 && *count > limit->count) {
        pb_fail(c->error, path, "too many entries");
        *count = 0;
    }
    if (pb_is_map(field)) {
        check_map(c, message, field, limit, path);
        return;
    }
    for (size_t i = 0; i < *count; i++) {
        struct pb_path here = {.up = path, .index = i};
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            check_message(c, list[i], &here);
        if (field->type != PROTOBUF_C_TYPE_STRING || limit->bytes == 0 ||
            strlen(list[i]) <= limit->bytes)
            continue;
        pb_fail(c->error, &here, too_long);
        *count = 0;
    }
}

static void check_field(const struct checker *c, ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field, const struct pb_limit *limit,
                        const struct pb_path *up)
{
    struct pb_path path = {.up = up, .name = field->name};
    void *at = pb_member(message, field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        if (*pb_count(message, field) > 0)
            check_list(c, message, field, limit, &path);
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        check_text(c, at, limit->bytes, &path);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)at &&
               !pb_is_time(field->descriptor)) {
        check_message(c, *(ProtobufCMessage **)at, &path);
    }
}

/* Most fields of a message are absent, or numbers. */
static inline bool has_text_or_message(const ProtobufCMessage *message,
                                       const ProtobufCFieldDescriptor *field)
{
    return (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE ||
            field->label == PROTOBUF_C_LABEL_REPEATED) &&
           *(void **)pb_member(message, field) != NULL;
}

/* Fields and limits are both in the order of field numbers, so they are walked together. */
static void check_message(const struct checker *c, ProtobufCMessage *message,
                          const struct pb_path *path)
{
    static const struct pb_limit none = {0};
    const ProtobufCMessageDescriptor *type = message->descriptor;
    uint32_t at = 0;
    while (at < c->limit_count && c->limits[at].type != type)
        at++;
    for (uint32_t i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        bool limited =
            at < c->limit_count && c->limits[at].type == type && c->limits[at].id == field->id;
        if (has_text_or_message(message, field))
            check_field(c, message, field, limited ? &c->limits[at] : &none, path);
        at += limited;
    }
}

enum err pb_check_sizes(ProtobufCMessage *message, const struct pb_limit *limits,
                        uint32_t limit_count, struct pb_error *error)
{
    struct checker c = {.limits = limits, .limit_count = limit_count, .error = error};
    struct pb_path path = {0};
    *error = (struct pb_error){0};
    check_message(&c, message, &path);
    return error->word ? ERR_INVALID : ERR_OK;
}
