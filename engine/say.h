/* The sentences that `explain --text` (what would happen) and `why` (what did) share. */
#pragma once

#include "domain/judge.h"

/* The sentence of a reason code; NULL where it is "" or unknown here. */
const char *say_reason(const char *code);
/* ". Its zone is Europe/Paris (profile)" */
void say_zone(struct writer *w, struct bytes zone, Carillon__V1__ZoneSource source);
/* ". The text: default, 2 segments gsm7"; segments 0: not counted */
void say_form(struct writer *w, const char *template, uint32_t segments,
              Carillon__V1__Encoding encoding);
/* "the recipient unsubscribed, DETAIL. Gate C6 ("...") says unsubscribed"; `detail` may be
 * NULL, `gate` JUDGE_GATE_NONE. */
void say_refusal(struct writer *w, const char *code, const char *detail, uint32_t gate);
