/* What the demo starts beside itself: a temporary folder, a private redis-server on a
 * socket in it, and the provider simulator. The children die with this process, however
 * it ends; the folder is removed by parts_close. Open them from a thread that lives as
 * long as the process: that is what the kernel ties them to. */
#pragma once

#include "base/base.h"

#include <sys/types.h>

enum { PARTS_WHY_SIZE = 512, PARTS_PATH_SIZE = 256 };

struct parts {
    char folder[PARTS_PATH_SIZE];
    char redis_socket[PARTS_PATH_SIZE];
    char adapters[PARTS_PATH_SIZE]; /* folder of the adapter files */
    pid_t redis, provider;          /* 0: not running */
    int provider_out;               /* what it says; -1: not open */
    uint16_t provider_port;
};

/* False: `why` says why, with the remedy where there is one. Close it in any case. */
MUST_USE bool parts_open(struct parts *parts, char why[PARTS_WHY_SIZE]);
/* Both children still run; else `why` names the one that ended. */
bool parts_alive(struct parts *parts, char why[PARTS_WHY_SIZE]);
/* Ends the simulator and returns how many requests it says to have accepted; false: it did
 * not say. */
MUST_USE bool parts_accepted(struct parts *parts, uint64_t *accepted);
/* Ends the children and removes the folder. */
void parts_close(struct parts *parts);
