/* Which language a text is in, and how a time is shown in it. */
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "domain/texts_default.h"

/* The part of a BCP 47 tag before the first `-`. */
struct bytes texts_language_of(struct bytes locale);
/* By the rule: the locale's language, else the tenant's, else English. */
enum texts_language texts_language_for(struct bytes locale, struct bytes tenant_locale);

struct texts_time_options {
    bool with_year;
    bool with_offset; /* "(UTC+1)" */
    bool gsm7_only;   /* letters of GSM-7 alone */
};
/* "mardi 3 mars à 14 h 30"; "Tue 3 March, 2:30 pm", in the US "Tue, March 3, 2:30 pm". */
void texts_write_time(struct writer *w, enum texts_language language, struct bytes locale,
                      const struct civil *wall, int32_t offset_s,
                      struct texts_time_options options);
