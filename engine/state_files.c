#include "state_files.h"

#include "documents.h"
#include "domain/address.h"
#include "domain/pbjson.h"
#include "keyed.h"

#include <errno.h>
#include <stdlib.h>

enum { CHUNK = 1 << 20 };

struct chunk { /* of what the documents decode to */
    struct chunk *next;
    struct arena arena;
};

struct state_files {
    struct keyed tenants;    /* struct tenant */
    struct keyed recipients; /* RecipientState, by address and by customer */
    struct keyed bookings;   /* BookingState */
    struct chunk *chunks;
};

/* What the messages about one document need. */
struct source {
    struct pb_unknown unknown; /* first: the callback casts back */
    const char *path;
    uint32_t line;
};

struct state_files *state_files_open(void)
{
    return calloc(1, sizeof(struct state_files));
}

static void release_tenants(const struct keyed *tenants)
{
    for (size_t i = 0; i < tenants->max; i++)
        if (tenants->rows[i].value)
            tenant_release((struct tenant *)tenants->rows[i].value);
}

void state_files_close(struct state_files *files)
{
    release_tenants(&files->tenants);
    keyed_free(&files->tenants);
    keyed_free(&files->recipients);
    keyed_free(&files->bookings);
    while (files->chunks) {
        struct chunk *next = files->chunks->next;
        free(files->chunks);
        files->chunks = next;
    }
    free(files);
}

static bool add_chunk(struct state_files *files, size_t size)
{
    struct chunk *chunk = malloc(sizeof *chunk + size);
    if (!chunk)
        return false;
    *chunk = (struct chunk){.next = files->chunks, .arena = arena_of(chunk + 1, size)};
    files->chunks = chunk;
    return true;
}

static void warn_unknown(struct pb_unknown *self, const char *path)
{
    const struct source *source = (const struct source *)self;
    fprintf(stderr, "%s:%u: warning: unknown field %s\n", source->path, source->line, path);
}

/* Into the newest chunk, or a new one where that has not ample room. */
static enum err decode(struct state_files *files, const ProtobufCMessageDescriptor *type,
                       struct bytes document, struct source *source, ProtobufCMessage **message,
                       struct pb_error *error)
{
    size_t ample = 4096 + 16 * document.size;
    const struct arena *arena = files->chunks ? &files->chunks->arena : NULL;
    if ((!arena || arena->max - arena->used < ample) &&
        !add_chunk(files, ample > CHUNK ? ample : CHUNK))
        return ERR_NO_MEMORY;
    return pb_from_json(type, document, &files->chunks->arena, &source->unknown, message, error);
}

static const char *put_tenant(struct state_files *files, const Carillon__V1__Tenant *settings)
{
    struct bytes id = bytes_of(settings->tenant_id);
    if (id.size == 0)
        return "tenant_id is missing";
    struct tenant *tenant = tenant_compile(settings);
    uintptr_t *place = keyed_put(&files->tenants, keyed_key_of(&id, 1));
    if (!tenant || !place)
        return "no memory";
    if (*place)
        tenant_release((struct tenant *)*place);
    *place = (uintptr_t)tenant;
    return NULL;
}

static bool put(struct keyed *keyed, const struct bytes *texts, uint32_t count, const void *value)
{
    uintptr_t *place = keyed_put(keyed, keyed_key_of(texts, count));
    if (place)
        *place = (uintptr_t)value;
    return place != NULL;
}

#define OF_ADDRESS BYTES("a")
#define OF_CUSTOMER BYTES("c")

static const char *put_recipient(struct state_files *files,
                                 const Carillon__V1__RecipientState *document)
{
    struct bytes tenant = bytes_of(document->tenant_id), address = bytes_of(document->address),
                 customer = bytes_of(document->customer_id);
    if (tenant.size == 0)
        return "tenant_id is missing";
    if (address.size == 0 && customer.size == 0)
        return "address and customer_id are both missing";
    if (address.size > 0)
        address = address_email_normal(address, &files->chunks->arena);
    bool stored = true;
    if (document->address && *document->address)
        stored =
            address.size > 0 &&
            put(&files->recipients, (struct bytes[]){tenant, OF_ADDRESS, address}, 3, document);
    if (stored && customer.size > 0)
        stored =
            put(&files->recipients, (struct bytes[]){tenant, OF_CUSTOMER, customer}, 3, document);
    return stored ? NULL : "no memory";
}

static const char *put_booking(struct state_files *files,
                               const Carillon__V1__BookingState *document)
{
    struct bytes key[] = {bytes_of(document->tenant_id), bytes_of(document->booking_id)};
    if (key[0].size == 0 || key[1].size == 0)
        return key[0].size == 0 ? "tenant_id is missing" : "booking_id is missing";
    return put(&files->bookings, key, 2, document) ? NULL : "no memory";
}

static bool take(struct state_files *files, enum state_kind kind, struct bytes document,
                 struct source *source)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        [STATE_TENANTS] = &carillon__v1__tenant__descriptor,
        [STATE_RECIPIENTS] = &carillon__v1__recipient_state__descriptor,
        [STATE_BOOKINGS] = &carillon__v1__booking_state__descriptor,
    };
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    enum err err = decode(files, types[kind], document, source, &message, &error);
    const char *wrong = err == ERR_NO_MEMORY ? "no memory" : NULL;
    if (err == ERR_OK && kind == STATE_TENANTS)
        wrong = put_tenant(files, (const Carillon__V1__Tenant *)message);
    else if (err == ERR_OK && kind == STATE_RECIPIENTS)
        wrong = put_recipient(files, (const Carillon__V1__RecipientState *)message);
    else if (err == ERR_OK)
        wrong = put_booking(files, (const Carillon__V1__BookingState *)message);
    if (wrong)
        fprintf(stderr, "%s:%u: error: %s\n", source->path, source->line, wrong);
    else if (err != ERR_OK)
        fprintf(stderr, "%s:%u: error: %s%s%s\n", source->path, source->line, error.path,
                *error.path ? ": " : "", error.word);
    return err == ERR_OK && !wrong;
}

enum err state_files_load(struct state_files *files, enum state_kind kind, const char *path)
{
    struct bytes all, document;
    if (documents_read(path, &all) != ERR_OK) {
        fprintf(stderr, "%s: error: %s\n", path, strerror(errno));
        return ERR_IO;
    }
    struct documents documents;
    struct json_place place;
    const char *error;
    enum err err = ERR_OK;
    enum documents_step step;
    documents_init(&documents, all);
    while ((step = documents_next(&documents, &document, &place, &error)) != DOCUMENTS_END) {
        struct source source = {{warn_unknown}, path, 0};
        if (step == DOCUMENTS_ONE) {
            source.line = documents_line(&documents, document);
            err = take(files, kind, document, &source) ? err : ERR_INVALID;
            continue;
        }
        err = ERR_INVALID;
        fprintf(stderr, "%s:%u:%u: error: not JSON: %s\n", path, place.line, place.column, error);
    }
    documents_free(&all);
    return err;
}

const struct tenant *state_files_tenant(const struct state_files *files, struct bytes tenant)
{
    const uintptr_t *place = keyed_find(&files->tenants, keyed_key_of(&tenant, 1));
    return place ? (const struct tenant *)*place : &tenant_none;
}

static const void *find(const struct keyed *keyed, struct bytes tenant, struct bytes of,
                        struct bytes subject)
{
    if (subject.size == 0)
        return NULL;
    const uintptr_t *place =
        keyed_find(keyed, keyed_key_of((struct bytes[]){tenant, of, subject}, 3));
    return place ? (const void *)*place : NULL;
}

void state_files_find(const struct state_files *files, const Carillon__V1__Event *event,
                      const struct tenant *tenant, struct arena *arena, struct judge_state *out)
{
    const struct bytes own = bytes_of(event->tenant_id), all = BYTES("*");
    struct judge_subjects subjects;
    judge_subjects(event, tenant, arena, &subjects);
    *out = (struct judge_state){
        .sms = find(&files->recipients, own, OF_ADDRESS, subjects.sms),
        .email = find(&files->recipients, own, OF_ADDRESS, subjects.email),
        .customer = find(&files->recipients, own, OF_CUSTOMER, subjects.customer),
        .platform_sms = find(&files->recipients, all, OF_ADDRESS, subjects.sms),
        .platform_email = find(&files->recipients, all, OF_ADDRESS, subjects.email),
        .platform_customer = find(&files->recipients, all, OF_CUSTOMER, subjects.customer),
    };
    if (subjects.booking.size > 0) {
        const uintptr_t *place =
            keyed_find(&files->bookings, keyed_key_of((struct bytes[]){own, subjects.booking}, 2));
        out->booking = place ? (const void *)*place : NULL;
    }
}
