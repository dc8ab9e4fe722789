#include "domain/pb_plain.h"

#include "domain/pb_build.h"

struct plain {
    struct arena *arena;
    const uint8_t *end; /* of all */
};

static bool read_time(const struct plain *p, struct wire wire, void **slot)
{
    Google__Protobuf__Timestamp *time =
        (Google__Protobuf__Timestamp *)pb_new(p->arena, &google__protobuf__timestamp__descriptor);
    struct wire_field at = {0};
    if (!time || *slot) /* in pieces, to be merged */
        return false;
    while (wire.at < wire.end) {
        if (!(wire.at = wire_field(wire.at, wire.end, &at)) || at.form != WIRE_VARINT || at.id > 2)
            return false;
        if (at.id == 1)
            time->seconds = (int64_t)at.varint;
        else
            time->nanos = (int32_t)at.varint;
    }
    *slot = time;
    return pb_time_in_range(time);
}

static ProtobufCMessage *read_shape(const struct plain *p, const struct pb_shape *shape,
                                    struct wire wire);

/* The capacity is the power of two above the count, at least 4. */
static bool append(const struct plain *p, void ***list, size_t *count, void *item)
{
    if (*count == 0 || (*count >= 4 && (*count & (*count - 1)) == 0)) {
        void **larger = arena_take(p->arena, sizeof item * (*count == 0 ? 4 : 2 * *count));
        if (!larger)
            return false;
        for (size_t i = 0; i < *count; i++)
            larger[i] = (*list)[i];
        *list = larger;
    }
    (*list)[(*count)++] = item;
    return true;
}

static bool is_new_key(const char *key, ProtobufCMessage *const *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *other = *pb_entry_key(entries[i]);
        if (*other == *key && strcmp(other, key) == 0)
            return false;
    }
    return true;
}

static bool read_item(const struct plain *p, const struct pb_row *row, struct wire wire,
                      void ***list, size_t *count)
{
    ProtobufCMessage *item = NULL;
    if (*count >= (row->count ? row->count : PB_LIST_MAX) || !(item = read_shape(p, row->of, wire)))
        return false;
    if (row->how == PB_MAP &&
        (!*pb_entry_key(item) || !*pb_entry_value(item) ||
         !is_new_key(*pb_entry_key(item), *(ProtobufCMessage ***)(void *)list, *count)))
        return false;
    return append(p, list, count, item);
}

static bool put_number(ProtobufCMessage *message, const struct pb_row *row, uint64_t n)
{
    char *at = (char *)message + row->at;
    bool has = true;
    if (row->how == PB_U64) {
        memcpy(at, &n, sizeof n);
    } else {
        int32_t value = row->how == PB_BOOL ? n != 0 : (int32_t)n;
        if (row->how == PB_ENUM && !pb_enum_value(row->of, value))
            return false;
        has = row->how == PB_BOOL || value != 0;
        memcpy(at, &value, sizeof value);
    }
    *(protobuf_c_boolean *)(void *)((char *)message + row->has) = has;
    return true;
}

static bool read_sized(const struct plain *p, ProtobufCMessage *message, const struct pb_row *row,
                       struct wire inside)
{
    void **slot = (void **)(void *)((char *)message + row->at);
    if (row->how == PB_TEXT) { /* most are */
        bool fits = row->bytes == 0 || (size_t)(inside.end - inside.at) <= row->bytes;
        return fits && (*slot = pb_take_text(p->arena, inside, p->end));
    }
    switch ((enum pb_how)row->how) {
    case PB_TIME:
        return read_time(p, inside, slot);
    case PB_MESSAGE: /* in pieces, to be merged, where there is one already */
        return !*slot && (*slot = read_shape(p, row->of, inside));
    case PB_LIST:
    case PB_MAP:
        return read_item(p, row, inside, (void ***)(void *)slot,
                         (size_t *)(void *)((char *)message + row->has));
    case PB_UNKNOWN:
    case PB_TEXT:
    case PB_U64:
    case PB_BOOL:
    case PB_ENUM:
        break;
    }
    return false;
}

static ProtobufCMessage *read_shape(const struct plain *p, const struct pb_shape *shape,
                                    struct wire wire)
{
    ProtobufCMessage *message = pb_new(p->arena, shape->type);
    struct wire_field at = {0};
    if (!message)
        return NULL;
    while (wire.at < wire.end) {
        if (!(wire.at = wire_field(wire.at, wire.end, &at)))
            return NULL;
        if (at.id >= shape->row_count)
            continue;
        const struct pb_row *row = &shape->rows[at.id];
        if (row->how == PB_UNKNOWN)
            continue;
        bool number = row->how == PB_U64 || row->how == PB_BOOL || row->how == PB_ENUM;
        bool fine = number ? at.form == WIRE_VARINT && put_number(message, row, at.varint)
                           : at.form == WIRE_SIZED && read_sized(p, message, row, at.inside);
        if (!fine)
            return NULL;
    }
    return message;
}

ProtobufCMessage *pb_read_plain(const struct pb_shape *shape, struct bytes wire,
                                struct arena *arena)
{
    const uint8_t *at = (const uint8_t *)wire.at;
    struct plain p = {.arena = arena, .end = at + wire.size};
    return read_shape(&p, shape, (struct wire){at, p.end});
}
