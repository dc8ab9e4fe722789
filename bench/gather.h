/* Fills the judge's rows from journals and topics. Each says on standard error what it
 * cannot read, and gives false. */
#pragma once

#include "oracle.h"

bool gather_loads(struct oracle *o, const char *path) MUST_USE;
bool gather_calls(struct oracle *o, const char *path) MUST_USE;
bool gather_faults(struct oracle *o, const char *path) MUST_USE;
bool gather_topics(struct oracle *o, const char *brokers) MUST_USE;
void gather_free(struct oracle *o);

/* A record of __consumer_offsets; false: it is none of a commit (a tombstone, a group). */
bool commit_parse(struct bytes key, struct bytes value, struct commit_row *out);
