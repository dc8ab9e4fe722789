/* Any number of texts, written out in the order of their times (equal ones as they came).
 * What exceeds the memory goes into temporary files, sorted, which are merged at the end. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

#include <stdio.h>

struct rows;

struct rows *rows_open(size_t memory_max); /* a text is smaller than half of it */
void rows_close(struct rows *rows);
/* Copies. ERR_IO: errno says why a temporary file cannot be written. */
MUST_USE enum err rows_add(struct rows *rows, int64_t at_ms, struct bytes text);
/* All of them, once. ERR_IO: a file cannot be read; whether `out` took it, ferror tells. */
MUST_USE enum err rows_write(struct rows *rows, FILE *out);
