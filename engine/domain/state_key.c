#include "domain/state_key.h"

#include "io/crypto.h"

void state_key(enum state_key kind, struct bytes tenant, struct bytes subject,
               char out[STATE_KEY_SIZE])
{
    static const char letters[] = {
        [STATE_RECIPIENT] = 'r', [STATE_BOOKING] = 'b', [STATE_TENANT] = 't'};
    uint8_t hash[SHA256_SIZE];
    const struct bytes pieces[] = {tenant, {"", 1}, subject};
    sha256(pieces, countof(pieces), hash);
    struct writer w = writer_of(out, STATE_KEY_SIZE);
    write_char(&w, letters[kind]);
    write_literal(&w, "1:{");
    write_hex(&w, hash, 16);
    write_char(&w, '}');
    CHECK(w.size == STATE_KEY_SIZE);
}

struct bytes state_version_key(struct bytes tenant, char out[STATE_VERSION_KEY_MAX])
{
    struct writer w = writer_of(out, STATE_VERSION_KEY_MAX);
    write_literal(&w, "t1v:{");
    write_slice(&w, tenant);
    write_char(&w, '}');
    CHECK(!w.overflow); /* tenant_id has at most 64 bytes */
    return writer_bytes(&w);
}

/* Decimal digits up to '|', which is taken too. */
static bool take_number(struct bytes *from, int64_t *out)
{
    int64_t n = 0;
    size_t i = 0;
    while (i < from->size && from->at[i] >= '0' && from->at[i] <= '9') {
        if (i == 18)
            return false;
        n = n * 10 + (from->at[i++] - '0');
    }
    if (i == 0 || i == from->size || from->at[i] != '|')
        return false;
    *from = (struct bytes){from->at + i + 1, from->size - i - 1};
    *out = n;
    return true;
}

enum err state_piece_take(struct bytes *value, struct state_piece *out)
{
    if (value->size == 0)
        return ERR_NOT_FOUND;
    const char *bar = memchr(value->at, '|', value->size);
    if (!bar || bar == value->at)
        return ERR_INVALID;
    size_t size = (size_t)(bar - value->at);
    struct bytes rest = {bar + 1, value->size - size - 1};
    int64_t offset, length;
    if (!take_number(&rest, &offset) || !take_number(&rest, &length) ||
        (uint64_t)length > rest.size)
        return ERR_INVALID;
    *out = (struct state_piece){
        .aspect = {value->at, size}, .content = {rest.at, (size_t)length}, .offset = offset};
    *value = (struct bytes){rest.at + length, rest.size - (size_t)length};
    return ERR_OK;
}

enum err state_join(struct bytes value, struct writer *out, int64_t *newest)
{
    struct state_piece piece;
    enum err err;
    *newest = -1;
    while ((err = state_piece_take(&value, &piece)) == ERR_OK) {
        write_slice(out, piece.content);
        *newest = i64_max(*newest, piece.offset);
    }
    if (err != ERR_NOT_FOUND)
        return err;
    return out->overflow ? ERR_TOO_LARGE : ERR_OK;
}
