/* CSV by RFC 4180: what each rule says, and what is written read back. */
#include "domain/csv.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FIELDS_MAX = 8 };

struct reading {
    struct csv csv;
    char memory[4096];
    struct arena arena;
    struct bytes fields[FIELDS_MAX];
    struct csv_row row;
};

static void begin(struct reading *r, const char *text)
{
    csv_init(&r->csv, bytes_of(text));
}

static enum csv_step next(struct reading *r)
{
    r->arena = arena_of(r->memory, sizeof r->memory);
    return csv_next(&r->csv, &r->arena, r->fields, FIELDS_MAX, &r->row);
}

static void assert_field(const struct reading *r, uint32_t index, const char *text)
{
    assert_true(index < r->row.count);
    assert_true(bytes_equal(r->fields[index], bytes_of(text)));
}

static void fields_are_parted_by_commas_and_rows_by_either_line_end(void **state)
{
    (void)state;
    struct reading r;
    begin(&r, "a,b\r\nc,\n,d");
    assert_int_equal(next(&r), CSV_ROW);
    assert_int_equal(r.row.count, 2);
    assert_field(&r, 0, "a");
    assert_field(&r, 1, "b");
    assert_int_equal(next(&r), CSV_ROW);
    assert_field(&r, 0, "c");
    assert_field(&r, 1, "");
    assert_int_equal(next(&r), CSV_ROW);
    assert_field(&r, 0, "");
    assert_field(&r, 1, "d");
    assert_int_equal(next(&r), CSV_END);
}

static void a_quoted_field_holds_commas_quotes_and_lines(void **state)
{
    (void)state;
    struct reading r;
    begin(&r, "\"a,b\",\"say \"\"x\"\"\",\"1\r\n2\"\r\nz\r\n");
    assert_int_equal(next(&r), CSV_ROW);
    assert_int_equal(r.row.count, 3);
    assert_field(&r, 0, "a,b");
    assert_field(&r, 1, "say \"x\"");
    assert_field(&r, 2, "1\r\n2");
    assert_int_equal(next(&r), CSV_ROW);
    assert_int_equal(r.row.line, 3); /* the quoted one took two */
    assert_field(&r, 0, "z");
    assert_int_equal(next(&r), CSV_END);
}

static void a_mark_of_byte_order_and_blank_lines_say_nothing(void **state)
{
    (void)state;
    struct reading r;
    begin(&r, "\xef\xbb\xbf\n\r\na\n\n\nb");
    assert_int_equal(next(&r), CSV_ROW);
    assert_field(&r, 0, "a");
    assert_int_equal(r.row.line, 3);
    assert_int_equal(next(&r), CSV_ROW);
    assert_field(&r, 0, "b");
    assert_int_equal(r.row.line, 6);
    assert_int_equal(next(&r), CSV_END);
}

static void a_broken_row_is_told_and_the_next_one_is_read(void **state)
{
    (void)state;
    struct reading r;
    begin(&r, "a\"b\n\"a\"b\nc\n\"open\nd");
    assert_int_equal(next(&r), CSV_BROKEN);
    assert_int_equal(r.row.line, 1);
    assert_int_equal(next(&r), CSV_BROKEN);
    assert_string_equal(r.row.error, "text after a closing quote");
    assert_int_equal(next(&r), CSV_ROW);
    assert_field(&r, 0, "c");
    assert_int_equal(next(&r), CSV_BROKEN);
    assert_int_equal(r.row.line, 4);
    assert_string_equal(r.row.error, "a quote is not closed");
    assert_int_equal(next(&r), CSV_ROW);
    assert_field(&r, 0, "d");
    assert_int_equal(next(&r), CSV_END);
}

static void more_fields_than_there_is_room_for_are_counted(void **state)
{
    (void)state;
    struct reading r;
    begin(&r, "1,2,3,4,5,6,7,8,9,10");
    assert_int_equal(next(&r), CSV_ROW);
    assert_int_equal(r.row.count, 10);
    assert_field(&r, 7, "8");
}

static void only_what_needs_quotes_gets_them(void **state)
{
    (void)state;
    char memory[128];
    struct writer w = writer_of(memory, sizeof memory);
    const char *const texts[] = {"=1+1", "a b", "", "a,b", "q\"q", "l\nl", "c\rc"};
    for (size_t i = 0; i < countof(texts); i++)
        csv_write_field(&w, 0, bytes_of(texts[i]));
    csv_write_end(&w);
    assert_true(
        bytes_equal(writer_bytes(&w), BYTES("=1+1,a b,,\"a,b\",\"q\"\"q\",\"l\nl\",\"c\rc\"\r\n")));
}

static void whatever_is_written_is_read_back(void **state)
{
    (void)state;
    static const char letters[] = "a,\"\r\n; ";
    uint64_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        char texts[FIELDS_MAX][8], memory[256];
        uint32_t count = 1 + (uint32_t)prng_upto(&seed, FIELDS_MAX);
        size_t sizes[FIELDS_MAX];
        struct writer w = writer_of(memory, sizeof memory);
        for (uint32_t i = 0; i < count; i++) {
            sizes[i] = (size_t)prng_upto(&seed, sizeof texts[i]);
            for (size_t k = 0; k < sizes[i]; k++)
                texts[i][k] = letters[prng_upto(&seed, sizeof letters)];
            csv_write_field(&w, 0, (struct bytes){texts[i], sizes[i]});
        }
        csv_write_end(&w);
        assert_false(w.overflow);
        struct reading r;
        csv_init(&r.csv, writer_bytes(&w));
        assert_int_equal(next(&r), CSV_ROW);
        assert_int_equal(r.row.count, count);
        for (uint32_t i = 0; i < count; i++)
            assert_true(bytes_equal(r.fields[i], (struct bytes){texts[i], sizes[i]}));
        assert_int_equal(next(&r), CSV_END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_parted_by_commas_and_rows_by_either_line_end),
        cmocka_unit_test(a_quoted_field_holds_commas_quotes_and_lines),
        cmocka_unit_test(a_mark_of_byte_order_and_blank_lines_say_nothing),
        cmocka_unit_test(a_broken_row_is_told_and_the_next_one_is_read),
        cmocka_unit_test(more_fields_than_there_is_room_for_are_counted),
        cmocka_unit_test(only_what_needs_quotes_gets_them),
        cmocka_unit_test(whatever_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
