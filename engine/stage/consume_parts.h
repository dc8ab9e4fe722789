/* Between the files of consume: records and pauses (consume.c), commits and the winding down of
 * an assignment (consume_commit.c). */
#pragma once

#include "stage/consume.h"

/* NULL: the partition is not ours. */
struct consume_partition *consume_find(struct consume *consume, uint32_t topic, int32_t partition);
void consume_drop(struct consume *consume); /* all partitions */

void consume_serve_commits(struct consume *consume);
void consume_on_committed(struct consume *consume, const struct source_event *e);
void consume_on_revoked(struct consume *consume, bool lost);
void consume_serve_revocation(struct consume *consume);
/* Whether anything taken has not ended. */
bool consume_something_runs(const struct consume *consume);
