#include "rules.h"

#include "adapters.h"
#include "domain/adapter.h"
#include "domain/template.h"
#include "domain/texts.h"
#include "domain/zones.h"
#include "findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rules {
    struct judge judge;
    struct named_template *templates;
    char *memory; /* of the compiled templates */
};

static const Carillon__V1__Channel channels[] = {
    [CONFIG_SMS] = CARILLON__V1__CHANNEL__CHANNEL_SMS,
    [CONFIG_EMAIL] = CARILLON__V1__CHANNEL__CHANNEL_EMAIL,
    [CONFIG_PUSH] = CARILLON__V1__CHANNEL__CHANNEL_PUSH,
};

static size_t memory_for(const struct config *config)
{
    size_t size = 64;
    for (uint32_t i = 0; i < config->is.templates_count; i++) {
        const struct config_template *t = &config->is.templates[i];
        size += template_memory(bytes_of(t->subject)) + template_memory(bytes_of(t->text)) +
                template_memory(bytes_of(t->html)) + 64;
    }
    return size;
}

static bool compile_part(const struct config *config, uint32_t index, const char *part,
                         const char *source, struct arena *arena, struct template *out,
                         struct findings *findings)
{
    struct template_error error = {0};
    if (source[0] == '\0' || template_compile(bytes_of(source), arena, out, &error) == ERR_OK)
        return true;
    char path[64];
    snprintf(path, sizeof path, "templates[%u].%s", index, part);
    config_find(config, findings, FINDING_ERROR, path, "%s (at byte %u of the text)",
                error.what ? error.what : "cannot be compiled", error.position);
    return false;
}

static bool compile_templates(struct rules *rules, const struct config *config,
                              struct findings *findings)
{
    uint32_t count = config->is.templates_count;
    size_t size = memory_for(config);
    rules->templates = calloc(count + 1, sizeof *rules->templates);
    rules->memory = malloc(size);
    CHECK(rules->templates && rules->memory);
    struct arena arena = arena_of(rules->memory, size);
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct config_template *from = &config->is.templates[i];
        struct named_template *to = &rules->templates[i];
        *to = (struct named_template){.name = bytes_of(from->name),
                                      .channel = channels[from->channel],
                                      .locale = bytes_of(from->locale)};
        good &= compile_part(config, i, "subject", from->subject, &arena, &to->subject, findings);
        good &= compile_part(config, i, "text", from->text, &arena, &to->text, findings);
        good &= compile_part(config, i, "html", from->html, &arena, &to->html, findings);
    }
    rules->judge.templates = rules->templates;
    rules->judge.template_count = count;
    return good;
}

/* Whether some route for sms has a media field. */
static bool carries_media(const struct config *config, const struct adapters *adapters)
{
    if (!adapters)
        return true;
    for (uint32_t i = 0; i < config->is.routes_count; i++) {
        const struct config_route *route = &config->is.routes[i];
        for (uint32_t j = 0; j < config->is.providers_count; j++)
            if (route->channel == CONFIG_SMS &&
                strcmp(route->provider, config->is.providers[j].name) == 0 &&
                adapters->of_provider[j]->carries_media)
                return true;
    }
    return false;
}

static bool open_zones(struct rules *rules, const struct config *config, struct findings *findings)
{
    rules->judge.zones = zones_open();
    if (!rules->judge.zones) {
        findings_add(findings, FINDING_ERROR, "tzdata", 0, 0,
                     "the zone data cannot be read: install the package tzdata");
        return false;
    }
    rules->judge.platform_zone = config->is.rules.platform_zone;
    if (zone_find(rules->judge.zones, bytes_of(rules->judge.platform_zone)))
        return true;
    config_find(config, findings, FINDING_ERROR, "rules.platform_zone",
                "'%s' is no zone of the IANA database", rules->judge.platform_zone);
    return false;
}

struct rules *rules_open(const struct config *config, const struct adapters *adapters,
                         struct findings *findings)
{
    struct rules *rules = calloc(1, sizeof *rules);
    CHECK(rules != NULL);
    rules->judge = (struct judge){
        .texts = texts_open(),
        .start_margin_ms =
            (int64_t)(config->is.send.request_deadline_ms + config->is.claims.check_ttl_ms),
        .dedup_window_ms = (int64_t)config->is.claims.dedup_window_ms,
        .sms_carries_media = carries_media(config, adapters),
    };
    bool good = open_zones(rules, config, findings);
    good &= compile_templates(rules, config, findings);
    if (good)
        return rules;
    rules_close(rules);
    return NULL;
}

const struct judge *rules_judge(const struct rules *rules)
{
    return &rules->judge;
}

void rules_close(struct rules *rules)
{
    if (rules->judge.zones)
        zones_close(rules->judge.zones);
    texts_close(rules->judge.texts);
    free(rules->templates);
    free(rules->memory);
    free(rules);
}
