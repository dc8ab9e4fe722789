/* The provider's journal as JSON lines, for people and scripts. */
#include "base/bytes.h"
#include "bench.h"
#include "domain/json.h"
#include "journal.h"

#include <inttypes.h>

static void show(const struct sim_record *r)
{
    char memory[512];
    struct writer key = writer_of(memory, sizeof memory);
    json_write_string(&key, bytes_of(r->key));
    printf("{\"seq\":%" PRIu64 ",\"connection\":%" PRIu32 ",\"tls\":%s,\"route\":\"%s\","
           "\"channel\":\"%s\",\"token\":\"%s\",\"attempt\":%u,\"action\":\"%s\",\"accepted\":%s,"
           "\"status\":%u,\"first_ns\":%" PRId64 ",\"last_ns\":%" PRId64 ",\"read_ns\":%" PRId64
           ",\"mono_ns\":%" PRIu64 ",\"delay_ms\":%u,\"key\":%.*s,\"body_size\":%" PRIu32
           ",\"body_hash\":\"%016" PRIx64 "\",\"text_hash\":\"%016" PRIx64
           "\",\"to_hash\":\"%016" PRIx64 "\",\"answer_size\":%" PRIu32 "}\n",
           r->seq, r->connection, r->tls ? "true" : "false", r->route, sim_channel_text(r->channel),
           r->token, r->attempt, sim_action_text(r->action), r->accepted ? "true" : "false",
           r->status, r->first_ns, r->last_ns, r->read_ns, r->mono_ns, r->delay_ms, (int)key.size,
           key.at, r->body_size, r->body_hash, r->text_hash, r->to_hash, r->answer_size);
}

int show_command(int argc, char **argv)
{
    if (argc != 1) {
        fprintf(stderr, "usage: carillon-bench show JOURNAL\n");
        return EXIT_USAGE;
    }
    FILE *file = fopen(argv[0], "rb");
    if (!file) {
        perror(argv[0]);
        return EXIT_UNAVAILABLE;
    }
    struct sim_record r;
    bool fine = true;
    while (fine && fread(&r, sizeof r, 1, file) == 1) {
        fine = r.magic == SIM_MAGIC;
        if (fine)
            show(&r);
    }
    fclose(file);
    return fine ? EXIT_OK : EXIT_FOUND;
}
