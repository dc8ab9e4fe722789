/* One connection of the simulated provider: bytes from the wire become requests, the
 * answer is staged, and leaves when the provider says so (after the journal's write). */
#pragma once

#include "base/clock.h"
#include "base/list.h"
#include "request.h"
#include "server_tls.h"

enum connection_end { CONNECTION_STAYS, CONNECTION_FIN, CONNECTION_RST };

struct connection {
    struct list_node node; /* in the provider's list of those with something to send */
    int fd;
    uint32_t number;         /* since the start; tells an old one from a new one of the same fd */
    bool held;               /* an answer is staged or withheld: no further request is taken */
    bool stuck;              /* the kernel takes no more: woken when it does */
    enum connection_end end; /* once all staged bytes are out */
    struct server_tls_conn *tls;
    uint64_t served;
    int64_t first_ns, last_ns; /* kernel time of the bytes at hand */
    size_t in_used, in_max;
    char *in;
    size_t out_sent, out_used;
    char out[8192];
};

struct connection *connection_open(int fd, uint32_t number, struct server_tls *tls);
void connection_close(struct connection *c); /* as `end` says */

/* Reads what is there. False: the peer has gone or broke the protocol. */
bool connection_read(struct connection *c, int64_t now_ns);

/* The next whole request. False after `*broken` is set where it is none. */
bool connection_request(struct connection *c, struct sim_request *request, bool *broken);
void connection_consume(struct connection *c, size_t size);

void connection_stage(struct connection *c, struct bytes answer);

/* Sends; true when nothing is left. `*broken`: the peer has gone. */
bool connection_flush(struct connection *c, bool *broken);
