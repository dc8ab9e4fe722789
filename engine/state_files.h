/* The state that `explain` is given in files instead of topics: tenants, recipients,
 * bookings. Of two documents with the same key the later one stands, whole. Files that
 * are not given are empty state. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "domain/judge.h"

struct state_files;

struct state_files *state_files_open(void); /* NULL: no memory */
void state_files_close(struct state_files *files);

enum state_kind { STATE_TENANTS, STATE_RECIPIENTS, STATE_BOOKINGS };
/* Reads a JSON array or JSON lines. What is wrong is said on standard error, with file
 * and line; unknown fields are warned of. ERR_IO: it cannot be read. ERR_INVALID: a
 * document is wrong, and nothing should be judged by it. */
MUST_USE enum err state_files_load(struct state_files *files, enum state_kind kind,
                                   const char *path);

/* tenant_none where the tenant has no settings. */
const struct tenant *state_files_tenant(const struct state_files *files, struct bytes tenant);
/* Fills in every document that speaks about the event. */
void state_files_find(const struct state_files *files, const Carillon__V1__Event *event,
                      const struct tenant *tenant, struct arena *arena, struct judge_state *out);
