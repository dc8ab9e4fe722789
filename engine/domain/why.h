/* The words for what the rules decide: one sentence for each reason and each gate, for
 * `explain --text`, `why` and whoever reads outcomes to a customer on the telephone. */
#pragma once

#include "domain/judge.h"

const char *why_reason(enum reason reason);       /* "the number has opted out ..." */
const char *why_gate(uint32_t gate);              /* "the booking stands as the event says" */
const char *why_decision(enum decision);          /* on the wire: "send", "defer" ... */
const char *why_zone(Carillon__V1__ZoneSource);   /* on the wire: "profile" ... */
const char *why_encoding(Carillon__V1__Encoding); /* on the wire: "gsm7", "ucs2" */
