#include "domain/redis_functions.h"

static const char text[] = {
#include "data/functions.inc"
};

const struct bytes redis_functions = {text, sizeof text};
