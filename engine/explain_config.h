/* What `explain` takes from the platform: a config file, or the built-in defaults. */
#pragma once

#include "domain/judge.h"

struct explain_config;

/* `path` NULL: the defaults. NULL: the config is bad, which was said on standard error. */
struct explain_config *explain_config_open(const char *path);
void explain_config_close(struct explain_config *config);

const struct judge *explain_config_rules(const struct explain_config *config);
struct bytes explain_config_address_key(const struct explain_config *config);
