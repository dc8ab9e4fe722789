#include "explain_config.h"

#include "adapters.h"
#include "config.h"
#include "domain/texts.h"
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct explain_config {
    struct judge judge;
    struct config *file; /* these two: NULL with the defaults */
    struct rules *rules;
    struct bytes address_key;
};

static bool load(struct explain_config *c, const char *path, struct findings *findings)
{
    struct adapters adapters = {0};
    c->file = config_load(path, environ, findings);
    if (!c->file || !adapters_load(c->file, findings, &adapters))
        return false;
    c->rules = rules_open(c->file, &adapters, findings);
    adapters_free(&adapters);
    if (c->rules)
        c->judge = *rules_judge(c->rules);
    c->address_key = bytes_of(c->file->is.rules.address_key); /* none: as `run` does */
    return c->rules && findings->errors == 0;
}

static bool use_defaults(struct explain_config *c)
{
    c->judge = (struct judge){
        .zones = zones_open(),
        .texts = texts_open(),
        .platform_zone = "UTC",
        .dedup_window_ms = 72 * INT64_C(3600000),
        .sms_carries_media = true,
    };
    if (!c->judge.zones)
        fputs("carillon explain: the zone data cannot be read: install the package tzdata\n",
              stderr);
    return c->judge.zones != NULL;
}

struct explain_config *explain_config_open(const char *path)
{
    struct explain_config *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->address_key = BYTES("carillon explain");
    struct findings findings = {0};
    bool good = path ? load(c, path, &findings) : use_defaults(c);
    findings_print(&findings, stderr);
    findings_free(&findings);
    if (good)
        return c;
    explain_config_close(c);
    return NULL;
}

void explain_config_close(struct explain_config *config)
{
    if (config->rules) {
        rules_close(config->rules);
    } else {
        zones_close(config->judge.zones);
        texts_close(config->judge.texts);
    }
    if (config->file)
        config_free(config->file);
    free(config);
}

const struct judge *explain_config_rules(const struct explain_config *config)
{
    return &config->judge;
}

struct bytes explain_config_address_key(const struct explain_config *config)
{
    return config->address_key;
}
