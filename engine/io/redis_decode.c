/* hiredis decodes; its reply objects are ours and lie in chunks that are reused for the
 * next reply, so that a reply costs no malloc. */
#include "io/redis.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/read.h>

enum {
    CHUNK_BYTES = 64 * 1024,
    REPLY_BYTES_MAX = 64 * 1024 * 1024, /* of one reply, arrays included */
    ELEMENTS_MAX = 64 * 1024
};

struct chunk {
    struct chunk *next;
    size_t used, max;
    _Alignas(16) char at[];
};

struct redis_decoder {
    redisReader *reader;
    struct chunk *first, *last;
    size_t bytes; /* in all chunks, of the reply being read */
    bool broken;
};

static void *take(struct redis_decoder *d, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct chunk *c = d->last;
    if (d->bytes + size > REPLY_BYTES_MAX)
        return NULL;
    if (!c || c->max - c->used < size) {
        size_t max = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        c = malloc(sizeof *c + max);
        if (!c)
            return NULL;
        *c = (struct chunk){.max = max};
        if (d->last)
            d->last->next = c;
        else
            d->first = c;
        d->last = c;
    }
    void *at = c->at + c->used;
    c->used += size;
    d->bytes += size;
    return at;
}

/* Keeps the first chunk, which is enough for most replies. */
static void reset(struct redis_decoder *d)
{
    if (!d->first)
        return;
    for (struct chunk *c = d->first->next, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    d->first->next = NULL;
    d->first->used = 0;
    d->last = d->first;
    d->bytes = 0;
}

static struct redis_reply *new_reply(const redisReadTask *task, enum redis_type type)
{
    struct redis_reply *reply = take(task->privdata, sizeof *reply);
    if (!reply)
        return NULL;
    *reply = (struct redis_reply){.type = type};
    if (task->parent) {
        struct redis_reply *parent = task->parent->obj;
        ((struct redis_reply **)parent->elements)[task->idx] = reply;
    }
    return reply;
}

static void *on_string(const redisReadTask *task, char *text, size_t size)
{
    struct redis_reply *reply = new_reply(task, task->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
                                                : task->type == REDIS_REPLY_STATUS ? REDIS_STATUS
                                                                                   : REDIS_TEXT);
    char *copy = reply ? take(task->privdata, size + 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    reply->text = (struct bytes){copy, size};
    return reply;
}

static void *on_array(const redisReadTask *task, int count)
{
    struct redis_reply *reply = new_reply(task, REDIS_ARRAY);
    if (!reply || count < 0 || count > ELEMENTS_MAX)
        return NULL;
    struct redis_reply **elements = take(task->privdata, (size_t)count * sizeof *elements + 1);
    if (!elements)
        return NULL;
    reply->elements = elements;
    reply->element_count = (size_t)count;
    return reply;
}

static void *on_integer(const redisReadTask *task, long long n)
{
    struct redis_reply *reply = new_reply(task, REDIS_INTEGER);
    if (reply)
        reply->integer = n;
    return reply;
}

static void *on_nil(const redisReadTask *task)
{
    return new_reply(task, REDIS_NIL);
}

static void on_free(void *reply)
{
    (void)reply; /* its chunk is reused */
}

static redisReplyObjectFunctions functions = {on_string, on_array, on_integer, on_nil, on_free};

struct redis_decoder *redis_decoder_open(void)
{
    struct redis_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->reader = redisReaderCreateWithFunctions(&functions);
    if (!d->reader) {
        free(d);
        return NULL;
    }
    d->reader->privdata = d;
    return d;
}

void redis_decoder_close(struct redis_decoder *d)
{
    redisReaderFree(d->reader);
    reset(d);
    free(d->first);
    free(d);
}

void redis_decoder_feed(struct redis_decoder *d, struct bytes bytes)
{
    if (bytes.size > 0 && redisReaderFeed(d->reader, bytes.at, bytes.size) != 0)
        d->broken = true;
}

enum err redis_decoder_take(struct redis_decoder *d, const struct redis_reply **reply)
{
    void *found = NULL;
    if (d->broken)
        return ERR_PROTOCOL;
    if (d->reader->ridx == -1) /* between replies: the last one was used up */
        reset(d);
    if (redisReaderGetReply(d->reader, &found) != 0) {
        d->broken = true;
        return ERR_PROTOCOL;
    }
    *reply = found;
    return found ? ERR_OK : ERR_AGAIN;
}

static bool begins(struct bytes text, const char *word)
{
    size_t size = strlen(word);
    return text.size >= size && memcmp(text.at, word, size) == 0;
}

enum redis_error redis_error_of(const struct redis_reply *reply)
{
    static const char *const away[] = {"LOADING ",  "MASTERDOWN ",  "READONLY ",
                                       "MISCONF ",  "OOM ",         "BUSY ",
                                       "TRYAGAIN ", "CLUSTERDOWN ", "NOREPLICAS "};
    static const char *const denied[] = {"NOPERM ", "NOAUTH ", "WRONGPASS "};
    for (size_t i = 0; i < countof(away); i++)
        if (begins(reply->text, away[i]))
            return REDIS_ERROR_AWAY;
    for (size_t i = 0; i < countof(denied); i++)
        if (begins(reply->text, denied[i]))
            return REDIS_ERROR_DENIED;
    if (begins(reply->text, "MOVED ") || begins(reply->text, "ASK "))
        return REDIS_ERROR_MOVED;
    if (begins(reply->text, "ERR Function not found") || begins(reply->text, "NOSCRIPT "))
        return REDIS_ERROR_FUNCTIONS;
    return REDIS_ERROR_OTHER;
}
