/* HTTP for what is not in a hurry, by libcurl, blocking: whether a provider's address
 * answers and its certificate is good. Nothing that is sent to recipients goes this way. */
#pragma once

#include "base/err.h"

enum { SLOW_WHY_SIZE = 256 };

/* Connects, and shakes hands where the URL is https; sends no request. ERR_TLS: `why` says
 * what is wrong with the certificate. `ca_file` NULL: the system's roots. */
MUST_USE enum err slow_connect(const char *url, const char *ca_file, uint32_t timeout_ms,
                               char why[SLOW_WHY_SIZE]);
