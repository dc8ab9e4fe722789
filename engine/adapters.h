/* The adapter files that a config names, read and compiled: one adapter per provider. */
#pragma once

#include "config.h"
#include "domain/adapter.h"

struct adapters {
    struct adapter **of_provider; /* as config->is.providers */
    uint32_t count;
};

/* The account's own limits and windows are in the adapter afterwards. false: some finding is
 * an error; nothing is left to free. */
MUST_USE bool adapters_load(const struct config *config, struct findings *findings,
                            struct adapters *out);
void adapters_free(struct adapters *adapters);

/* One file from memory, bound to an account; NULL with findings. Tests and fuzzing. */
MUST_USE struct adapter *adapter_read(const char *text, size_t size, const char *name,
                                      const struct adapter_account *account,
                                      struct findings *findings);
