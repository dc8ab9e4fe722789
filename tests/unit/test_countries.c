/* The embedded table against the file it was made from, row by row. */
#include "domain/countries.h"

#include "domain/zones.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_row_of_the_file_is_found_by_a_number(void **state)
{
    (void)state;
    FILE *file = fopen("engine/domain/data/calling-codes.csv", "r");
    assert_non_null(file);
    char line[256];
    uint32_t rows = 0;
    assert_non_null(fgets(line, sizeof line, file)); /* the names of the columns */
    while (fgets(line, sizeof line, file)) {
        char *countries = strchr(line, ',');
        assert_non_null(countries);
        *countries++ = '\0';
        countries[strcspn(countries, "\r\n")] = '\0';
        for (char *c = countries; *c; c++)
            if (*c == ' ')
                *c = '+';
        char number[300];
        snprintf(number, sizeof number, "+%s5550123", line);
        const struct calling_code *found = country_of_number(bytes_of(number));
        assert_non_null(found);
        assert_string_equal(found->digits, line);
        assert_string_equal(found->countries, countries);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, calling_code_count);
}

static void the_table_is_sorted_and_no_code_begins_with_another(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < calling_code_count; i++) {
        const char *before = calling_codes[i - 1].digits, *here = calling_codes[i].digits;
        assert_true(strcmp(before, here) < 0);
        assert_true(strncmp(before, here, strlen(before)) != 0);
    }
}

static void shared_codes_name_all_their_countries_in_alphabetical_order(void **state)
{
    (void)state;
    assert_string_equal(country_of_number(BYTES("+77011234567"))->countries, "KZ+RU");
    assert_string_equal(country_of_number(BYTES("+262692123456"))->countries, "RE+YT");
    assert_string_equal(country_of_number(BYTES("+358401234567"))->countries, "AX+FI");
    for (uint32_t i = 0; i < calling_code_count; i++) {
        const char *at = calling_codes[i].countries;
        assert_true(strlen(at) % 3 == 2);
        for (; at[2] == '+'; at += 3)
            assert_true(strncmp(at, at + 3, 2) < 0);
    }
}

static void every_country_of_the_table_has_a_zone(void **state)
{
    (void)state;
    char memory[8192];
    struct zones *zones = zones_open();
    assert_non_null(zones);
    for (uint32_t i = 0; i < calling_code_count; i++)
        for (const char *at = calling_codes[i].countries; *at; at += at[2] ? 3 : 2) {
            struct arena arena = arena_of(memory, sizeof memory);
            struct bytes country = {at, 2};
            assert_true(country_code_valid(country));
            if (zones_of_countries(zones, country, &arena).count == 0)
                fail_msg("no zone: %.2s", at);
        }
    zones_close(zones);
}

static void numbers_without_a_country_have_none(void **state)
{
    (void)state;
    static const char *const numbers[] = {"+9991234567", "+8001234567", "+2101234567", "+", "",
                                          "33612345678"};
    for (size_t i = 0; i < countof(numbers); i++)
        assert_null(country_of_number(bytes_of(numbers[i])));
}

static void a_country_code_is_two_capital_letters(void **state)
{
    (void)state;
    assert_true(country_code_valid(BYTES("FR")));
    assert_false(country_code_valid(BYTES("fr")));
    assert_false(country_code_valid(BYTES("FRA")));
    assert_false(country_code_valid(BYTES("F1")));
    assert_false(country_code_valid(BYTES("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_file_is_found_by_a_number),
        cmocka_unit_test(the_table_is_sorted_and_no_code_begins_with_another),
        cmocka_unit_test(shared_codes_name_all_their_countries_in_alphabetical_order),
        cmocka_unit_test(every_country_of_the_table_has_a_zone),
        cmocka_unit_test(numbers_without_a_country_have_none),
        cmocka_unit_test(a_country_code_is_two_capital_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
