#include "domain/template.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef Carillon__V1__Event__VariablesEntry entry;

static const char *filled(const char *source, enum template_escape escape, const char *value)
{
    static char memory[4096], text[4096];
    struct arena arena = arena_of(memory, sizeof memory);
    entry a = CARILLON__V1__EVENT__VARIABLES_ENTRY__INIT;
    a.key = (char[]){"name"};
    a.value = (char *)(uintptr_t)value;
    entry *entries[] = {&a};
    Carillon__V1__Event event = CARILLON__V1__EVENT__INIT;
    event.n_variables = value ? 1 : 0;
    event.variables = entries;
    struct template t;
    struct template_error error;
    assert_int_equal(template_compile(bytes_of(source), &arena, &t, &error), ERR_OK);
    assert_true(t.present);
    struct writer w = writer_of(text, sizeof text);
    struct bytes missing;
    enum err err = template_fill(&t, escape, &event, &w, &missing);
    if (err == ERR_NOT_FOUND) {
        w.size = 0;
        write_literal(&w, "missing ");
        write_slice(&w, missing);
    }
    write_char(&w, '\0');
    assert_false(w.overflow);
    return text;
}

static void variables_are_put_where_they_are_named(void **state)
{
    (void)state;
    assert_string_equal(filled("Hello {{name}}!", TEMPLATE_PLAIN, "Marie"), "Hello Marie!");
    assert_string_equal(filled("{{ name }}{{name}}", TEMPLATE_PLAIN, "x"), "xx");
    assert_string_equal(filled("", TEMPLATE_PLAIN, "x"), "");
    assert_string_equal(filled("a { b } }} {", TEMPLATE_PLAIN, "x"), "a { b } }} {");
    assert_string_equal(filled("{{name}}", TEMPLATE_PLAIN, ""), "");
}

static void values_are_escaped_in_html_alone(void **state)
{
    (void)state;
    assert_string_equal(filled("<b>{{name}}</b>", TEMPLATE_HTML, "<i> & \"x\" 'y'"),
                        "<b>&lt;i&gt; &amp; &quot;x&quot; &#39;y&#39;</b>");
    assert_string_equal(filled("<b>{{name}}</b>", TEMPLATE_PLAIN, "<i> & \"x\" 'y'"),
                        "<b><i> & \"x\" 'y'</b>");
}

static void a_value_is_never_read_as_a_template(void **state)
{
    (void)state;
    assert_string_equal(filled("{{name}}", TEMPLATE_PLAIN, "{{name}}"), "{{name}}");
}

static void a_missing_value_is_told_by_its_name(void **state)
{
    (void)state;
    assert_string_equal(filled("{{name}} {{other.one}}", TEMPLATE_PLAIN, "x"), "missing other.one");
    assert_string_equal(filled("{{name}}", TEMPLATE_PLAIN, NULL), "missing name");
}

static void what_is_no_template_is_refused_with_its_position(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        uint32_t position;
    } bad[] = {{"a {{name", 8},  {"a {{name}", 8}, {"{{}}", 2},       {"{{ }}", 3},
               {"{{a b}}", 4},   {"{{{a}}}", 2},   {"{{a{{b}}}}", 3}, {"x{{", 3},
               {"{{#if a}}", 2}, {"{{a|raw}}", 3}, {"{{é}}", 2}};
    for (size_t i = 0; i < countof(bad); i++) {
        char memory[1024];
        struct arena arena = arena_of(memory, sizeof memory);
        struct template t;
        struct template_error error = {0};
        assert_int_equal(template_compile(bytes_of(bad[i].source), &arena, &t, &error),
                         ERR_INVALID);
        if (error.position != bad[i].position)
            fail_msg("%s: %u %s", bad[i].source, error.position, error.what);
        assert_non_null(error.what);
    }
}

static void a_name_has_at_most_64_letters(void **state)
{
    (void)state;
    char memory[1024], source[70 + 4];
    for (uint32_t size = 64; size <= 65; size++) {
        struct arena arena = arena_of(memory, sizeof memory);
        struct writer w = writer_of(source, sizeof source);
        write_literal(&w, "{{");
        for (uint32_t i = 0; i < size; i++)
            write_char(&w, 'a');
        write_literal(&w, "}}");
        struct template t;
        struct template_error error;
        assert_int_equal(template_compile(writer_bytes(&w), &arena, &t, &error),
                         size == 64 ? ERR_OK : ERR_INVALID);
    }
}

static void the_memory_asked_for_is_enough_and_less_is_refused(void **state)
{
    (void)state;
    uint64_t seed = 3;
    static const char *const bits[] = {"{", "{{", "}}", "{{a}}", "b", " "};
    for (uint32_t round = 0; round < 5000; round++) {
        char text[128], memory[4096];
        struct writer w = writer_of(text, sizeof text);
        for (uint64_t n = prng_upto(&seed, 12); n > 0; n--)
            write_text(&w, bits[prng_upto(&seed, countof(bits))]);
        struct bytes source = writer_bytes(&w);
        struct arena arena = arena_of(memory, template_memory(source));
        struct template t;
        struct template_error error;
        enum err err = template_compile(source, &arena, &t, &error);
        assert_int_not_equal(err, ERR_NO_MEMORY);
        if (err == ERR_OK)
            assert_true(t.count * sizeof *t.pieces <= template_memory(source));
    }
    char memory[8];
    struct arena arena = arena_of(memory, sizeof memory);
    struct template t;
    struct template_error error;
    assert_int_equal(template_compile(BYTES("a"), &arena, &t, &error), ERR_NO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_put_where_they_are_named),
        cmocka_unit_test(values_are_escaped_in_html_alone),
        cmocka_unit_test(a_value_is_never_read_as_a_template),
        cmocka_unit_test(a_missing_value_is_told_by_its_name),
        cmocka_unit_test(what_is_no_template_is_refused_with_its_position),
        cmocka_unit_test(a_name_has_at_most_64_letters),
        cmocka_unit_test(the_memory_asked_for_is_enough_and_less_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
