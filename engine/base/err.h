/* Why a call failed. A value like any other: nobody may ignore one. */
#pragma once

#include "base/base.h"

/* name, what it means in words */
#define ERR_LIST(X)                             \
    X(OK, "ok")                                 \
    X(INVALID, "the input is not valid")        \
    X(TOO_LARGE, "larger than its limit")       \
    X(NO_MEMORY, "no room left")                \
    X(NOT_FOUND, "not found")                   \
    X(AGAIN, "not now")                         \
    X(TIMEOUT, "no answer in time")             \
    X(RESOLVE, "the name cannot be resolved")   \
    X(CONNECT, "cannot connect")                \
    X(TLS, "TLS failed")                        \
    X(CLOSED, "the peer closed the connection") \
    X(RESET, "the connection was reset")        \
    X(PROTOCOL, "the peer broke the protocol")  \
    X(REFUSED, "the peer refused")              \
    X(CANCELLED, "cancelled")                   \
    X(IO, "input or output failed")

enum err {
#define X(name, text) ERR_##name,
    ERR_LIST(X)
#undef X
        ERR_COUNT
};

/* In words, for logs and messages. */
const char *err_text(enum err err);
