/* Strings in a memory of chunks against plain copies of them. */
#include "base/chunks.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COUNT = 64, STRINGS = 40, LONGEST = 2000, FIRST = 116, FURTHER = 124, GUARD = 64 };

struct twin {
    uint32_t handle; /* 0: none */
    size_t size;
    char text[LONGEST];
};

static struct chunks chunks;
static char memory[COUNT * CHUNK_SIZE + GUARD];

static void fresh(uint32_t count)
{
    memset(memory, 0x5a, sizeof memory);
    chunks_init(&chunks, memory, count);
}

/* In up to four pieces, some of them empty. */
static void put(struct twin *t, size_t size, uint64_t *seed)
{
    struct bytes pieces[4];
    size_t at = 0;
    for (size_t i = 0; i < size; i++)
        t->text[i] = (char)prng_next(seed);
    for (uint32_t i = 0; i < 4; i++) {
        size_t part = i == 3 ? size - at : prng_upto(seed, size - at + 1);
        pieces[i] = (struct bytes){part > 0 ? t->text + at : NULL, part};
        at += part;
    }
    t->size = size;
    t->handle = chunks_put(&chunks, pieces, 4);
}

static void is_whole(const struct twin *t)
{
    static char copy[LONGEST + 1];
    copy[t->size] = 0x77;
    assert_int_equal(chunks_size(&chunks, t->handle), t->size);
    chunks_copy(&chunks, t->handle, copy);
    assert_memory_equal(copy, t->text, t->size);
    assert_int_equal(copy[t->size], 0x77);
}

static void a_string_takes_as_many_chunks_as_it_needs(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint32_t chunks;
    } cases[] = {
        {0, 1}, {1, 1}, {FIRST, 1}, {FIRST + 1, 2}, {FIRST + FURTHER, 2}, {FIRST + FURTHER + 1, 3}};
    uint64_t seed = 1;
    for (size_t i = 0; i < countof(cases); i++) {
        struct twin t;
        fresh(COUNT);
        assert_int_equal(chunks_of(cases[i].size), cases[i].chunks);
        put(&t, cases[i].size, &seed);
        assert_int_equal(chunks_room(&chunks), COUNT - cases[i].chunks);
        is_whole(&t);
        chunks_free(&chunks, t.handle);
        assert_int_equal(chunks_room(&chunks), COUNT);
    }
}

static void what_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct twin first, second;
    uint64_t seed = 2;
    fresh(4);
    put(&first, FIRST + FURTHER, &seed);
    struct chunks before = chunks;
    put(&second, FIRST + 2 * FURTHER, &seed);
    assert_int_equal(second.handle, 0);
    assert_memory_equal(&chunks, &before, sizeof chunks);
    is_whole(&first);
    put(&second, FIRST + FURTHER, &seed);
    assert_int_not_equal(second.handle, 0);
    assert_int_equal(chunks_room(&chunks), 0);
    is_whole(&first);
    is_whole(&second);
}

static void strings_stay_whole_whatever_comes_and_goes(void **state)
{
    (void)state;
    static struct twin twins[STRINGS];
    for (uint64_t start = 1; start <= 20; start++) {
        uint64_t seed = start;
        memset(twins, 0, sizeof twins);
        fresh(COUNT);
        for (uint32_t turn = 0; turn < 3000; turn++) {
            struct twin *t = &twins[prng_upto(&seed, STRINGS)];
            if (t->handle) {
                is_whole(t);
                chunks_free(&chunks, t->handle);
                t->handle = 0;
            } else {
                size_t size = prng_upto(&seed, prng_upto(&seed, 4) ? 300 : LONGEST);
                bool fits = chunks_of(size) <= chunks_room(&chunks);
                put(t, size, &seed);
                assert_int_equal(t->handle != 0, fits);
            }
            uint32_t used = 0, strings = 0;
            for (uint32_t i = 0; i < STRINGS; i++) {
                used += twins[i].handle ? chunks_of(twins[i].size) : 0;
                strings += twins[i].handle != 0;
            }
            assert_int_equal(chunks.used, used);
            assert_int_equal(chunks.strings, strings);
        }
        for (uint32_t i = 0; i < STRINGS; i++)
            if (twins[i].handle)
                is_whole(&twins[i]);
        for (size_t i = 0; i < GUARD; i++)
            assert_int_equal(memory[COUNT * CHUNK_SIZE + i], 0x5a);
    }
}

static void a_handle_that_was_never_given_is_our_own_fault(void **state)
{
    (void)state;
    fresh(COUNT);
    expect_assert_failure(chunks_size(&chunks, 0));
    expect_assert_failure(chunks_size(&chunks, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_takes_as_many_chunks_as_it_needs),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
        cmocka_unit_test(strings_stay_whole_whatever_comes_and_goes),
        cmocka_unit_test(a_handle_that_was_never_given_is_our_own_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
