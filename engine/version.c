#include "version.h"

#include "commands.h"
#include "io/crypto.h"
#include "io/kafka.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>

/* main.c has the true one, so that a commit links the command anew and not every test. */
const char version_commit[] __attribute__((weak)) = "unknown";

void version_write(struct writer *w)
{
    write_format(w,
                 "{\"version\":\"%s\",\"commit\":\"%s\",\"libraries\":{\"librdkafka\":\"%s\","
                 "\"openssl\":\"%s\",\"glibc\":\"%s\"},\"io\":[\"io_uring\",\"epoll\"]}",
                 CARILLON_VERSION, version_commit, kafka_library(), crypto_library(),
                 gnu_get_libc_version());
}

int version_main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--json") == 0) {
        char text[512];
        struct writer w = writer_of(text, sizeof text);
        version_write(&w);
        printf("%.*s\n", (int)w.size, text);
        return EXIT_DONE;
    }
    if (argc != 1) {
        fprintf(stderr, "usage: carillon version [--json]\n");
        return EXIT_USAGE;
    }
    printf("carillon %s (%s)\nlibrdkafka %s, OpenSSL %s, glibc %s\nio: io_uring, epoll\n",
           CARILLON_VERSION, version_commit, kafka_library(), crypto_library(),
           gnu_get_libc_version());
    return EXIT_DONE;
}
