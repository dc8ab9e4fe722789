/* The two journals of a run, which the oracle reads.
 *
 * Provider's journal: binary, a row of struct sim_record, little endian, written with
 * write(2) before the answers of that turn leave: a SIGKILL of the simulator loses
 * nothing that was answered. A short record at the end was not answered.
 *
 * Load's journal: text, one record per line, fields separated by one tab (see struct
 * load_record), in the order of acknowledgement.
 *
 * A token names one produced record in its text, so that the simulator can tell which
 * copy of an event a request is about: `bench-` 8 hex digits of the seed `-` 8 decimal
 * digits of the event's number `-` 1 digit, the copy. The event id is all but the copy. */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

#include <stdio.h>

#define TOKEN_SIZE 25
#define EVENT_ID_SIZE 23

enum sim_channel { SIM_NO_CHANNEL, SIM_SMS, SIM_EMAIL, SIM_PUSH, SIM_CHANNEL_COUNT };

/* name on the command line, what the provider does */
#define SIM_ACTION_LIST(X)                                                  \
    X(OK, "ok", "accepts and answers")                                      \
    X(DELAY, "delay", "accepts, answers 0.5 to 3 s later")                  \
    X(THROTTLE, "429", "429 without Retry-After, not accepted")             \
    X(THROTTLE_AFTER, "429-after", "429 with Retry-After: 1, not accepted") \
    X(ERROR, "5xx", "500, 502, 503 or 504; by a coin accepted")             \
    X(UNAVAILABLE, "503-after", "503 with Retry-After: 1, not accepted")    \
    X(RESET, "reset", "accepts, then RST")                                  \
    X(FIN, "fin", "accepts, then FIN without an answer")                    \
    X(SILENCE, "silence", "accepts, never answers")                         \
    X(TRUNCATE, "truncate", "accepts, the answer ends in its middle")       \
    X(REUSE, "reuse", "closes a reused connection; by a coin accepted")     \
    X(REJECT, "reject", "400, a bad recipient")                             \
    X(REFUSE, "refuse", "RST at accept, no new connections for 50 ms")      \
    X(NOT_FOUND, "404", "a path or method that no provider has")

enum sim_action {
#define X(name, text, help) SIM_##name,
    SIM_ACTION_LIST(X)
#undef X
        SIM_ACTION_COUNT
};

const char *sim_action_text(uint8_t action);
const char *sim_channel_text(uint8_t channel);

#define SIM_MAGIC UINT32_C(0x31434a53) /* SJC1 */

struct sim_record {
    uint32_t magic;
    uint16_t size; /* of this record */
    uint8_t action;
    uint8_t accepted;    /* the provider took the message */
    uint64_t seq;        /* from 0, over restarts */
    uint32_t connection; /* from 0, since the start */
    uint16_t status;     /* answered; 0: none */
    uint16_t attempt;    /* from 1, per token and channel */
    int64_t first_ns;    /* CLOCK_REALTIME, the kernel had the first byte */
    int64_t last_ns;     /* the same for the last byte */
    int64_t read_ns;     /* when the simulator read the last byte: minus last_ns, its lag */
    uint64_t mono_ns;    /* CLOCK_MONOTONIC of read_ns */
    uint64_t body_hash;
    uint64_t text_hash; /* of the message's text, decoded */
    uint64_t to_hash;   /* of the address, decoded */
    uint32_t body_size;
    uint32_t answer_size; /* bytes that will be sent */
    uint16_t delay_ms;    /* from read to answer */
    uint8_t channel;
    uint8_t tls;
    uint32_t reserved;
    char token[32]; /* NUL-terminated; empty: none found */
    char key[72];   /* idempotency key, may be empty */
    char route[40]; /* provider, and the account where the path names one */
};

/* One produced record. A text field that is absent is `-`. */
struct load_record {
    char token[32];
    char topic[64];
    int32_t partition;
    int64_t offset;     /* -1: never acknowledged */
    int64_t planned_ms; /* the open model's time */
    int64_t acked_ms;
    int64_t due_ms; /* no byte may leave before */
    char kind[32];
    /* what must come of it: the channels that are called (`sms`, `email`, `sms+email`; of
     * several copies each channel by one); `refused` (outcomes, no call); `dead` (a dead
     * letter and an outcome), `letter` (a dead letter, at most a `dead` outcome) */
    char expect[32];
    uint64_t sms_text_hash, email_text_hash; /* 0: not told */
    uint64_t sms_to_hash, email_to_hash;
};

uint64_t hash64(const void *at, size_t size, uint64_t seed);

/* The first token in the bytes; false: none. */
bool token_find(struct bytes in, char out[32]);

void load_record_print(FILE *to, const struct load_record *r);
/* One line without its newline. */
bool load_record_parse(char *line, struct load_record *r) MUST_USE;
