/* Documents of recipients from JSON and CSV: both say the same. */
#include "recipient_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct reading {
    struct recipient_file file;
    char memory[64 * 1024], what[200];
    struct arena arena;
    struct recipient_found found;
};

static bool begin(struct reading *r, const char *text)
{
    r->arena = arena_of(r->memory, sizeof r->memory);
    return recipient_file_init(&r->file, bytes_of(text), &r->arena, r->what);
}

static enum recipient_step next(struct reading *r, uint32_t from_line)
{
    return recipient_file_next(&r->file, from_line, &r->arena, &r->found);
}

/* The document as JSON. */
static void assert_document(const struct reading *r, const char *json)
{
    char text[4096];
    struct writer w = writer_of(text, sizeof text - 1);
    pb_to_json(&r->found.state->base, &w);
    assert_false(w.overflow);
    text[w.size] = '\0';
    assert_string_equal(text, json);
}

static void a_row_says_what_the_document_says(void **state)
{
    (void)state;
    struct reading r;
    assert_true(begin(&r, "tenant_id,address,opted_out,unsubscribed_classes,marketing_consent,"
                          "last_channel,updated_at,source\r\n"
                          "t,+33612345678,YES,,,sms,2026-11-24T10:00:00Z,\"a, \"\"b\"\"\"\r\n"
                          "t,a@b.fr,0,marketing; reminder,first_yes,,,\r\n"));
    assert_int_equal(next(&r, 0), RECIPIENT_ONE);
    assert_int_equal(r.found.line, 2);
    assert_document(&r, "{\"tenant_id\":\"t\",\"address\":\"+33612345678\",\"opted_out\":true,"
                        "\"last_channel\":\"sms\",\"updated_at\":\"2026-11-24T10:00:00.000Z\","
                        "\"source\":\"a, \\\"b\\\"\"}");
    assert_int_equal(next(&r, 0), RECIPIENT_ONE);
    assert_document(&r, "{\"tenant_id\":\"t\",\"address\":\"a@b.fr\",\"opted_out\":false,"
                        "\"unsubscribed_classes\":[\"marketing\",\"reminder\"],"
                        "\"marketing_consent\":\"first_yes\"}");
    assert_int_equal(next(&r, 0), RECIPIENT_END);
}

static void json_lines_and_arrays_are_documents(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "{\"tenant_id\":\"t\",\"blocked\":true}\n{\"tenant_id\":\"u\"}\n",
        "[{\"tenant_id\":\"t\",\"blocked\":true},\n{\"tenant_id\":\"u\"}]",
    };
    for (size_t i = 0; i < countof(forms); i++) {
        struct reading r;
        assert_true(begin(&r, forms[i]));
        assert_int_equal(next(&r, 0), RECIPIENT_ONE);
        assert_document(&r, "{\"tenant_id\":\"t\",\"blocked\":true}");
        assert_int_equal(next(&r, 0), RECIPIENT_ONE);
        assert_int_equal(r.found.line, 2);
        assert_int_equal(next(&r, 0), RECIPIENT_END);
    }
}

static void what_is_wrong_is_told_with_its_line_and_the_rest_is_read(void **state)
{
    (void)state;
    struct reading r;
    assert_true(begin(&r, "tenant_id,blocked,line_type\nt,perhaps,\nt,true\nt,,satellite\n"
                          "t,a\"b,\nt,true,mobile\n"));
    static const struct {
        uint32_t line;
        const char *what;
    } bad[] = {
        {2, "blocked: expected true or false"},
        {3, "2 fields, where the header has 3"},
        {4, "line_type: unknown value"},
        {5, "a quote inside a field that does not begin with one"},
    };
    for (size_t i = 0; i < countof(bad); i++) {
        assert_int_equal(next(&r, 0), RECIPIENT_BAD);
        assert_int_equal(r.found.line, bad[i].line);
        if (bad[i].line != 4)
            assert_string_equal(r.found.what, bad[i].what);
        else
            assert_memory_equal(r.found.what, "line_type: ", 11);
    }
    assert_int_equal(next(&r, 0), RECIPIENT_ONE);
    assert_int_equal(next(&r, 0), RECIPIENT_END);
    assert_true(begin(&r, "{\"tenant_id\":\"t\"}\n{\"blocked\":\n{\"blocked\":7}\n"));
    assert_int_equal(next(&r, 0), RECIPIENT_ONE);
    assert_int_equal(next(&r, 0), RECIPIENT_BAD);
    assert_int_equal(r.found.line, 2);
    assert_memory_equal(r.found.what, "not JSON: ", 10);
    assert_int_equal(next(&r, 0), RECIPIENT_BAD);
    assert_memory_equal(r.found.what, "blocked: ", 9);
}

static void a_header_names_fields_each_once(void **state)
{
    (void)state;
    struct reading r;
    assert_false(begin(&r, "tenant,address\nt,a@b.fr\n"));
    assert_string_equal(r.what, "no field is called 'tenant'");
    assert_false(begin(&r, "address,address\n"));
    assert_string_equal(r.what, "two columns are called 'address'");
}

static void an_import_goes_on_at_a_line(void **state)
{
    (void)state;
    struct reading r;
    assert_true(begin(&r, "tenant_id,source\na,x\n\"b\nb\",x\nc,\"\nd,x\n"));
    assert_int_equal(next(&r, 3), RECIPIENT_ONE);
    assert_int_equal(r.found.line, 3);
    assert_true(begin(&r, "tenant_id\na\nb\"\nc\n"));
    assert_int_equal(next(&r, 4), RECIPIENT_ONE); /* what was wrong before is not told again */
    assert_string_equal(r.found.state->tenant_id, "c");
    assert_true(begin(&r, "{\"tenant_id\":\"a\"}\n{\n{\"tenant_id\":\"c\"}\n"));
    assert_int_equal(next(&r, 3), RECIPIENT_ONE);
    assert_string_equal(r.found.state->tenant_id, "c");
    assert_int_equal(next(&r, 3), RECIPIENT_END);
}

static void nothing_holds_no_documents(void **state)
{
    (void)state;
    static const char *const empty[] = {"", " \n", "[]", "tenant_id,address\n"};
    for (size_t i = 0; i < countof(empty); i++) {
        struct reading r;
        assert_true(begin(&r, empty[i]));
        assert_int_equal(next(&r, 0), RECIPIENT_END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_says_what_the_document_says),
        cmocka_unit_test(json_lines_and_arrays_are_documents),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line_and_the_rest_is_read),
        cmocka_unit_test(a_header_names_fields_each_once),
        cmocka_unit_test(an_import_goes_on_at_a_line),
        cmocka_unit_test(nothing_holds_no_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
