/* A table of references by tenant id, with the least recently used in front. Loading is one
 * GET: the document's piece carries its offset, which is the version. */
#include "stage/tenants.h"

#include "domain/state_key.h"
#include "stage/job.h"

#include <stdlib.h>

enum { TENANTS_DEFAULT = 4096, LOADING_MAX = 256, DOCUMENT_MAX = 1024 * 1024 };

static void on_loaded(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply);

static uint64_t hash_of(struct bytes id)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < id.size; i++)
        hash = (hash ^ (unsigned char)id.at[i]) * UINT64_C(1099511628211);
    return hash;
}

static struct tenant_ref **bucket_of(const struct tenants *t, struct bytes id)
{
    return &t->buckets[hash_of(id) & (t->bucket_count - 1)];
}

static struct bytes id_of(const struct tenant_ref *ref)
{
    return (struct bytes){ref->id, ref->id_size};
}

enum err tenants_init(struct tenants *t, const struct tenants_options *options)
{
    *t = (struct tenants){.redis = options->redis, .waiter = {on_loaded}};
    t->max = options->tenants_max ? options->tenants_max : TENANTS_DEFAULT;
    t->bucket_count = 64;
    while (t->bucket_count < 2 * t->max)
        t->bucket_count *= 2;
    t->loading_max = LOADING_MAX;
    t->buckets = calloc(t->bucket_count, sizeof(struct tenant_ref *));
    t->loading = calloc(t->loading_max, sizeof(struct tenant_ref *));
    if (t->buckets && t->loading)
        return ERR_OK;
    tenants_deinit(t);
    return ERR_NO_MEMORY;
}

static void free_ref(struct tenant_ref *ref)
{
    if (ref->tenant)
        tenant_release(ref->tenant);
    free(ref);
}

void tenants_deinit(struct tenants *t)
{
    for (uint32_t i = 0; t->buckets && i < t->bucket_count; i++)
        for (struct tenant_ref *ref = t->buckets[i], *next; ref; ref = next) {
            next = ref->next;
            free_ref(ref);
        }
    free(t->buckets);
    free(t->loading);
    *t = (struct tenants){0};
}

static struct tenant_ref *find(const struct tenants *t, struct bytes id)
{
    struct tenant_ref *ref = *bucket_of(t, id);
    while (ref && !bytes_equal(id_of(ref), id))
        ref = ref->next;
    return ref;
}

/* Out of the cache; its memory goes with its last holder. */
static void take_out(struct tenants *t, struct tenant_ref *ref)
{
    struct tenant_ref **at = bucket_of(t, id_of(ref));
    while (*at != ref)
        at = &(*at)->next;
    *at = ref->next;
    list_remove(&t->used, &ref->node);
    t->count--;
    ref->stale = true;
    if (ref->holders == 0 && !ref->loading)
        free_ref(ref);
}

static bool make_room(struct tenants *t)
{
    for (struct list_node *n = t->used.first; t->count >= t->max && n; n = n->next) {
        struct tenant_ref *ref = container_of(n, struct tenant_ref, node);
        if (ref->holders == 0 && !ref->loading) {
            take_out(t, ref);
            return true;
        }
    }
    return t->count < t->max;
}

static void load(struct tenants *t, struct tenant_ref *ref)
{
    uint32_t index = 0;
    while (index < t->loading_max && t->loading[index])
        index++;
    if (index == t->loading_max || redis_room(t->redis) == 0)
        return;
    char key[STATE_KEY_SIZE];
    state_tenant_key(id_of(ref), key);
    const struct bytes get[] = {BYTES("GET"), {key, sizeof key}};
    ref->loading = true;
    t->loading[index] = ref;
    t->loads++;
    redis_command(t->redis, get, countof(get), &t->waiter, index);
}

/* The offset of the newest piece: the version. */
static int64_t version_of(struct bytes value)
{
    struct state_piece piece;
    int64_t version = -1;
    while (state_next(&value, &piece))
        version = i64_max(version, piece.offset);
    return version;
}

/* A document that cannot be read counts as none: whoever writes it is told there. */
static struct tenant *compile(struct bytes value)
{
    struct tenant *tenant = NULL;
    char *memory = malloc(value.size + 1);
    CHECK(memory != NULL);
    struct writer w = writer_of(memory, value.size);
    if (state_document(value, &w) == ERR_OK && w.size > 0 &&
        tenant_decode(writer_bytes(&w), &tenant) != ERR_OK)
        tenant = NULL;
    free(memory);
    return tenant;
}

static void on_loaded(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct tenants *t = container_of(waiter, struct tenants, waiter);
    struct tenant_ref *ref = t->loading[index];
    t->loading[index] = NULL;
    ref->loading = false;
    if (ref->stale) {
        if (ref->holders == 0)
            free_ref(ref);
        return;
    }
    if (!reply || (reply->type != REDIS_TEXT && reply->type != REDIS_NIL))
        return; /* asked again by the next get */
    ref->version = -1;
    if (reply->type == REDIS_TEXT && reply->text.size <= DOCUMENT_MAX) {
        ref->version = version_of(reply->text);
        ref->tenant = compile(reply->text);
    }
    ref->loaded = true;
}

struct tenant_ref *tenants_get(struct tenants *t, struct bytes tenant_id)
{
    struct tenant_ref *ref = find(t, tenant_id);
    if (!ref) {
        if (!make_room(t))
            return NULL;
        ref = calloc(1, sizeof *ref);
        CHECK(ref != NULL && tenant_id.size <= sizeof ref->id);
        memcpy(ref->id, tenant_id.at, tenant_id.size);
        ref->id_size = (uint32_t)tenant_id.size;
        struct tenant_ref **bucket = bucket_of(t, tenant_id);
        ref->next = *bucket;
        *bucket = ref;
        list_push(&t->used, &ref->node);
        t->count++;
    }
    if (!ref->loaded) {
        if (!ref->loading)
            load(t, ref);
        return NULL;
    }
    ref->holders++;
    if (t->used.last != &ref->node) {
        list_remove(&t->used, &ref->node);
        list_push(&t->used, &ref->node);
    }
    return ref;
}

void tenants_put(struct tenants *t, struct tenant_ref *ref)
{
    (void)t;
    CHECK(ref->holders > 0);
    if (--ref->holders == 0 && ref->stale)
        free_ref(ref);
}

bool tenants_renew(struct tenants *t, struct event *event)
{
    struct tenant_ref *old = event->tenant_ref;
    if (!old->stale)
        return true;
    struct tenant_ref *ref = tenants_get(t, bytes_of(event->judged.event->tenant_id));
    if (!ref)
        return false;
    struct tenant_hold *hold = arena_take(&event->arena, sizeof *hold);
    if (hold) { /* else they stay in memory for good: nothing may dangle */
        *hold = (struct tenant_hold){event->former_tenants, old};
        event->former_tenants = hold;
    }
    event->tenant_ref = ref;
    event->judged.tenant = tenant_of(ref);
    for (struct list_node *n = event->jobs.first; n; n = n->next)
        job_of_sibling(n)->outdated = true;
    return true;
}

void tenants_let_go(struct tenants *t, struct event *event)
{
    for (struct tenant_hold *hold = event->former_tenants; hold; hold = hold->next)
        tenants_put(t, hold->ref);
    if (event->tenant_ref)
        tenants_put(t, event->tenant_ref);
    event->former_tenants = NULL;
    event->tenant_ref = NULL;
}

const struct tenant *tenant_of(const struct tenant_ref *ref)
{
    return ref->tenant ? ref->tenant : &tenant_none;
}

bool tenants_is_current(struct tenants *t, struct tenant_ref *ref, int64_t version)
{
    if (!ref->stale && version <= ref->version)
        return true;
    if (!ref->stale) {
        t->changes++;
        take_out(t, ref); /* held by the asker: its memory stays */
    }
    return false;
}

void tenants_forget(struct tenants *t)
{
    while (t->used.first)
        take_out(t, container_of(t->used.first, struct tenant_ref, node));
}
