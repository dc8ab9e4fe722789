/* A Redis of a test's own, on a socket in a temporary folder, and commands in words. */
#pragma once

#include "domain/redis_functions.h"
#include "io/redis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct redis_world {
    char folder[64], path[96];
    pid_t server;
    struct redis_sync *redis;
};

/* Until it answers; `user` NULL: the default one. */
static inline struct redis_sync *redis_world_connect(const struct redis_world *w, const char *user,
                                                     const char *password)
{
    char why[REDIS_WHY_SIZE] = "";
    struct redis_options options = {.host = w->path, .user = user, .password = password};
    for (uint32_t i = 0; i < 500; i++) {
        struct redis_sync *redis = redis_sync_open(&options, why);
        if (redis)
            return redis;
        usleep(10000); /* the server of its own starts */
    }
    print_message("%s\n", why);
    return NULL;
}

static inline const struct redis_reply *redis_ask(struct redis_sync *redis,
                                                  const struct bytes *arguments, uint32_t count)
{
    const struct redis_reply *reply = redis_sync_command(redis, arguments, count);
    assert_non_null(reply);
    return reply;
}
#define ASK(redis, ...)                                     \
    redis_ask((redis), (const struct bytes[]){__VA_ARGS__}, \
              (uint32_t)(sizeof((const struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes)))

static inline int redis_world_open(void **state)
{
    struct redis_world *w = calloc(1, sizeof(*w));
    snprintf(w->folder, sizeof(w->folder), "/tmp/carillon-redis-XXXXXX");
    if (!mkdtemp(w->folder))
        return -1;
    snprintf(w->path, sizeof(w->path), "%s/s", w->folder);
    w->server = fork();
    if (w->server == 0) {
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", w->path, "--save", "",
               "--loglevel", "warning", "--dir", w->folder, (char *)NULL);
        _exit(127);
    }
    w->redis = redis_world_connect(w, NULL, NULL);
    *state = w;
    if (!w->redis)
        return -1;
    const struct redis_reply *reply =
        ASK(w->redis, BYTES("FUNCTION"), BYTES("LOAD"), redis_functions);
    return reply->type == REDIS_TEXT ? 0 : -1;
}

static inline int redis_world_close(void **state)
{
    struct redis_world *w = *state;
    redis_sync_close(w->redis);
    kill(w->server, SIGKILL);
    waitpid(w->server, NULL, 0);
    unlink(w->path);
    rmdir(w->folder);
    free(w);
    return 0;
}
