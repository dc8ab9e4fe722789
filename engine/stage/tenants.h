/* The shard's cache of compiled tenant settings, kept true by versions: each batch
 * reads t1v:{tenant}, and a difference loads t1:{h} again. A tenant that is not in the
 * cache is loaded before its events are judged. */
#pragma once

#include "base/list.h"
#include "domain/tenant.h"
#include "io/redis.h"

struct event;

struct tenant_ref {
    struct list_node node;   /* least recently used first */
    struct tenant_ref *next; /* of the same bucket */
    struct tenant *tenant;   /* NULL: no settings, tenant_none holds */
    int64_t version;         /* offset of the document; -1: none */
    uint32_t holders;        /* events in hand */
    bool loaded;
    bool loading;
    bool stale; /* out of the cache, freed with its last holder */
    uint32_t id_size;
    char id[64];
};

struct tenants_options {
    struct redis *redis;
    uint32_t tenants_max; /* 0: 4096 */
};

struct tenants {
    struct redis *redis;
    struct redis_waiter waiter;
    struct list used;
    struct tenant_ref **buckets;
    uint32_t bucket_count, max, count;
    struct tenant_ref **loading; /* by index of the command */
    uint32_t loading_max;
    uint64_t loads, changes;
};

MUST_USE enum err tenants_init(struct tenants *tenants, const struct tenants_options *options);
void tenants_deinit(struct tenants *tenants);

/* The tenant's settings, held until tenants_put. NULL: not there yet; it is being
 * loaded, ask again in a later turn (or the cache is full of held ones). */
struct tenant_ref *tenants_get(struct tenants *tenants, struct bytes tenant_id);
void tenants_put(struct tenants *tenants, struct tenant_ref *ref);
const struct tenant *tenant_of(const struct tenant_ref *ref);
/* An event whose legs are on their way gets the newest settings. Its other jobs were judged
 * by the old ones, which are kept for them: outdated, until they are judged again. False:
 * they are being loaded. */
MUST_USE bool tenants_renew(struct tenants *tenants, struct event *event);
void tenants_let_go(struct tenants *tenants, struct event *event);
/* A batch read this version (-1: none): whether `ref` still is the newest; if not, the
 * cache loads the new one, and its events have to be judged again. */
bool tenants_is_current(struct tenants *tenants, struct tenant_ref *ref, int64_t version);
/* Redis was lost or reached again: everything is asked again. */
void tenants_forget(struct tenants *tenants);
