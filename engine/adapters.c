/* An adapter file is read by the shape of domain/adapter.def; what the compiler has against it
 * is told at the place in the file, or in the config where the account is at fault. */
#include "adapters.h"

#include "shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shape_rows.h"
#define SHAPE_TAG adapter_
#include "domain/adapter.def"

enum { ADAPTER_FILE_MAX = 256 * 1024 };

/* What the config has to do with it; NULL without one. */
struct owner {
    const struct config *config;
    uint32_t provider;
};

static void tell(const struct tree *tree, const struct adapter_fault *fault,
                 const struct adapter_account *account, const struct owner *owner,
                 struct findings *findings)
{
    bool accounts =
        strcmp(fault->path, "credentials") == 0 ||
        (strcmp(fault->path, "base_url") == 0 && account->base_url && account->base_url[0]);
    if (owner && accounts) {
        char path[96];
        snprintf(path, sizeof path, "providers[%u].%.64s", owner->provider, fault->path);
        config_find(owner->config, findings, FINDING_ERROR, path, "%s", fault->text);
        return;
    }
    const struct tree_node *node = tree_find(tree, fault->path);
    findings_add(findings, FINDING_ERROR, tree->file, node ? node->line : 0,
                 node ? node->column : 0, "%s: %s", fault->path, fault->text);
}

static bool is_named(const struct adapter_spec *spec, const char *name)
{
    for (uint32_t i = 0; i < spec->credentials_count; i++)
        if (strcmp(spec->credentials[i], name) == 0)
            return true;
    for (uint32_t i = 0; i < spec->options_count; i++)
        if (strcmp(spec->options[i], name) == 0)
            return true;
    return false;
}

static void judge_credentials(const struct adapter_spec *spec, const struct owner *owner,
                              struct findings *findings)
{
    const struct config_provider *p = &owner->config->is.providers[owner->provider];
    for (uint32_t i = 0; i < p->credentials_count; i++) {
        char path[96];
        if (is_named(spec, p->credentials[i].name))
            continue;
        snprintf(path, sizeof path, "providers[%u].credentials[%u].name", owner->provider, i);
        config_find(owner->config, findings, FINDING_ERROR, path,
                    "the adapter %s has no credential or option \"%.64s\"", spec->name,
                    p->credentials[i].name);
    }
}

static struct adapter *read_adapter(const char *text, size_t size, const char *name,
                                    const struct adapter_account *account,
                                    const struct owner *owner, struct findings *findings)
{
    uint32_t before = findings->errors;
    struct tree *tree = tree_parse(text, size, name, findings);
    struct adapter_spec spec = {0};
    struct adapter *adapter = NULL;
    const struct shape_source source = {
        .tree = tree, .text = text, .size = size, .prefix = "", .folder = ""};
    if (findings->errors == before && shape_read(&spec_shape, &source, findings, &spec)) {
        struct adapter_fault fault = {0};
        if (owner)
            judge_credentials(&spec, owner, findings);
        adapter = adapter_compile(&spec, account, &fault);
        if (!adapter)
            tell(tree, &fault, account, owner, findings);
    }
    shape_free(&spec_shape, &spec);
    tree_free(tree);
    return adapter;
}

struct adapter *adapter_read(const char *text, size_t size, const char *name,
                             const struct adapter_account *account, struct findings *findings)
{
    return read_adapter(text, size, name, account, NULL, findings);
}

/* A word names a file of the folder; a path is one itself. */
static char *file_of(const struct config *config, const char *adapter)
{
    size_t size = strlen(adapter);
    if (strchr(adapter, '/') || (size > 5 && strcmp(adapter + size - 5, ".yaml") == 0))
        return config_path_of(config, adapter);
    char *path = NULL;
    CHECK(asprintf(&path, "%s/%s.yaml", config->is.worker.adapters, adapter) > 0);
    char *whole = config_path_of(config, path);
    free(path);
    return whole;
}

static void take_account(struct adapter *adapter, const struct config_provider *p)
{
    if (p->in_flight > 0)
        adapter->in_flight = (uint32_t)p->in_flight;
    if (p->limit_per_second > 0)
        adapter->per_second = p->limit_per_second;
    if (p->idempotency_window_ms > 0)
        adapter->idempotency_window_ms = (int64_t)p->idempotency_window_ms;
}

static void judge_account(const struct adapter *adapter, const struct owner *owner,
                          struct findings *findings)
{
    const struct config_provider *p = &owner->config->is.providers[owner->provider];
    char path[96];
    snprintf(path, sizeof path, "providers[%u].ca_file", owner->provider);
    char *ca = config_path_of(owner->config, p->ca_file);
    size_t size;
    char *text = p->ca_file[0] ? shape_file(ca, TREE_FILE_MAX, &size) : NULL;
    if (p->ca_file[0] && !text)
        config_find(owner->config, findings, FINDING_ERROR, path, "cannot be read: %s",
                    strerror(errno));
    free(text);
    free(ca);
    snprintf(path, sizeof path, "providers[%u].base_url", owner->provider);
    if (!adapter->tls && strcmp(adapter->host, "127.0.0.1") != 0 &&
        strcmp(adapter->host, "localhost") != 0 && strcmp(adapter->host, "::1") != 0)
        config_find(owner->config, findings, FINDING_WARNING, path,
                    "plain HTTP: credentials and texts can be read on the way");
}

static struct adapter *load_one(const struct config *config, uint32_t index,
                                struct findings *findings)
{
    const struct config_provider *p = &config->is.providers[index];
    const struct owner owner = {config, index};
    struct adapter_credential *credentials = calloc(p->credentials_count + 1, sizeof(*credentials));
    CHECK(credentials != NULL);
    for (uint32_t i = 0; i < p->credentials_count; i++)
        credentials[i] =
            (struct adapter_credential){p->credentials[i].name, p->credentials[i].value};
    const struct adapter_account account = {p->base_url, credentials, p->credentials_count};
    struct adapter *adapter = NULL;
    char *file = file_of(config, p->adapter), path[64];
    size_t size = 0;
    char *text = shape_file(file, ADAPTER_FILE_MAX, &size);
    snprintf(path, sizeof path, "providers[%u].adapter", index);
    if (text)
        adapter = read_adapter(text, size, file, &account, &owner, findings);
    else
        config_find(config, findings, FINDING_ERROR, path, "cannot read %s: %s", file,
                    strerror(errno));
    if (adapter) {
        take_account(adapter, p);
        judge_account(adapter, &owner, findings);
    }
    free(text);
    free(file);
    free(credentials);
    return adapter;
}

static void judge_routes(const struct config *config, const struct adapters *adapters,
                         struct findings *findings)
{
    for (uint32_t i = 0; i < config->is.routes_count; i++) {
        const struct config_route *route = &config->is.routes[i];
        const struct adapter *adapter = NULL;
        for (uint32_t k = 0; k < adapters->count; k++)
            if (strcmp(config->is.providers[k].name, route->provider) == 0)
                adapter = adapters->of_provider[k];
        char path[64];
        snprintf(path, sizeof path, "routes[%u].channel", i);
        if (adapter && !(adapter->channels & (1u << route->channel)))
            config_find(config, findings, FINDING_ERROR, path, "the adapter %s does not carry it",
                        adapter->name);
    }
}

bool adapters_load(const struct config *config, struct findings *findings, struct adapters *out)
{
    uint32_t before = findings->errors;
    *out = (struct adapters){.count = config->is.providers_count};
    out->of_provider = calloc(out->count + 1, sizeof(*out->of_provider));
    CHECK(out->of_provider != NULL);
    for (uint32_t i = 0; i < out->count; i++)
        out->of_provider[i] = load_one(config, i, findings);
    judge_routes(config, out, findings);
    if (findings->errors == before)
        return true;
    adapters_free(out);
    return false;
}

void adapters_free(struct adapters *adapters)
{
    for (uint32_t i = 0; i < adapters->count; i++)
        adapter_free(adapters->of_provider[i]);
    free(adapters->of_provider);
    *adapters = (struct adapters){0};
}
