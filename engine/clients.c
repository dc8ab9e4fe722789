#include "clients.h"

#include "io/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kafka_options_of(const struct config *config, const char *client_id,
                      struct kafka_settings *out)
{
    const struct config_kafka *is = &config->is.kafka;
    uint32_t count = is->properties_count;
    CHECK(count <= KAFKA_PROPERTIES_MAX); /* config_check refuses more */
    for (uint32_t i = 0; i < count; i++) {
        const struct config_property *p = &is->properties[i];
        out->properties[i] = (struct kafka_property){p->name, p->secret ? p->secret : p->value};
    }
    out->options = (struct kafka_options){.bootstrap = is->bootstrap_servers,
                                          .client_id = client_id,
                                          .properties = out->properties,
                                          .property_count = count};
}

static bool split_address(const char *address, struct redis_settings *out)
{
    if (strncmp(address, "unix:", 5) == 0) {
        snprintf(out->host, sizeof out->host, "%s", address + 5);
        return true;
    }
    const char *colon = strrchr(address, ':');
    size_t size = colon ? (size_t)(colon - address) : 0;
    if (size == 0 || size >= sizeof out->host)
        return false;
    memcpy(out->host, address, size);
    out->host[size] = '\0';
    unsigned long port = strtoul(colon + 1, NULL, 10);
    out->options.port = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

bool redis_options_of(const struct config *config, bool deploy, struct redis_settings *out,
                      char *why)
{
    const struct config_redis *is = &config->is.redis;
    *out = (struct redis_settings){0};
    if (!split_address(is->address, out)) {
        snprintf(why, 256, "redis.address '%s' is neither host:port nor unix:/path", is->address);
        return false;
    }
    bool own_user = deploy && is->deploy_user[0];
    const char *user = own_user ? is->deploy_user : is->user;
    out->options.host = out->host;
    out->options.user = user[0] ? user : NULL;
    out->options.password = own_user ? is->deploy_password : is->password;
    out->options.database = (uint32_t)is->database;
    out->options.connect_ms = (uint32_t)is->connect_timeout_ms;
    out->options.command_ms = (uint32_t)is->reply_timeout_ms;
    if (!is->tls)
        return true;
    struct tls_options tls = {0};
    char *ca_file = is->ca_file[0] ? config_path_of(config, is->ca_file) : NULL;
    tls.ca_file = ca_file;
    out->tls = tls_client_open(&tls, why);
    out->options.tls = out->tls;
    free(ca_file);
    return out->tls != NULL;
}

void redis_settings_close(struct redis_settings *settings)
{
    if (settings->tls)
        tls_context_close(settings->tls);
    settings->tls = NULL;
}

char *topic_name_of(const struct config *config, const char *name)
{
    size_t size = strlen(config->is.kafka.topic_prefix) + strlen(name) + 1;
    char *text = malloc(size);
    CHECK(text != NULL);
    snprintf(text, size, "%s%s", config->is.kafka.topic_prefix, name);
    return text;
}
