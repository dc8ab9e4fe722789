#include "domain/pb_build.h"

#include "base/utf8.h"

void pb_path_write(struct writer *w, const struct pb_path *path)
{
    if (!path || !path->up)
        return;
    pb_path_write(w, path->up);
    if (!path->name && !path->entry) {
        write_format(w, "[%zu]", path->index);
        return;
    }
    const char *name = path->name ? path->name : *pb_entry_key(path->entry);
    if (!name)
        return;
    if (w->size > 0)
        write_char(w, '.');
    /* A key of a map may be longer than any path: what fits must stay UTF-8. */
    struct bytes text = {name, u64_min(strlen(name), w->max - w->size)};
    text.size = utf8_valid_size(text);
    write_slice(w, text);
}

void pb_fail(struct pb_error *error, const struct pb_path *path, const char *word)
{
    if (error->word)
        return;
    error->word = word;
    struct writer w = writer_of(error->path, sizeof error->path - 1);
    pb_path_write(&w, path);
    error->path[w.size] = '\0';
}

void pb_error_write(struct writer *w, const struct pb_error *error)
{
    CHECK(error->word != NULL);
    if (error->path[0])
        write_format(w, "%s: ", error->path);
    write_text(w, error->word);
    if (error->place.line > 0)
        write_format(w, " (line %u, column %u)", error->place.line, error->place.column);
}

/* protobuf-c does not carry the option map_entry; protoc names such messages. */
bool pb_is_map(const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *type = field->descriptor;
    if (type->n_fields != 2 || type->fields[0].name[0] != 'k' ||
        strcmp(type->fields[0].name, "key") != 0)
        return false;
    size_t size = strlen(type->short_name);
    return size > 5 && strcmp(type->short_name + size - 5, "Entry") == 0;
}

bool pb_is_time(const ProtobufCMessageDescriptor *type)
{
    return type == &google__protobuf__timestamp__descriptor;
}

/* Enums of ours have no holes; a test asks each. */
const ProtobufCEnumValue *pb_enum_value(const ProtobufCEnumDescriptor *type, int value)
{
    CHECK(type->n_value_ranges == 1);
    int least = type->value_ranges[0].start_value;
    return value >= least && value - least < (int)type->n_values ? &type->values[value - least]
                                                                 : NULL;
}

ProtobufCMessage *pb_new(struct arena *arena, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = arena_take(arena, type->sizeof_message);
    if (message)
        type->message_init(message);
    return message;
}

/* Sizes are 4 or 8: two moves are faster than a call. */
static void copy(void *to, const union pb_value *value, size_t size)
{
    if (size == 4)
        memcpy(to, value, 4);
    else
        memcpy(to, value, 8);
}

_Static_assert(sizeof(protobuf_c_boolean) == 4 && sizeof(int) == 4 && sizeof(char *) == 8,
               "pb_value_size");

/* The capacity is the power of two above the count, at least 4: none need be kept. */
static bool append(struct arena *arena, ProtobufCMessage *message,
                   const ProtobufCFieldDescriptor *field, const union pb_value *value)
{
    size_t size = pb_value_size(field->type), *count = pb_count(message, field);
    char **list = pb_member(message, field);
    if (*count == 0 || (*count >= 4 && (*count & (*count - 1)) == 0)) {
        char *larger = arena_take(arena, size * (*count == 0 ? 4 : 2 * *count));
        if (!larger)
            return false;
        if (*count > 0)
            memcpy(larger, *list, size * *count);
        *list = larger;
    }
    copy(*list + size * (*count)++, value, size);
    return true;
}

bool pb_put(struct arena *arena, ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
            const union pb_value *value)
{
    bool unspecified = field->type == PROTOBUF_C_TYPE_ENUM && value->i32 == 0;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return unspecified || append(arena, message, field, value);
    copy(pb_member(message, field), value, pb_value_size(field->type));
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
        field->type != PROTOBUF_C_TYPE_MESSAGE)
        *pb_has(message, field) = !unspecified;
    return true;
}

bool pb_put_entry(struct arena *arena, ProtobufCMessage *message,
                  const ProtobufCFieldDescriptor *field, ProtobufCMessage *entry)
{
    char **key = pb_entry_key(entry), **value = pb_entry_value(entry);
    if (!*key && !(*key = arena_copy(arena, (struct bytes){0})))
        return false;
    if (!*value && !(*value = arena_copy(arena, (struct bytes){0})))
        return false;
    ProtobufCMessage **entries = *(ProtobufCMessage ***)pb_member(message, field);
    size_t count = *pb_count(message, field);
    for (size_t i = 0; i < count; i++)
        if (strcmp(*pb_entry_key(entries[i]), *key) == 0) {
            entries[i] = entry;
            return true;
        }
    return append(arena, message, field, &(union pb_value){.message = entry});
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether a byte of it is NUL, or no ASCII: right for the lowest, and so for any. */
static inline uint64_t special_of(uint64_t v)
{
    return (v | (v - EACH(1))) & EACH(0x80);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

/* Eight at a time, up to seven bytes beyond the text: both sides must have them. */
static bool copy_ascii(char *to, const uint8_t *from, size_t size)
{
    uint64_t special = 0, v;
    for (; size > sizeof v; size -= sizeof v, from += sizeof v, to += sizeof v) {
        memcpy(&v, from, sizeof v);
        memcpy(to, &v, sizeof v);
        special |= special_of(v);
    }
    memcpy(&v, from, sizeof v);
    memcpy(to, &v, sizeof v);
    return (special | (size > 0 ? special_of(v) << (64 - 8 * size) : 0)) == 0;
}

static bool copy_text(char *to, const uint8_t *from, size_t size)
{
    struct bytes text = {(const char *)from, size};
    if (size == 0)
        return true;
    if (utf8_valid_size(text) != size || memchr(text.at, '\0', size))
        return false;
    memcpy(to, text.at, size);
    return true;
}

char *pb_take_text(struct arena *arena, struct wire inside, const uint8_t *end)
{
    enum { BEYOND = 8 }; /* copy_ascii writes there; all but the NUL is given back */
    size_t size = (size_t)(inside.end - inside.at), before = arena->used;
    bool ample = end - inside.end >= BEYOND;
    char *text = ample ? arena_take_text(arena, size + BEYOND) : NULL;
    if (text)
        arena->used -= BEYOND - 1;
    else if (!(text = arena_take_text(arena, size + 1)))
        return NULL;
    else
        ample = false;
    if (!(ample && copy_ascii(text, inside.at, size)) && !copy_text(text, inside.at, size)) {
        arena->used = before;
        return NULL;
    }
    text[size] = '\0';
    return text;
}
