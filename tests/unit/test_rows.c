/* Rows sorted within bounded memory, against a stable sort of all of them. */
#include "rows.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char *written(struct rows *rows, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    assert_non_null(out);
    assert_int_equal(rows_write(rows, out), ERR_OK);
    fclose(out);
    return text;
}

static void rows_come_out_in_the_order_of_their_times(void **state)
{
    (void)state;
    struct rows *rows = rows_open(4096);
    size_t size;
    assert_int_equal(rows_add(rows, 3, BYTES("c\n")), ERR_OK);
    assert_int_equal(rows_add(rows, -1, BYTES("a\n")), ERR_OK);
    assert_int_equal(rows_add(rows, 3, BYTES("d\n")), ERR_OK);
    assert_int_equal(rows_add(rows, 2, BYTES("b\n")), ERR_OK);
    char *text = written(rows, &size);
    assert_string_equal(text, "a\nb\nc\nd\n");
    free(text);
    rows_close(rows);
}

static void no_rows_are_no_text(void **state)
{
    (void)state;
    struct rows *rows = rows_open(4096);
    size_t size;
    char *text = written(rows, &size);
    assert_int_equal(size, 0);
    free(text);
    rows_close(rows);
}

/* Times have few values, so that ties are many; sizes are any. */
static void many_more_rows_than_fit_come_out_sorted_and_ties_as_they_came(void **state)
{
    (void)state;
    enum { COUNT = 20000, TIMES = 50 };
    static uint32_t last[TIMES];
    uint64_t seed = 3;
    struct rows *rows = rows_open(16 * 1024);
    for (uint32_t i = 1; i <= COUNT; i++) {
        char line[160];
        int64_t at_ms = (int64_t)prng_upto(&seed, TIMES);
        int size = snprintf(line, sizeof line, "%lld %u %.*s\n", (long long)at_ms, i,
                            (int)prng_upto(&seed, 100),
                            "....................................................................."
                            "...............................");
        assert_int_equal(rows_add(rows, at_ms, (struct bytes){line, (size_t)size}), ERR_OK);
    }
    size_t size;
    char *text = written(rows, &size), *at = text;
    long long before = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        char *end;
        long long at_ms = strtoll(at, &end, 10);
        uint32_t number = (uint32_t)strtoul(end, &end, 10);
        assert_true(at_ms >= before && at_ms < TIMES);
        assert_true(number > last[at_ms]);
        last[at_ms] = number;
        before = at_ms;
        at = strchr(end, '\n') + 1;
    }
    assert_ptr_equal(at, text + size);
    free(text);
    rows_close(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_out_in_the_order_of_their_times),
        cmocka_unit_test(no_rows_are_no_text),
        cmocka_unit_test(many_more_rows_than_fit_come_out_sorted_and_ties_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
