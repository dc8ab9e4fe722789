/* Which of a cluster's topics are deferral topics, which of them is written to, and what a
 * worker refuses to run on. */
#include "ring_topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    const char *name;
    uint32_t partitions;
};

static struct config *configured(const char *text)
{
    struct findings findings = {0};
    struct config *config = config_load_text(text, strlen(text), "test", "/", NULL, &findings);
    assert_non_null(config);
    findings_free(&findings);
    return config;
}

static struct ring_topics topics_of(const struct config *config, const struct seen *seen,
                                    uint32_t count)
{
    struct ring_topics topics;
    ring_topics_begin(&topics, config);
    for (uint32_t i = 0; i < count; i++)
        ring_topics_take(&topics, config, seen[i].name, seen[i].partitions);
    ring_topics_end(&topics, config);
    return topics;
}

#define TOPICS(config, ...)                               \
    topics_of(config, (const struct seen[]){__VA_ARGS__}, \
              countof(((const struct seen[]){__VA_ARGS__})))

static void generations_are_listed_by_rising_number_whatever_the_cluster_says_first(void **state)
{
    (void)state;
    struct config *config = configured("kafka: {topic_prefix: blue.}");
    struct ring_topics t =
        TOPICS(config, {"blue.carillon.deferred.10", 96}, {"blue.carillon.deferred.2", 384},
               {"blue.carillon.deferred.far", 64}, {"blue.carillon.deferred.1", 32});
    assert_int_equal(t.count, 3);
    assert_string_equal(t.generations[0].name, "blue.carillon.deferred.1");
    assert_string_equal(t.generations[1].name, "blue.carillon.deferred.2");
    assert_string_equal(t.generations[2].name, "blue.carillon.deferred.10");
    assert_int_equal(t.generations[2].generation, 10);
    assert_int_equal(t.generations[2].partitions, 96);
    assert_string_equal(t.far.name, "blue.carillon.deferred.far");
    assert_int_equal(t.far.partitions, 64);
    config_free(config);
}

static void other_topics_are_no_generations(void **state)
{
    (void)state;
    struct config *config = configured("kafka: {topic_prefix: blue.}");
    struct ring_topics t = TOPICS(
        config, {"carillon.deferred.1", 384}, {"green.carillon.deferred.1", 384},
        {"blue.carillon.deferred.", 384}, {"blue.carillon.deferred.0", 384},
        {"blue.carillon.deferred.01", 384}, {"blue.carillon.deferred.1x", 384},
        {"blue.carillon.deferred.-1", 384}, {"blue.carillon.deferred.4294967297", 384},
        {"blue.carillon.deferred.farther", 128}, {"blue.carillon.events", 384}, {"blue.", 1});
    assert_int_equal(t.count, 0);
    assert_int_equal(t.far.partitions, 0);
    config_free(config);
}

static void the_newest_generation_that_fits_is_written_to(void **state)
{
    (void)state;
    struct config *config = configured("deferral: {slots: 48, spread: 2}");
    struct ring_topics t = TOPICS(config, {"carillon.deferred.1", 96}, {"carillon.deferred.2", 96},
                                  {"carillon.deferred.3", 384}, {"carillon.deferred.far", 128});
    char why[RING_WHY_SIZE];
    assert_int_equal(t.written, 1);
    assert_true(ring_topics_good(&t, config, why));
    assert_int_equal(ring_plan_of(config, &t).far_spread, 4);
    config_free(config);
}

/* Another slot_ms puts a slot elsewhere, though the count is the same. */
static void a_ring_of_another_length_is_not_written_to(void **state)
{
    (void)state;
    struct config *config =
        configured("deferral: {slots: 48, spread: 2, slot_ms: 60000, lead_ms: 9000}");
    struct ring_topics t = TOPICS(config, {"carillon.deferred.1", 96}, {"carillon.deferred.2", 96},
                                  {"carillon.deferred.far", 128});
    char why[RING_WHY_SIZE];
    t.generations[0].length_ms = 48 * 60000;
    t.generations[1].length_ms = 48 * 120000;
    ring_topics_end(&t, config);
    assert_int_equal(t.written, 0);
    t.generations[0].length_ms = 48 * 30000;
    ring_topics_end(&t, config);
    assert_int_equal(t.written, t.count);
    assert_false(ring_topics_good(&t, config, why));
    assert_non_null(strstr(why, "topic carillon.deferred.2 is a ring of 5760 s, but "));
    assert_non_null(strstr(why, "are 2880 s"));
    assert_non_null(strstr(why, "run `carillon setup --ring`"));
    t.generations[0].length_ms = 0; /* it could not be asked */
    ring_topics_end(&t, config);
    assert_int_equal(t.written, 0);
    config_free(config);
}

static void assert_refused(const char *text, const struct ring_topics *t, const char *want)
{
    struct config *config = configured(text);
    char why[RING_WHY_SIZE] = "";
    assert_false(ring_topics_good(t, config, why));
    assert_non_null(strstr(why, want));
    config_free(config);
}

static void what_a_worker_cannot_run_on_is_told_with_the_remedy(void **state)
{
    (void)state;
    struct config *config = configured("");
    struct ring_topics none, no_far, odd_far, unfit;
    none = TOPICS(config, {"carillon.deferred.far", 128});
    no_far = TOPICS(config, {"carillon.deferred.1", 384});
    odd_far = TOPICS(config, {"carillon.deferred.1", 384}, {"carillon.deferred.far", 100});
    unfit = TOPICS(config, {"carillon.deferred.1", 383}, {"carillon.deferred.4", 96},
                   {"carillon.deferred.far", 128});
    assert_int_equal(unfit.written, unfit.count);
    assert_refused("", &none, "carillon.deferred.1 is missing: run `carillon setup`");
    assert_refused("", &no_far, "carillon.deferred.far is missing: run `carillon setup`");
    assert_refused("", &odd_far, "has 100 partitions, not 32 days x a spread");
    assert_refused("", &unfit, "has the 384 partitions");
    assert_refused("", &unfit, "(the newest, 4, has 96): run `carillon setup --ring`");
    config_free(config);
}

static void more_generations_than_are_served_are_refused_and_none_is_left_out_silently(void **state)
{
    (void)state;
    struct config *config = configured("");
    struct ring_topics t;
    ring_topics_begin(&t, config);
    ring_topics_take(&t, config, "carillon.deferred.far", 128);
    for (uint32_t i = 1; i <= RING_GENERATIONS_MAX; i++) {
        char name[64];
        snprintf(name, sizeof name, "carillon.deferred.%u", i);
        ring_topics_take(&t, config, name, 384);
    }
    ring_topics_end(&t, config);
    char why[RING_WHY_SIZE];
    assert_true(ring_topics_good(&t, config, why));
    ring_topics_take(&t, config, "carillon.deferred.99", 384);
    assert_false(ring_topics_good(&t, config, why));
    assert_non_null(strstr(why, "--remove-over"));
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generations_are_listed_by_rising_number_whatever_the_cluster_says_first),
        cmocka_unit_test(other_topics_are_no_generations),
        cmocka_unit_test(the_newest_generation_that_fits_is_written_to),
        cmocka_unit_test(a_ring_of_another_length_is_not_written_to),
        cmocka_unit_test(what_a_worker_cannot_run_on_is_told_with_the_remedy),
        cmocka_unit_test(
            more_generations_than_are_served_are_refused_and_none_is_left_out_silently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
