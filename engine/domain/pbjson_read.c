/* JSON to protobuf-c's structs, in one pass over the pull parser. A field is looked for
 * from the one after the last found on, because whoever writes JSON keeps to an order. */
#include "base/time.h"
#include "domain/pb_build.h"

struct reader {
    struct json *json;
    struct arena *arena;
    struct pb_unknown *unknown;
    struct pb_error *error;
};

/* The value whose first token is `token` is not what the field wants: note it, pass it. */
static enum err refuse(struct reader *r, enum json_token token, const struct pb_path *path,
                       const char *word)
{
    if (!r->error->word)
        r->error->place = json_place(r->json);
    pb_fail(r->error, path, word);
    return json_skip(r->json, token) == JSON_ERROR ? ERR_INVALID : ERR_OK;
}

/* A copy without escapes in the arena. NULL: no memory, or (`*nul`) NUL inside. */
static char *take_text(struct reader *r, bool *nul)
{
    struct bytes raw = r->json->raw;
    *nul = false;
    if (!r->json->escaped)
        return arena_copy(r->arena, raw);
    char *text = arena_take(r->arena, raw.size + 1);
    if (!text)
        return NULL;
    size_t size = json_unescape(raw, text);
    text[size] = '\0';
    *nul = memchr(text, '\0', size) != NULL;
    return *nul ? NULL : text;
}

/* Numbers come bare or in quotes; `*text` is what is between these. */
static bool number_text(const struct reader *r, enum json_token token, struct bytes *text)
{
    *text = r->json->raw;
    if (token == JSON_NUMBER)
        return true;
    if (token != JSON_STRING)
        return false;
    struct json inside;
    json_init(&inside, *text);
    return json_next(&inside) == JSON_NUMBER && inside.raw.size == text->size;
}

static bool read_integer(const struct reader *r, enum json_token token, ProtobufCType type,
                         union pb_value *value)
{
    struct bytes text;
    if (!number_text(r, token, &text))
        return false;
    if (type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_UINT32)
        return json_u64(text, &value->u64) == ERR_OK &&
               (type == PROTOBUF_C_TYPE_UINT64 || value->u64 <= UINT32_MAX);
    return json_i64(text, &value->i64) == ERR_OK &&
           (type == PROTOBUF_C_TYPE_INT64 || (value->i64 >= INT32_MIN && value->i64 <= INT32_MAX));
}

static bool read_enum(const struct reader *r, enum json_token token,
                      const ProtobufCEnumDescriptor *type, union pb_value *value)
{
    if (token == JSON_STRING && !r->json->escaped)
        return pb_enum_of(type, r->json->raw, &value->i32) == ERR_OK;
    return token == JSON_NUMBER && json_i64(r->json->raw, &value->i64) == ERR_OK &&
           value->i64 == value->i32 && pb_enum_value(type, value->i32);
}

static enum err put(struct reader *r, ProtobufCMessage *message,
                    const ProtobufCFieldDescriptor *field, const union pb_value *value)
{
    return pb_put(r->arena, message, field, value) ? ERR_OK : ERR_NO_MEMORY;
}

static enum err read_text(struct reader *r, enum json_token token, ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    if (token != JSON_STRING)
        return refuse(r, token, path, "expected a string");
    bool nul;
    union pb_value value = {.text = take_text(r, &nul)};
    if (nul)
        return refuse(r, token, path, "a NUL inside a string");
    return value.text ? put(r, message, field, &value) : ERR_NO_MEMORY;
}

static enum err read_time(struct reader *r, enum json_token token, ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    int64_t s;
    uint32_t ns;
    if (token != JSON_STRING || r->json->escaped || time_parse(r->json->raw, &s, &ns) != ERR_OK)
        return refuse(r, token, path, "expected a time as in RFC 3339");
    union pb_value value = {.message = pb_new(r->arena, field->descriptor)};
    if (!value.message)
        return ERR_NO_MEMORY;
    Google__Protobuf__Timestamp *time = (Google__Protobuf__Timestamp *)value.message;
    time->seconds = s;
    time->nanos = (int32_t)ns;
    return put(r, message, field, &value);
}

static enum err read_message(struct reader *r, enum json_token token, ProtobufCMessage *message,
                             const struct pb_path *path);

static enum err read_sub_message(struct reader *r, enum json_token token, ProtobufCMessage *message,
                                 const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    if (token != JSON_OBJECT)
        return refuse(r, token, path, "expected an object");
    union pb_value value = {.message = pb_new(r->arena, field->descriptor)};
    if (!value.message)
        return ERR_NO_MEMORY;
    enum err err = read_message(r, token, value.message, path);
    return err == ERR_OK ? put(r, message, field, &value) : err;
}

/* One value of a field: the field's own, or an element of its list. */
static enum err read_value(struct reader *r, enum json_token token, ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    union pb_value value = {0};
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return read_text(r, token, message, field, path);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return pb_is_time(field->descriptor) ? read_time(r, token, message, field, path)
                                             : read_sub_message(r, token, message, field, path);
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        if (token != JSON_TRUE && token != JSON_FALSE)
            return refuse(r, token, path, "expected true or false");
        value.boolean = token == JSON_TRUE;
    } else if (field->type == PROTOBUF_C_TYPE_ENUM) {
        if (!read_enum(r, token, field->descriptor, &value))
            return refuse(r, token, path, "not a value of the enum");
    } else if (!read_integer(r, token, field->type, &value)) {
        return refuse(r, token, path, "expected an integer in range");
    }
    return put(r, message, field, &value);
}

static enum err read_list(struct reader *r, enum json_token token, ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    if (token != JSON_ARRAY)
        return refuse(r, token, path, "expected an array");
    *pb_count(message, field) = 0;
    struct pb_path element = {.up = path};
    for (; (token = json_next(r->json)) != JSON_ARRAY_END; element.index++) {
        if (token == JSON_ERROR)
            return ERR_INVALID;
        bool full = *pb_count(message, field) >= PB_LIST_MAX;
        enum err err = full ? refuse(r, token, path, "too many entries")
                            : read_value(r, token, message, field, &element);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err read_entry(struct reader *r, ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    ProtobufCMessage *entry = pb_new(r->arena, field->descriptor);
    if (!entry)
        return ERR_NO_MEMORY;
    bool nul;
    *pb_entry_key(entry) = take_text(r, &nul);
    if (!*pb_entry_key(entry) && !nul)
        return ERR_NO_MEMORY;
    enum json_token token = json_next(r->json);
    if (token == JSON_NULL && !nul)
        return ERR_OK;
    if (nul)
        return refuse(r, token, path, "a NUL inside a key");
    if (*pb_count(message, field) >= PB_MAP_MAX)
        return refuse(r, token, path, "too many entries");
    struct pb_path here = {.up = path, .entry = entry};
    enum err err = read_value(r, token, entry, &entry->descriptor->fields[1], &here);
    if (err != ERR_OK)
        return err;
    return pb_put_entry(r->arena, message, field, entry) ? ERR_OK : ERR_NO_MEMORY;
}

static enum err read_map(struct reader *r, enum json_token token, ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    if (token != JSON_OBJECT)
        return refuse(r, token, path, "expected an object");
    *pb_count(message, field) = 0;
    while ((token = json_next(r->json)) == JSON_KEY) {
        enum err err = read_entry(r, message, field, path);
        if (err != ERR_OK)
            return err;
    }
    return token == JSON_ERROR ? ERR_INVALID : ERR_OK;
}

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *type,
                                                   struct bytes name, uint32_t *guess)
{
    for (uint32_t k = 0; k < type->n_fields; k++) {
        uint32_t i = *guess + k < type->n_fields ? *guess + k : *guess + k - type->n_fields;
        const char *candidate = type->fields[i].name;
        if (candidate[0] == name.at[0] && strncmp(candidate, name.at, name.size) == 0 &&
            candidate[name.size] == '\0') {
            *guess = i + 1 < type->n_fields ? i + 1 : 0;
            return &type->fields[i];
        }
    }
    return NULL;
}

/* As written, or in lowerCamelCase. NULL: the message has no such field. */
static const ProtobufCFieldDescriptor *
field_of(const struct json *json, const ProtobufCMessageDescriptor *type, uint32_t *guess)
{
    char snake[128];
    struct bytes name = json->raw;
    if (name.size == 0 || name.size > sizeof snake / 2)
        return NULL;
    if (json->escaped)
        name = (struct bytes){snake, json_unescape(name, snake)};
    const ProtobufCFieldDescriptor *field = field_named(type, name, guess);
    if (field)
        return field;
    char camel[sizeof snake / 2];
    memcpy(camel, name.at, name.size);
    struct writer w = writer_of(snake, sizeof snake);
    for (size_t i = 0; i < name.size; i++) {
        bool upper = camel[i] >= 'A' && camel[i] <= 'Z';
        if (camel[i] == '_')
            return NULL;
        if (upper)
            write_char(&w, '_');
        write_char(&w, upper ? (char)(camel[i] + 32) : camel[i]);
    }
    return field_named(type, writer_bytes(&w), guess);
}

static enum err pass_unknown(struct reader *r, const struct pb_path *path)
{
    char key[64], text[PB_PATH_MAX];
    struct writer w = writer_of(key, sizeof key - 1);
    write_bytes(&w, r->json->raw.at, u64_min(r->json->raw.size, sizeof key - 1));
    key[w.size] = '\0';
    if (r->unknown) {
        struct pb_path here = {.up = path, .name = key};
        w = writer_of(text, sizeof text - 1);
        pb_path_write(&w, &here);
        text[w.size] = '\0';
        r->unknown->found(r->unknown, text);
    }
    return json_skip(r->json, json_next(r->json)) == JSON_ERROR ? ERR_INVALID : ERR_OK;
}

/* null is what an absent field is; of fields that come twice the last stands. */
static void clear(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        *pb_count(message, field) = 0;
    else if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
        *(void **)pb_member(message, field) = NULL;
    else
        *pb_has(message, field) = 0;
}

static enum err read_field(struct reader *r, ProtobufCMessage *message,
                           const ProtobufCFieldDescriptor *field, const struct pb_path *path)
{
    enum json_token token = json_next(r->json);
    if (token == JSON_NULL) {
        clear(message, field);
        return ERR_OK;
    }
    if (pb_is_map(field))
        return read_map(r, token, message, field, path);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_list(r, token, message, field, path);
    return read_value(r, token, message, field, path);
}

static enum err read_message(struct reader *r, enum json_token token, ProtobufCMessage *message,
                             const struct pb_path *path)
{
    if (token != JSON_OBJECT)
        return refuse(r, token, path, "expected an object");
    uint32_t guess = 0;
    while ((token = json_next(r->json)) == JSON_KEY) {
        const ProtobufCFieldDescriptor *field = field_of(r->json, message->descriptor, &guess);
        struct pb_path here = {.up = path, .name = field ? field->name : NULL};
        enum err err = field ? read_field(r, message, field, &here) : pass_unknown(r, path);
        if (err != ERR_OK)
            return err;
    }
    return token == JSON_ERROR ? ERR_INVALID : ERR_OK;
}

/* Not JSON: outweighs what was found before. */
static void broken(const struct json *json, struct pb_error *error)
{
    *error = (struct pb_error){.word = json->error, .place = json_place(json)};
}

enum err pb_from_json_value(const ProtobufCMessageDescriptor *type, struct json *json,
                            struct arena *arena, struct pb_unknown *unknown,
                            ProtobufCMessage **message, struct pb_error *error)
{
    struct reader r = {.json = json, .arena = arena, .unknown = unknown, .error = error};
    *error = (struct pb_error){0};
    *message = NULL;
    ProtobufCMessage *root = pb_new(arena, type);
    if (!root)
        return ERR_NO_MEMORY;
    struct pb_path path = {0};
    enum err err = read_message(&r, json_next(json), root, &path);
    if (err == ERR_INVALID)
        broken(json, error);
    if (err != ERR_OK)
        return err;
    *message = root;
    return error->word ? ERR_INVALID : ERR_OK;
}

enum err pb_from_json(const ProtobufCMessageDescriptor *type, struct bytes document,
                      struct arena *arena, struct pb_unknown *unknown, ProtobufCMessage **message,
                      struct pb_error *error)
{
    struct json json;
    json_init(&json, document);
    enum err err = pb_from_json_value(type, &json, arena, unknown, message, error);
    if (*message && json_next(&json) != JSON_END) {
        *message = NULL;
        broken(&json, error);
        return ERR_INVALID;
    }
    return err;
}
