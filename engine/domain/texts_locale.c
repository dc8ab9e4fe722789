#include "domain/texts_locale.h"

static const char *const days_en[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const months_en[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
static const char *const days_fr[] = {"lundi",    "mardi",  "mercredi", "jeudi",
                                      "vendredi", "samedi", "dimanche"};
static const char *const months_fr[] = {"janvier",   "février", "mars",     "avril",
                                        "mai",       "juin",    "juillet",  "août",
                                        "septembre", "octobre", "novembre", "décembre"};

struct bytes texts_language_of(struct bytes locale)
{
    size_t size = 0;
    while (size < locale.size && locale.at[size] != '-' && locale.at[size] != '_')
        size++;
    return (struct bytes){locale.at, size};
}

static bool is_language(struct bytes locale, struct bytes language)
{
    return bytes_equal_nocase(texts_language_of(locale), language);
}

enum texts_language texts_language_for(struct bytes locale, struct bytes tenant_locale)
{
    if (is_language(locale, BYTES("fr")))
        return TEXTS_FR;
    if (is_language(locale, BYTES("en")))
        return TEXTS_EN;
    return is_language(tenant_locale, BYTES("fr")) ? TEXTS_FR : TEXTS_EN;
}

/* Where the month stands before the day. */
static bool is_american(struct bytes locale)
{
    return bytes_equal_nocase(locale, BYTES("en-US"));
}

static void write_two(struct writer *w, uint32_t n)
{
    write_char(w, (char)('0' + n / 10));
    write_char(w, (char)('0' + n % 10));
}

static void write_offset(struct writer *w, int32_t offset_s)
{
    int32_t minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
    write_literal(w, " (UTC");
    if (minutes > 0) {
        write_char(w, offset_s < 0 ? '-' : '+');
        write_i64(w, minutes / 60);
    }
    if (minutes % 60 > 0) {
        write_char(w, ':');
        write_two(w, (uint32_t)(minutes % 60));
    }
    write_char(w, ')');
}

static void write_french(struct writer *w, const struct civil *at, uint32_t weekday,
                         struct texts_time_options options)
{
    write_text(w, days_fr[weekday]);
    write_char(w, ' ');
    write_u64(w, at->day);
    write_text(w, at->day == 1 ? "er " : " ");
    write_text(w, at->month == 8 && options.gsm7_only ? "aout" : months_fr[at->month - 1]);
    if (options.with_year) {
        write_char(w, ' ');
        write_i64(w, at->year);
    }
    write_literal(w, " à ");
    write_u64(w, at->hour);
    write_literal(w, " h");
    if (at->minute > 0) {
        write_char(w, ' ');
        write_two(w, at->minute);
    }
}

static void write_english(struct writer *w, const struct civil *at, uint32_t weekday, bool american,
                          struct texts_time_options options)
{
    write_text(w, days_en[weekday]);
    write_text(w, american ? ", " : " ");
    if (american) {
        write_text(w, months_en[at->month - 1]);
        write_char(w, ' ');
        write_u64(w, at->day);
    } else {
        write_u64(w, at->day);
        write_char(w, ' ');
        write_text(w, months_en[at->month - 1]);
    }
    if (options.with_year) {
        write_text(w, american ? ", " : " ");
        write_i64(w, at->year);
    }
    write_literal(w, ", ");
    write_u64(w, at->hour % 12 == 0 ? 12 : at->hour % 12);
    if (at->minute > 0) {
        write_char(w, ':');
        write_two(w, at->minute);
    }
    write_text(w, at->hour < 12 ? " am" : " pm");
}

void texts_write_time(struct writer *w, enum texts_language language, struct bytes locale,
                      const struct civil *wall, int32_t offset_s, struct texts_time_options options)
{
    uint32_t weekday = civil_weekday(civil_days(wall->year, wall->month, wall->day));
    if (language == TEXTS_FR)
        write_french(w, wall, weekday, options);
    else
        write_english(w, wall, weekday, is_american(locale), options);
    if (options.with_offset)
        write_offset(w, offset_s);
}
