#include "domain/state_key.h"

#include "io/crypto.h"

static void key_of(struct bytes begin, struct bytes tenant, struct bytes subject,
                   char out[STATE_KEY_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    const struct bytes pieces[] = {tenant, {"", 1}, subject};
    sha256(pieces, countof(pieces), hash);
    char *at = put_hex(put_bytes(out, begin), hash, 16);
    *at = '}';
}

void state_recipient_key(struct bytes tenant, struct bytes subject, char out[STATE_KEY_SIZE])
{
    key_of(BYTES("r1:{"), tenant, subject, out);
}

void state_booking_key(struct bytes tenant, struct bytes booking, char out[STATE_KEY_SIZE])
{
    key_of(BYTES("b1:{"), tenant, booking, out);
}

void state_tenant_key(struct bytes tenant, char out[STATE_KEY_SIZE])
{
    key_of(BYTES("t1:{"), tenant, (struct bytes){0}, out);
}

void state_version_key(struct bytes tenant, struct writer *out)
{
    write_literal(out, "t1v:{");
    write_slice(out, tenant);
    write_char(out, '}');
}

void state_mark_key(struct bytes mark, struct writer *out)
{
    write_literal(out, "m1:{");
    write_slice(out, mark);
    write_char(out, '}');
}

/* Digits up to a bar, which is passed. */
static bool next_number(struct bytes *rest, int64_t *n)
{
    size_t at = 0;
    for (*n = 0; at < rest->size && rest->at[at] >= '0' && rest->at[at] <= '9'; at++) {
        if (*n > (INT64_MAX - 9) / 10)
            return false;
        *n = *n * 10 + (rest->at[at] - '0');
    }
    if (at == 0 || at == rest->size || rest->at[at] != '|')
        return false;
    *rest = (struct bytes){rest->at + at + 1, rest->size - at - 1};
    return true;
}

bool state_next(struct bytes *rest, struct state_piece *out)
{
    const char *bar = rest->size > 0 ? memchr(rest->at, '|', rest->size) : NULL;
    if (!bar || bar == rest->at)
        return false;
    struct bytes after = {bar + 1, (size_t)(rest->at + rest->size - bar - 1)};
    int64_t size;
    out->aspect = (struct bytes){rest->at, (size_t)(bar - rest->at)};
    if (!next_number(&after, &out->offset) || !next_number(&after, &size) ||
        (uint64_t)size > after.size)
        return false;
    out->wire = (struct bytes){after.at, (size_t)size};
    *rest = (struct bytes){after.at + size, after.size - (size_t)size};
    return true;
}

enum err state_document(struct bytes value, struct writer *out)
{
    struct state_piece piece;
    while (value.size > 0) {
        if (!state_next(&value, &piece))
            return ERR_INVALID;
        write_slice(out, piece.wire);
    }
    return ERR_OK;
}

static bool split(struct bytes key, size_t at, struct bytes *before, struct bytes *after)
{
    *before = (struct bytes){key.at, at};
    *after = (struct bytes){key.at + at + 1, key.size - at - 1};
    return before->size > 0 && after->size > 0;
}

bool state_parse_booking(struct bytes key, struct state_subject *out)
{
    const char *slash = key.size > 0 ? memchr(key.at, '/', key.size) : NULL;
    out->aspect = BYTES("booking");
    return slash && split(key, (size_t)(slash - key.at), &out->tenant, &out->subject);
}

bool state_parse_recipient(struct bytes key, struct state_subject *out)
{
    if (!state_parse_booking(key, out))
        return false;
    const struct bytes rest = out->subject; /* a customer's id may hold slashes */
    const char *last = memrchr(rest.at, '/', rest.size);
    return last && split(rest, (size_t)(last - rest.at), &out->subject, &out->aspect);
}

bool state_tenant_fits(struct bytes tenant)
{
    return tenant.size > 0 && tenant.size <= 64 && !memchr(tenant.at, '/', tenant.size);
}
