/* proto/golden: records whose protobuf form was made by protoc from the JSON one. */
#include "carillon/v1/outcome.pb-c.h"
#include "carillon/v1/state.pb-c.h"
#include "carillon/v1/tenant.pb-c.h"
#include "domain/event.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static char json_text[64 * 1024], wire_text[64 * 1024], again[64 * 1024], memory[256 * 1024];
static glob_t files;

static int find_files(void **state)
{
    (void)state;
    return glob("proto/golden/*.json", 0, NULL, &files);
}

static int forget_files(void **state)
{
    (void)state;
    globfree(&files);
    return 0;
}

static struct bytes read_file(const char *path, char room[64 * 1024])
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    size_t size = fread(room, 1, 64 * 1024, file);
    fclose(file);
    return (struct bytes){room, size};
}

static const ProtobufCMessageDescriptor *type_of(const char *path)
{
    static const struct {
        const char *prefix;
        const ProtobufCMessageDescriptor *type;
    } types[] = {
        {"proto/golden/event-", &carillon__v1__event__descriptor},
        {"proto/golden/outcome-", &carillon__v1__outcome__descriptor},
        {"proto/golden/tenant-", &carillon__v1__tenant__descriptor},
        {"proto/golden/recipient-", &carillon__v1__recipient_state__descriptor},
        {"proto/golden/booking-", &carillon__v1__booking_state__descriptor},
    };
    for (size_t i = 0; i < countof(types); i++)
        if (strncmp(path, types[i].prefix, strlen(types[i].prefix)) == 0)
            return types[i].type;
    fail_msg("no message for %s", path);
    return NULL;
}

static void read_both(const char *path, struct bytes *json, struct bytes *wire)
{
    char pb[256];
    snprintf(pb, sizeof pb, "%.*s.pb", (int)(strlen(path) - 5), path);
    *json = read_file(path, json_text);
    *wire = read_file(pb, wire_text);
}

static void json_becomes_the_bytes_that_protoc_makes(void **state)
{
    (void)state;
    assert_true(files.gl_pathc > 40);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct bytes json, wire;
        read_both(files.gl_pathv[i], &json, &wire);
        struct arena arena = arena_of(memory, sizeof memory);
        ProtobufCMessage *message;
        struct pb_error error;
        assert_int_equal(
            pb_from_json(type_of(files.gl_pathv[i]), json, &arena, NULL, &message, &error), ERR_OK);
        struct writer w = writer_of(again, sizeof again);
        assert_int_equal(pb_encode(message, &w), ERR_OK);
        if (!bytes_equal(writer_bytes(&w), wire))
            fail_msg("%s differs", files.gl_pathv[i]);
    }
}

static void protobuf_becomes_the_same_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct bytes json, wire;
        read_both(files.gl_pathv[i], &json, &wire);
        struct arena arena = arena_of(memory, sizeof memory);
        ProtobufCMessage *message;
        struct pb_error error;
        assert_int_equal(pb_decode(type_of(files.gl_pathv[i]), wire, &arena, &message, &error),
                         ERR_OK);
        struct writer w = writer_of(again, sizeof again);
        pb_to_json(message, &w);
        if (!bytes_equal(writer_bytes(&w), json))
            fail_msg("%s differs", files.gl_pathv[i]);
    }
}

static void every_kind_has_a_record_that_is_accepted(void **state)
{
    (void)state;
    bool seen[64] = {false};
    for (size_t i = 0; i < files.gl_pathc; i++) {
        if (type_of(files.gl_pathv[i]) != &carillon__v1__event__descriptor)
            continue;
        struct bytes forms[2];
        read_both(files.gl_pathv[i], &forms[0], &forms[1]);
        for (size_t k = 0; k < countof(forms); k++) {
            struct arena arena = arena_of(memory, sizeof memory);
            struct record record = {.value = forms[k]};
            struct event_error error;
            Carillon__V1__Event *event;
            assert_int_equal(event_decode(&record, &arena, NULL, &event, &error), ERR_OK);
            seen[event->kind] = true;
        }
    }
    const ProtobufCEnumDescriptor *kinds = &carillon__v1__kind__descriptor;
    for (uint32_t i = 1; i < kinds->n_values; i++)
        if (!seen[kinds->values[i].value])
            fail_msg("no record of %s", kinds->values[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_becomes_the_bytes_that_protoc_makes),
        cmocka_unit_test(protobuf_becomes_the_same_json),
        cmocka_unit_test(every_kind_has_a_record_that_is_accepted),
    };
    return cmocka_run_group_tests(tests, find_files, forget_files);
}
