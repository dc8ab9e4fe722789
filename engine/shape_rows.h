/* Turns a .def file into shapes: include this, define SHAPE_TAG (prefix of its structs) and
 * SHAPE_LIVE (whether rows say LIVE or START), include the .def. A static shape NAME_shape
 * stands for each STRUCT(NAME) then. No include guard matters: it only defines macros. */
#pragma once

#include "shape.h"

#define SHAPE_GLUE_(a, b) a##b
#define SHAPE_GLUE(a, b) SHAPE_GLUE_(a, b)
#define SHAPE_AT(shape, field) offsetof(struct SHAPE_GLUE(SHAPE_TAG, shape), field)

#define LIVE true
#define START false

#define STRUCT(name) static const struct shape_row name##_rows[] = {
#define END(shape_name)                              \
    }                                                \
    ;                                                \
    static const struct shape shape_name##_shape = { \
        .rows = shape_name##_rows,                   \
        .row_count = countof(shape_name##_rows),     \
        .size = sizeof(struct SHAPE_GLUE(SHAPE_TAG, shape_name))};
#define SHAPE_ROW(shape, key, kind_, live_, help_) \
    .kind = kind_, .live = live_, .name = #key, .help = help_, .offset = SHAPE_AT(shape, key)
#define NUM(shape, key, init_, least_, most_, unit_, live_, help_)                              \
    {SHAPE_ROW(shape, key, SHAPE_NUM, live_, help_), .init = #init_, .least = (double)(least_), \
     .most = (double)(most_), .unit = unit_},
#define REAL(shape, key, init_, least_, most_, unit_, live_, help_)                              \
    {SHAPE_ROW(shape, key, SHAPE_REAL, live_, help_), .init = #init_, .least = (double)(least_), \
     .most = (double)(most_), .unit = unit_},
#define FLAG(shape, key, init_, live_, help_) \
    {SHAPE_ROW(shape, key, SHAPE_FLAG, live_, help_), .init = #init_},
#define TEXT(shape, key, init_, live_, help_) \
    {SHAPE_ROW(shape, key, SHAPE_TEXT, live_, help_), .init = init_},
#define NEED(shape, key, example_, live_, help_) \
    {SHAPE_ROW(shape, key, SHAPE_TEXT, live_, help_), .init = example_, .needed = true},
#define SECRET(shape, key, live_, help_)                                          \
    {SHAPE_ROW(shape, key, SHAPE_SECRET, live_, help_), .file_key = #key "_file", \
     .second = SHAPE_AT(shape, key##_file)},
#define CHOICE(shape, key, init_, words_, live_, help_) \
    {SHAPE_ROW(shape, key, SHAPE_CHOICE, live_, help_), .init = init_, .words = words_},
#define TEXTS(shape, key, live_, help_) \
    {SHAPE_ROW(shape, key, SHAPE_TEXTS, live_, help_), .second = SHAPE_AT(shape, key##_count)},
#define GROUP(shape, key, inner_, help_) \
    {SHAPE_ROW(shape, key, SHAPE_GROUP, true, help_), .inner = &inner_##_shape},
#define LIST(shape, key, inner_, live_, help_)                                                \
    {SHAPE_ROW(shape, key, SHAPE_LIST, live_, help_), .second = SHAPE_AT(shape, key##_count), \
     .inner = &inner_##_shape},
