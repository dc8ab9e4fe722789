/* The partition of a key, as Java's producer chooses it: hashes of Kafka's own UtilsTest. */
#include "io/reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_key_lies_where_javas_producer_puts_it(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < countof(vectors); i++) {
        int32_t positive = vectors[i].hash & INT32_MAX;
        for (int32_t partitions = 1; partitions < 400; partitions += 7)
            assert_int_equal(reader_partition_of(bytes_of(vectors[i].key), (uint32_t)partitions),
                             positive % partitions);
        assert_int_equal(reader_partition_of(bytes_of(vectors[i].key), INT32_MAX),
                         positive % INT32_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_lies_where_javas_producer_puts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
