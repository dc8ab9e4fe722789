/* What `load` produces: event number n of a seed, always the same one. Every text holds
 * the record's token; texts and addresses are told to the journal as hashes, which the
 * simulator takes of what arrives. */
#pragma once

#include "journal.h"

enum scenario_format { SCENARIO_PROTOBUF, SCENARIO_JSON, SCENARIO_MIXED };

enum { SCENARIO_COUNTRIES = 5 }; /* FR GB DE ES IT */

struct scenario {
    uint64_t seed;
    uint32_t tenants;
    uint32_t countries;    /* whose numbers take turns; France alone where 1 */
    uint32_t weights[16];  /* by row of the mix */
    double duplicates;     /* share of events that come twice */
    double malformed;      /* share of records that are broken */
    int64_t due_spread_ms; /* one in ten is due up to that much later */
    int64_t defer_over_ms; /* each is due at a moment of the next so many ms */
    enum scenario_format format;
};

struct scenario scenario_default(void);

/* `reminder=30,direct_message=20`: all others 0. */
bool scenario_set_mix(struct scenario *s, const char *value) MUST_USE;

struct made {
    struct load_record record; /* token, kind, expect, due, hashes */
    bool urgent;
    size_t key_size, value_size;
    char key[128];
    char value[8192];
};

void scenario_make(const struct scenario *s, uint32_t number, uint8_t copy, int64_t planned_ms,
                   struct made *out);

/* Whether the event comes again: 0, or at once (1), or some records later (2). */
int scenario_repeats(const struct scenario *s, uint32_t number);

/* The settings of all tenants, as JSON lines for `carillon tenants put`. */
void scenario_print_tenants(const struct scenario *s, FILE *to);

/* The `templates` of a config that the events name, as YAML. */
extern const char scenario_templates_yaml[];
