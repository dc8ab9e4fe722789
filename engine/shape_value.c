#include "shape_value.h"

#include <stdlib.h>
#include <string.h>

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Edits between two words: insertions, deletions, changes. */
static uint32_t distance(const char *a, const char *b)
{
    enum { WORD_MAX = 48 };
    size_t na = strlen(a), nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX)
        return UINT32_MAX;
    uint32_t row[WORD_MAX + 1];
    for (uint32_t j = 0; j <= nb; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= na; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= nb; j++) {
            uint32_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[nb];
}

void nearest_offer(struct nearest *nearest, const char *word, const char *candidate)
{
    uint32_t allowed = (uint32_t)(strlen(word) / 3 + 1);
    uint32_t d = distance(word, candidate);
    if (d > allowed || (nearest->word[0] && d >= nearest->distance))
        return;
    nearest->distance = d;
    snprintf(nearest->word, sizeof nearest->word, "%s", candidate);
}

const char *shape_word(const char *words, uint32_t index, int *size)
{
    while (index-- > 0) {
        words = strchr(words, '|');
        if (!words)
            return NULL;
        words++;
    }
    *size = (int)strcspn(words, "|");
    return words;
}

/* Decimal digits only: neither signs, nor octal, nor 1e3. */
static bool whole_number(const char *text, uint64_t *out)
{
    size_t size = strlen(text);
    if (size == 0 || size > 18 || strspn(text, "0123456789") != size ||
        (size > 1 && text[0] == '0'))
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

static bool fraction(const char *text, double *out)
{
    size_t whole = strspn(text, "0123456789"), size = strlen(text);
    size_t part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") + 1 : 0;
    if (whole == 0 || part == 1 || size > 18 || whole + part != size)
        return false;
    *out = strtod(text, NULL);
    return true;
}

static bool choice(const char *words, const char *text, uint64_t *out, struct nearest *near)
{
    int size;
    const char *word;
    for (uint32_t i = 0; (word = shape_word(words, i, &size)); i++) {
        char candidate[64];
        snprintf(candidate, sizeof candidate, "%.*s", size, word);
        if (strcmp(candidate, text) == 0) {
            *out = i;
            return true;
        }
        nearest_offer(near, text, candidate);
    }
    return false;
}

bool shape_value_of(const struct shape_row *row, const char *text, struct shape_value *out,
                    char *why, size_t why_size)
{
    bool number = row->kind == SHAPE_NUM;
    if (number || row->kind == SHAPE_REAL) {
        const char *space = row->unit[0] ? " " : "";
        if (number ? !whole_number(text, &out->number) : !fraction(text, &out->real)) {
            snprintf(why, why_size, "\"%.60s\" is not a %s from %.15g to %.15g%s%s", text,
                     number ? "whole number" : "number", row->least, row->most, space, row->unit);
            return false;
        }
        double value = number ? (double)out->number : out->real;
        if (value < row->least || value > row->most) {
            snprintf(why, why_size, "%.60s is outside %.15g to %.15g%s%s", text, row->least,
                     row->most, space, row->unit);
            return false;
        }
    } else if (row->kind == SHAPE_FLAG) {
        out->number = strcmp(text, "true") == 0;
        if (!out->number && strcmp(text, "false") != 0) {
            snprintf(why, why_size, "\"%.60s\" is neither true nor false", text);
            return false;
        }
    } else if (row->kind == SHAPE_CHOICE) {
        struct nearest near = {0};
        if (!choice(row->words, text, &out->number, &near)) {
            snprintf(why, why_size, "\"%.60s\" is none of %s%s%s%s", text, row->words,
                     near.word[0] ? "; did you mean " : "", near.word, near.word[0] ? "?" : "");
            return false;
        }
    }
    return true;
}

void shape_value_put(const struct shape_row *row, const char *text, void *data)
{
    struct shape_value value;
    char why[256];
    CHECK(shape_value_of(row, text, &value, why, sizeof why));
    void *slot = shape_slot(data, row->offset);
    if (row->kind == SHAPE_NUM) {
        *(uint64_t *)slot = value.number;
    } else if (row->kind == SHAPE_REAL) {
        *(double *)slot = value.real;
    } else if (row->kind == SHAPE_FLAG) {
        *(bool *)slot = value.number != 0;
    } else if (row->kind == SHAPE_CHOICE) {
        *(uint32_t *)slot = (uint32_t)value.number;
    } else {
        CHECK(row->kind == SHAPE_TEXT || row->kind == SHAPE_SECRET);
        free(*(char **)slot);
        *(char **)slot = strdup(text);
    }
}

void shape_texts_put(const struct shape_row *row, const char *text, void *data)
{
    char ***texts = shape_slot(data, row->offset);
    uint32_t *count = shape_slot(data, row->second);
    for (uint32_t i = 0; i < *count; i++)
        free((*texts)[i]);
    free(*texts);
    *texts = NULL;
    *count = 0;
    while (*text) {
        size_t size = strcspn(text, ",");
        *texts = realloc(*texts, (*count + 1) * sizeof(**texts));
        CHECK(*texts != NULL);
        (*texts)[(*count)++] = strndup(text, size);
        text += size + (text[size] == ',');
    }
}
