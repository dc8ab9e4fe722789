/* Segments: the vectors of the providers' page, a naive twin over random texts, and the
 * table against Perl's Encode::GSM0338. */
#include "domain/segments.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GSM7 CARILLON__V1__ENCODING__ENCODING_GSM7
#define UCS2 CARILLON__V1__ENCODING__ENCODING_UCS2

enum { TEXT_MAX = 4096 };

static void add(struct writer *w, const char *text, uint32_t times)
{
    for (uint32_t i = 0; i < times; i++)
        write_text(w, text);
}

struct part {
    const char *text;
    uint32_t times;
};

struct vector {
    struct part parts[3];
    Carillon__V1__Encoding encoding;
    uint32_t units, segments;
};

static void texts_are_packed_as_the_networks_do(void **state)
{
    (void)state;
    static const struct vector vectors[] = {
        {{{"a", 160}}, GSM7, 160, 1},
        {{{"a", 161}}, GSM7, 161, 2},
        {{{"a", 306}}, GSM7, 306, 2},
        {{{"a", 307}}, GSM7, 307, 3},
        {{{"€", 80}}, GSM7, 160, 1},
        {{{"€", 81}}, GSM7, 162, 2},
        {{{"a", 152}, {"€", 1}, {"a", 151}}, GSM7, 305, 2},
        {{{"a", 152}, {"€", 1}, {"a", 152}}, GSM7, 306, 3},
        {{{"é", 160}}, GSM7, 160, 1},
        {{{"Ç", 160}}, GSM7, 160, 1},
        {{{"ç", 1}}, UCS2, 1, 1},
        {{{"ê", 1}, {"a", 69}}, UCS2, 70, 1},
        {{{"ê", 1}, {"a", 70}}, UCS2, 71, 2},
        {{{"\U0001F600", 35}}, UCS2, 70, 1},
        {{{"\U0001F600", 36}}, UCS2, 72, 2},
        {{{"a", 66}, {"\U0001F600", 1}, {"a", 66}}, UCS2, 134, 3},
        {{{"a", 134}, {"ê", 1}}, UCS2, 135, 3},
        {{{"", 1}}, GSM7, 0, 0},
    };
    for (size_t i = 0; i < countof(vectors); i++) {
        char memory[TEXT_MAX];
        struct writer w = writer_of(memory, sizeof memory);
        for (size_t p = 0; p < 3 && vectors[i].parts[p].text; p++)
            add(&w, vectors[i].parts[p].text, vectors[i].parts[p].times);
        struct segments got = segments_count(writer_bytes(&w));
        assert_int_equal(got.encoding, vectors[i].encoding);
        assert_int_equal(got.units, vectors[i].units);
        assert_int_equal(got.segments, vectors[i].segments);
    }
}

static void code_points_are_those_of_unicode(void **state)
{
    (void)state;
    assert_int_equal(segments_count(BYTES("a€é\U0001F600")).code_points, 4);
    assert_int_equal(segments_count(BYTES("")).code_points, 0);
}

static void bytes_that_are_no_utf8_count_as_one_character_each(void **state)
{
    (void)state;
    const struct bytes broken[] = {BYTES("\xff"), BYTES("\xe2\x82"), BYTES("\xc0\x80"),
                                   BYTES("\xf5\x80\x80\x80"), BYTES("\xe2(\xa1")};
    for (size_t i = 0; i < countof(broken); i++) {
        struct segments got = segments_count(broken[i]);
        assert_int_equal(got.encoding, UCS2);
        assert_int_equal(got.code_points, broken[i].size);
    }
}

static uint32_t write_code_point(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    uint32_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (uint32_t i = size - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(0xf00u >> size | c);
    return size;
}

/* 0: not in GSM-7. */
static uint32_t septets_of(uint32_t c)
{
    char text[4];
    struct segments got = segments_count((struct bytes){text, write_code_point(text, c)});
    assert_int_equal(got.code_points, 1);
    return got.encoding == GSM7 ? got.units : 0;
}

static void the_alphabet_is_that_of_perls_encode(void **state)
{
    (void)state;
    static const char script[] =
        "perl -MEncode -e 'for my $c (0 .. 0xd7ff, 0xe000 .. 0x10000) { my $s = chr $c; "
        "my $b = eval { Encode::encode(\"gsm0338\", $s, Encode::FB_CROAK) }; "
        "printf \"%d %d\\n\", $c, length $b if defined $b && length $b }'";
    static uint8_t septets[0x10001];
    FILE *perl = popen(script, "r");
    assert_non_null(perl);
    uint32_t c, length, count = 0;
    while (fscanf(perl, "%u %u", &c, &length) == 2) {
        assert_true(c < countof(septets));
        septets[c] = (uint8_t)length;
        count++;
    }
    assert_int_equal(pclose(perl), 0);
    assert_int_equal(count, 127 + 10); /* all but ESC; the extension table */
    for (c = 1; c < countof(septets); c++) {
        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (septets_of(c) != septets[c])
            fail_msg("U+%04X: %u septets, Perl says %u", c, septets_of(c), septets[c]);
    }
}

/* Packs by looking at the whole text again for each segment. */
static uint32_t naive_segments(const uint8_t *units, uint32_t count, uint32_t one, uint32_t each)
{
    uint32_t total = 0, segments = 0;
    for (uint32_t i = 0; i < count; i++)
        total += units[i];
    if (total <= one)
        return total > 0;
    for (uint32_t i = 0; i < count; segments++)
        for (uint32_t room = each; i < count && units[i] <= room; i++)
            room -= units[i];
    return segments;
}

/* Plain ones are counted eight at a time. */
static void a_byte_counts_among_plain_ones_as_it_does_alone(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++)
        for (size_t at = 0; at < 19; at++) {
            char alone = (char)c, text[] = "Hello Camille, you!";
            text[at] = alone;
            struct segments one = segments_count((struct bytes){&alone, 1}),
                            all = segments_count(bytes_of(text));
            assert_int_equal(all.encoding, one.encoding);
            assert_int_equal(all.units, one.units + 18);
            assert_int_equal(all.code_points, 19);
        }
}

static void packing_is_as_a_naive_twin_says(void **state)
{
    (void)state;
    static const char *const gsm7_letters[] = {"a", "é", "€", "[", "\n"};
    static const uint8_t gsm7_units[] = {1, 1, 2, 2, 1};
    static const char *const ucs2_letters[] = {"ê", "a", "\U0001F600", "€", "中"};
    static const uint8_t ucs2_units[] = {1, 1, 2, 1, 1};
    uint64_t seed = 20260307;
    for (uint32_t round = 0; round < 2000; round++) {
        bool gsm7 = prng_upto(&seed, 2) == 0;
        char memory[TEXT_MAX];
        uint8_t units[800];
        struct writer w = writer_of(memory, sizeof memory);
        uint32_t count = (uint32_t)prng_upto(&seed, 500) + 1;
        for (uint32_t i = 0; i < count; i++) {
            uint64_t pick = i == 0 ? 0 : prng_upto(&seed, 5);
            units[i] = gsm7 ? gsm7_units[pick] : ucs2_units[pick];
            write_text(&w, gsm7 ? gsm7_letters[pick] : ucs2_letters[pick]);
        }
        struct segments got = segments_count(writer_bytes(&w));
        assert_int_equal(got.encoding, gsm7 ? GSM7 : UCS2);
        assert_int_equal(got.segments,
                         naive_segments(units, count, gsm7 ? 160 : 70, gsm7 ? 153 : 67));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_packed_as_the_networks_do),
        cmocka_unit_test(code_points_are_those_of_unicode),
        cmocka_unit_test(bytes_that_are_no_utf8_count_as_one_character_each),
        cmocka_unit_test(the_alphabet_is_that_of_perls_encode),
        cmocka_unit_test(a_byte_counts_among_plain_ones_as_it_does_alone),
        cmocka_unit_test(packing_is_as_a_naive_twin_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
