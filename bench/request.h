/* One request as the simulated provider reads it: HTTP/1.1 with Content-Length, and of
 * the message in it the text, the address and the idempotency key. */
#pragma once

#include "journal.h"

struct sim_request {
    struct bytes method, path, body;
    struct bytes key; /* Idempotency-Key, or custom_args.leg */
    bool close;       /* Connection: close */
    size_t size;      /* of the whole request */
};

enum sim_parse { SIM_PARSE_MORE, SIM_PARSE_DONE, SIM_PARSE_BAD };

/* `need` becomes the bytes that the request is known to have, where more are awaited. */
enum sim_parse request_parse(struct bytes in, struct sim_request *out, size_t *need);

/* Fills channel, route, token, key, and the hashes of body, text and address.
 * `scratch` takes a decoded text; texts longer than it are hashed as what fits. */
void request_read(const struct sim_request *request, char *scratch, size_t scratch_max,
                  struct sim_record *record);
