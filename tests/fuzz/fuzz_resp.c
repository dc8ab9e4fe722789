/* Replies cut anywhere decode as they do in one piece, every text in them may be a claim,
 * and a claim that is one has exactly one text. */
#include "domain/claim_value.h"
#include "io/redis.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t mix(uint64_t h, const void *at, size_t size)
{
    const uint8_t *b = at;
    for (size_t i = 0; i < size; i++)
        h = (h ^ b[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void check_claim(struct bytes text)
{
    char again[CLAIM_VALUE_MAX];
    struct claim_value v;
    if (!claim_parse_value(text, &v))
        return;
    struct writer w = writer_of(again, sizeof again);
    claim_write_value(&w, &v);
    CHECK(!w.overflow && bytes_equal(writer_bytes(&w), text));
}

static uint64_t digest(uint64_t h, const struct redis_reply *reply)
{
    h = mix(h, &reply->type, sizeof reply->type);
    h = mix(h, &reply->integer, sizeof reply->integer);
    h = mix(h, reply->text.at, reply->text.size);
    h = mix(h, &reply->element_count, sizeof reply->element_count);
    if (reply->type == REDIS_TEXT)
        check_claim(reply->text);
    if (reply->type == REDIS_ERROR)
        h = mix(h, &(enum redis_error){redis_error_of(reply)}, sizeof(enum redis_error));
    for (size_t i = 0; i < reply->element_count; i++)
        h = digest(h, reply->elements[i]);
    return h;
}

/* All replies, fed in pieces of at most `step` bytes. */
static uint64_t decoded(const uint8_t *data, size_t size, size_t step)
{
    struct redis_decoder *d = redis_decoder_open();
    CHECK(d);
    uint64_t h = 1;
    enum err err = ERR_AGAIN;
    for (size_t at = 0; at < size && err == ERR_AGAIN; at += step) {
        size_t piece = size - at < step ? size - at : step;
        char *exact = malloc(piece); /* so that reading beyond it is seen */
        CHECK(exact);
        memcpy(exact, data + at, piece);
        redis_decoder_feed(d, (struct bytes){exact, piece});
        free(exact);
        const struct redis_reply *reply;
        while ((err = redis_decoder_take(d, &reply)) == ERR_OK)
            h = digest(h, reply);
    }
    redis_decoder_close(d);
    return mix(h, &err, sizeof err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    check_claim((struct bytes){(const char *)data, size});
    CHECK(decoded(data + 1, size - 1, 1 + data[0] % 16) == decoded(data + 1, size - 1, size));
    return 0;
}
