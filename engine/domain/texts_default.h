/* The default texts, as data; texts.c fills them. `{{x}}` is a value, `[[A|B]]` is A where
 * all values in A are known, else B, a literal (or nothing). Outside of brackets only what must be
 * there. A blank line parts paragraphs. SMS keeps to GSM-7: no ç, no circumflex. */
#pragma once

#include "carillon/v1/common.pb-c.h"

enum texts_language { TEXTS_EN, TEXTS_FR, TEXTS_LANGUAGE_COUNT };

struct default_text {
    const char *sms;
    const char *subject, *email;
    const char *title, *push;
};

/* Of a kind's own text_kind (domain/kinds.h); everything NULL where a kind has none. */
const struct default_text *texts_default_of(Carillon__V1__Kind text_kind,
                                            enum texts_language language);

extern const char *const texts_opt_out_hint[TEXTS_LANGUAGE_COUNT];
