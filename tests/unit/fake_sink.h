/* A producer that keeps what it was given until the test reports on it. Stands in for
 * io/sink.h at link time; one at a time. */
#pragma once

#include "io/sink.h"

enum { FAKE_SINK_MAX = 32 };

struct fake_put {
    uint32_t topic;
    int32_t partition;
    char key[256], value[4096];
    size_t value_size;
    bool is_null;
    struct record_header headers[80];
    char header_memory[4096];
    uint32_t header_count;
    void *opaque;
};

struct sink {
    struct fake_put puts[FAKE_SINK_MAX];
    uint32_t put_count; /* all there ever were */
    uint32_t room;      /* more puts are refused with ERR_AGAIN */
    size_t large;       /* larger values are refused at once; 0: none */
    struct sink_report reports[FAKE_SINK_MAX];
    uint32_t report_count, report_taken;
};

static inline struct bytes fake_keep(struct writer *w, struct bytes text)
{
    size_t start = w->size;
    write_slice(w, text);
    CHECK(!w->overflow);
    return (struct bytes){w->at + start, text.size};
}

enum err sink_put(struct sink *sink, uint32_t topic, int32_t partition, struct bytes key,
                  struct bytes value, const struct record_header *headers, uint32_t header_count,
                  void *opaque)
{
    if (sink->put_count == sink->room)
        return ERR_AGAIN;
    if (sink->large > 0 && value.size > sink->large)
        return ERR_TOO_LARGE;
    CHECK(sink->put_count < FAKE_SINK_MAX && value.size < sizeof sink->puts[0].value &&
          key.size < sizeof sink->puts[0].key && header_count <= countof(sink->puts[0].headers));
    struct fake_put *put = &sink->puts[sink->put_count++];
    *put = (struct fake_put){
        .topic = topic, .partition = partition, .opaque = opaque, .value_size = value.size};
    put->is_null = value.at == NULL;
    if (value.size > 0)
        memcpy(put->value, value.at, value.size);
    if (key.size > 0)
        memcpy(put->key, key.at, key.size);
    struct writer w = writer_of(put->header_memory, sizeof put->header_memory);
    for (uint32_t i = 0; i < header_count; i++)
        put->headers[put->header_count++] =
            (struct record_header){fake_keep(&w, headers[i].name), fake_keep(&w, headers[i].value)};
    return ERR_OK;
}

/* What the broker says of the n-th put. */
static inline void fake_report(struct sink *sink, uint32_t n, enum err err)
{
    CHECK(n < sink->put_count && sink->report_count < FAKE_SINK_MAX);
    sink->reports[sink->report_count++] =
        (struct sink_report){.opaque = sink->puts[n].opaque, .err = err};
}

uint32_t sink_take(struct sink *sink, sink_report_fn *report, void *context)
{
    uint32_t taken = 0;
    for (; sink->report_taken < sink->report_count; taken++)
        report(&sink->reports[sink->report_taken++], context);
    return taken;
}

static inline struct bytes fake_header(const struct fake_put *put, const char *name)
{
    return record_header_of(put->headers, put->header_count, bytes_of(name));
}
