/* The life of a struct that a shape describes: free, compare, copy. */
#include "shape_value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const void *slot_of(const void *data, size_t offset)
{
    return (const char *)data + offset;
}

static char *text_at(const void *data, size_t offset)
{
    return *(char *const *)slot_of(data, offset);
}

static uint32_t count_of(const struct shape_row *row, const void *data)
{
    return *(const uint32_t *)slot_of(data, row->second);
}

static char *entry_of(const struct shape_row *row, const void *data, uint32_t index)
{
    return text_at(data, row->offset) + index * row->inner->size;
}

static void row_free(const struct shape_row *row, void *data)
{
    switch (row->kind) {
    case SHAPE_SECRET:
        free(text_at(data, row->second));
        free(text_at(data, row->offset));
        break;
    case SHAPE_TEXT:
        free(text_at(data, row->offset));
        break;
    case SHAPE_TEXTS:
        for (uint32_t i = 0; i < count_of(row, data); i++)
            free((*(char **const *)slot_of(data, row->offset))[i]);
        free(text_at(data, row->offset));
        break;
    case SHAPE_GROUP:
        shape_free(row->inner, shape_slot(data, row->offset));
        break;
    case SHAPE_LIST:
        for (uint32_t i = 0; i < count_of(row, data); i++)
            shape_free(row->inner, entry_of(row, data, i));
        free(text_at(data, row->offset));
        break;
    case SHAPE_NUM:
    case SHAPE_REAL:
    case SHAPE_FLAG:
    case SHAPE_CHOICE:
        break;
    }
}

void shape_free(const struct shape *shape, void *data)
{
    for (uint32_t i = 0; i < shape->row_count; i++)
        row_free(&shape->rows[i], data);
    memset(data, 0, shape->size);
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool texts_equal(const struct shape_row *row, const void *a, const void *b)
{
    char **ta = *(char **const *)slot_of(a, row->offset);
    char **tb = *(char **const *)slot_of(b, row->offset);
    for (uint32_t i = 0; i < count_of(row, a); i++)
        if (!text_equal(ta[i], tb[i]))
            return false;
    return true;
}

static bool shape_equal(const struct shape *shape, const void *a, const void *b)
{
    for (uint32_t i = 0; i < shape->row_count; i++)
        if (!shape_row_equal(&shape->rows[i], a, b))
            return false;
    return true;
}

static bool lists_equal(const struct shape_row *row, const void *a, const void *b)
{
    for (uint32_t i = 0; i < count_of(row, a); i++)
        if (!shape_equal(row->inner, entry_of(row, a, i), entry_of(row, b, i)))
            return false;
    return true;
}

bool shape_row_equal(const struct shape_row *row, const void *a, const void *b)
{
    const void *slot_a = slot_of(a, row->offset), *slot_b = slot_of(b, row->offset);
    switch (row->kind) {
    case SHAPE_NUM:
        return *(const uint64_t *)slot_a == *(const uint64_t *)slot_b;
    case SHAPE_REAL:
        return memcmp(slot_a, slot_b, sizeof(double)) == 0;
    case SHAPE_FLAG:
        return *(const bool *)slot_a == *(const bool *)slot_b;
    case SHAPE_CHOICE:
        return *(const uint32_t *)slot_a == *(const uint32_t *)slot_b;
    case SHAPE_TEXT:
    case SHAPE_SECRET:
        return text_equal(text_at(a, row->offset), text_at(b, row->offset));
    case SHAPE_GROUP:
        return shape_equal(row->inner, slot_a, slot_b);
    case SHAPE_TEXTS:
        return count_of(row, a) == count_of(row, b) && texts_equal(row, a, b);
    case SHAPE_LIST:
        return count_of(row, a) == count_of(row, b) && lists_equal(row, a, b);
    }
    return false; /* no such kind */
}

static void text_copy(const void *from, void *to, size_t offset)
{
    const char *text = text_at(from, offset);
    *(char **)shape_slot(to, offset) = text ? strdup(text) : NULL;
}

static void texts_copy(const struct shape_row *row, const void *from, void *to)
{
    uint32_t count = count_of(row, from);
    char **texts = calloc(count + 1, sizeof(*texts));
    CHECK(texts != NULL);
    for (uint32_t i = 0; i < count; i++)
        texts[i] = strdup((*(char **const *)slot_of(from, row->offset))[i]);
    *(char ***)shape_slot(to, row->offset) = texts;
    *(uint32_t *)shape_slot(to, row->second) = count;
}

static void shape_copy(const struct shape *shape, const void *from, void *to)
{
    for (uint32_t i = 0; i < shape->row_count; i++)
        shape_row_copy(&shape->rows[i], from, to);
}

static void list_copy(const struct shape_row *row, const void *from, void *to)
{
    uint32_t count = count_of(row, from);
    char *entries = calloc(count + 1, row->inner->size);
    CHECK(entries != NULL);
    for (uint32_t i = 0; i < count; i++)
        shape_copy(row->inner, entry_of(row, from, i), entries + i * row->inner->size);
    *(char **)shape_slot(to, row->offset) = entries;
    *(uint32_t *)shape_slot(to, row->second) = count;
}

void shape_row_copy(const struct shape_row *row, const void *from, void *to)
{
    if (row->kind != SHAPE_GROUP)
        row_free(row, to);
    switch (row->kind) {
    case SHAPE_NUM:
    case SHAPE_REAL:
        memcpy(shape_slot(to, row->offset), slot_of(from, row->offset), sizeof(uint64_t));
        break;
    case SHAPE_CHOICE:
        memcpy(shape_slot(to, row->offset), slot_of(from, row->offset), sizeof(uint32_t));
        break;
    case SHAPE_FLAG:
        memcpy(shape_slot(to, row->offset), slot_of(from, row->offset), sizeof(bool));
        break;
    case SHAPE_SECRET:
        text_copy(from, to, row->second);
        text_copy(from, to, row->offset);
        break;
    case SHAPE_TEXT:
        text_copy(from, to, row->offset);
        break;
    case SHAPE_TEXTS:
        texts_copy(row, from, to);
        break;
    case SHAPE_GROUP:
        shape_copy(row->inner, slot_of(from, row->offset), shape_slot(to, row->offset));
        break;
    case SHAPE_LIST:
        list_copy(row, from, to);
        break;
    }
}

char *shape_path(const char *folder, const char *path)
{
    char *whole = NULL;
    if (path[0] == '/' || folder[0] == '\0')
        return strdup(path);
    CHECK(asprintf(&whole, "%s/%s", folder, path) > 0);
    return whole;
}

static bool read_all(int fd, char *text, size_t max, size_t *size)
{
    for (*size = 0; *size < max;) {
        ssize_t n = read(fd, text + *size, max - *size);
        if (n == 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        *size += (size_t)n;
    }
    errno = EFBIG;
    return false;
}

char *shape_file(const char *path, size_t max, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    char *text = malloc(max + 1);
    CHECK(text != NULL);
    bool whole = read_all(fd, text, max + 1, size);
    int error = errno;
    close(fd);
    if (whole) {
        text[*size] = '\0';
        return text;
    }
    free(text);
    errno = error;
    return NULL;
}
