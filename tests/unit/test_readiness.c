/* What /readyz says to whoever is on call. */
#include "shard_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *why_of(const struct shard_health *health)
{
    static char text[SHARD_WHY_SIZE];
    struct writer w = writer_of(text, sizeof text - 1);
    shard_write_why(health, &w);
    assert_false(w.overflow);
    text[w.size] = '\0';
    return text;
}

static const struct shard_health good = {
    .gate = GATE_OPEN, .kafka = {.up = true}, .consuming = true, .ring_assigned = true};

static void a_shard_that_does_all_its_work_is_ready(void **state)
{
    (void)state;
    assert_string_equal(why_of(&good), "");
}

static void a_shard_that_can_defer_nothing_is_not_ready(void **state)
{
    (void)state;
    struct shard_health h = good;
    h.ring_assigned = false;
    assert_string_equal(why_of(&h), "kafka: ring not assigned: nothing is deferred, nothing that "
                                    "waited goes");
    h.consuming = false;
    assert_string_equal(why_of(&h), "kafka: no partitions assigned; kafka: ring not assigned: "
                                    "nothing is deferred, nothing that waited goes");
}

static void a_broker_that_is_away_explains_what_is_not_assigned(void **state)
{
    (void)state;
    struct shard_health h = {.gate = GATE_AWAY};
    assert_string_equal(why_of(&h), "redis: cannot be reached; kafka: no broker answers");
    snprintf(h.kafka.error, sizeof h.kafka.error, "refused");
    h.gate = GATE_OPEN;
    assert_string_equal(why_of(&h), "kafka: refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_that_does_all_its_work_is_ready),
        cmocka_unit_test(a_shard_that_can_defer_nothing_is_not_ready),
        cmocka_unit_test(a_broker_that_is_away_explains_what_is_not_assigned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
