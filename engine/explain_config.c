#include "explain_config.h"

#include "config.h"
#include "config_check.h"

#include <stdlib.h>

extern char **environ;

struct explain_config {
    struct judge rules;
    struct config *file; /* NULL: the defaults */
    struct named_template *templates;
    void *memory; /* of the compiled templates */
    struct bytes address_key;
};

static const Carillon__V1__Channel channels[] = {
    [CONFIG_SMS] = CARILLON__V1__CHANNEL__CHANNEL_SMS,
    [CONFIG_EMAIL] = CARILLON__V1__CHANNEL__CHANNEL_EMAIL,
    [CONFIG_PUSH] = CARILLON__V1__CHANNEL__CHANNEL_PUSH,
};

static bool compile_part(const struct config *file, struct findings *findings, uint32_t index,
                         const char *key, const char *source, struct arena *arena,
                         struct template *out)
{
    struct template_error error = {0};
    if (!*source)
        return true;
    if (template_compile(bytes_of(source), arena, out, &error) == ERR_OK)
        return true;
    char path[64];
    snprintf(path, sizeof path, "templates[%u].%s", index, key);
    config_find(file, findings, FINDING_ERROR, path, "%s, at byte %u",
                error.what ? error.what : "it does not fit", error.position);
    return false;
}

static bool compile_templates(struct explain_config *c, struct findings *findings)
{
    const struct config_settings *is = &c->file->is;
    size_t size = 64;
    for (uint32_t i = 0; i < is->templates_count; i++)
        size += template_memory(bytes_of(is->templates[i].subject)) +
                template_memory(bytes_of(is->templates[i].text)) +
                template_memory(bytes_of(is->templates[i].html)) + 64;
    c->memory = malloc(size);
    c->templates = calloc(is->templates_count + 1, sizeof *c->templates);
    if (!c->memory || !c->templates)
        return false;
    struct arena arena = arena_of(c->memory, size);
    bool good = true;
    for (uint32_t i = 0; i < is->templates_count; i++) {
        const struct config_template *from = &is->templates[i];
        struct named_template *to = &c->templates[i];
        *to = (struct named_template){.name = bytes_of(from->name),
                                      .channel = channels[from->channel],
                                      .locale = bytes_of(from->locale)};
        good &= compile_part(c->file, findings, i, "subject", from->subject, &arena, &to->subject);
        good &= compile_part(c->file, findings, i, "text", from->text, &arena, &to->text);
        good &= compile_part(c->file, findings, i, "html", from->html, &arena, &to->html);
    }
    c->rules.templates = c->templates;
    c->rules.template_count = is->templates_count;
    return good;
}

static bool load(struct explain_config *c, const char *path, struct findings *findings)
{
    c->file = config_load(path, environ, findings);
    if (!c->file)
        return false;
    config_check(c->file, findings);
    const struct config_settings *is = &c->file->is;
    c->rules.platform_zone = is->rules.platform_zone;
    c->rules.request_deadline_ms = (int64_t)is->send.request_deadline_ms;
    c->rules.dedup_window_ms = (int64_t)is->claims.dedup_window_ms;
    if (is->rules.address_key)
        c->address_key = bytes_of(is->rules.address_key);
    return compile_templates(c, findings) && findings->errors == 0;
}

struct explain_config *explain_config_open(const char *path)
{
    struct explain_config *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->rules = (struct judge){
        .zones = zones_open(),
        .platform_zone = "UTC",
        .request_deadline_ms = 10000,
        .dedup_window_ms = 72 * INT64_C(3600000),
        .sms_carries_media = true,
    };
    c->address_key = BYTES("carillon explain");
    bool good = c->rules.zones != NULL;
    if (!good)
        fputs("carillon explain: no time zones: install tzdata\n", stderr);
    if (good && path) {
        struct findings findings = {0};
        good = load(c, path, &findings);
        findings_print(&findings, stderr);
        findings_free(&findings);
    }
    if (good)
        return c;
    explain_config_close(c);
    return NULL;
}

void explain_config_close(struct explain_config *config)
{
    if (config->rules.zones)
        zones_close(config->rules.zones);
    if (config->file)
        config_free(config->file);
    free(config->templates);
    free(config->memory);
    free(config);
}

const struct judge *explain_config_rules(const struct explain_config *config)
{
    return &config->rules;
}

struct bytes explain_config_address_key(const struct explain_config *config)
{
    return config->address_key;
}
