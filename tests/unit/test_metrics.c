#include "base/metrics.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void a_quantile_is_within_four_percent_of_the_exact_one(void **state)
{
    (void)state;
    enum { VALUES = 5000 };
    static struct hist hist;
    static uint64_t values[VALUES];
    uint64_t seed = 3;
    for (int i = 0; i < VALUES; i++) {
        values[i] = prng_next(&seed) >> (30 + prng_upto(&seed, 33));
        hist_add(&hist, values[i]);
    }
    qsort(values, VALUES, sizeof values[0], by_value);
    const double parts[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1.0};
    for (size_t i = 0; i < countof(parts); i++) {
        uint64_t exact = values[(size_t)(parts[i] * VALUES + 0.9999999) - 1];
        uint64_t got = hist_quantile_us(&hist, parts[i]);
        assert_true(got >= exact);
        assert_true((double)got <= (double)exact * 1.04 + 1);
    }
    assert_int_equal(hist_count(&hist), VALUES);
}

static const char *const topics[] = {"events", "urgent"};
static const char *const words[] = {"a", NULL, "b"};

static struct metric_names some_names(void)
{
    struct metric_names names = {0};
    for (int i = 0; i < LABEL_COUNT; i++) {
        names.of[i].names = words;
        names.of[i].count = countof(words);
    }
    names.of[LABEL_TOPIC].names = topics;
    names.of[LABEL_TOPIC].count = countof(topics);
    return names;
}

static void shards_are_summed_and_nameless_values_left_out(void **state)
{
    (void)state;
    struct metric_names names = some_names();
    struct metrics a, b;
    assert_true(metrics_open(&a, &names));
    assert_true(metrics_open(&b, &names));
    metric_add(&a, METRIC_RECORDS_CONSUMED, 1, 0, 40);
    metric_add(&b, METRIC_RECORDS_CONSUMED, 1, 0, 2);
    metric_set(&a, METRIC_LAST_TURN, 0, 7001);
    metric_set(&b, METRIC_LAST_TURN, 0, 5042);
    metric_observe_us(&b, METRIC_TURN_SECONDS, 0, 3000);
    static char text[1 << 18];
    struct writer w = writer_of(text, sizeof text - 1);
    struct metrics *shards[] = {&a, &b};
    metrics_write(shards, 2, &w);
    assert_false(w.overflow);
    text[w.size] = '\0';
    assert_non_null(strstr(text, "carillon_records_consumed_total{topic=\"urgent\"} 42\n"));
    assert_non_null(strstr(text, "carillon_last_turn_timestamp_seconds 5.042\n"));
    assert_non_null(strstr(text, "carillon_turn_seconds_bucket{le=\"0.0025\"} 0\n"));
    assert_non_null(strstr(text, "carillon_turn_seconds_bucket{le=\"0.005\"} 1\n"));
    assert_non_null(strstr(text, "carillon_outcomes_total{channel=\"a\",outcome=\"b\"} 0\n"));
    assert_null(strstr(text, "(null)"));
    metrics_close(&a);
    metrics_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_is_within_four_percent_of_the_exact_one),
        cmocka_unit_test(shards_are_summed_and_nameless_values_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
