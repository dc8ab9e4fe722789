/* An intrusive list that knows its length, and whose nodes know their list: being
 * in two lists, or freed while listed, dies at the line that did it. */
#pragma once

#include "base/base.h"

struct list;

struct list_node {
    struct list_node *next, *prev;
    struct list *owner; /* NULL: in no list */
};

struct list {
    struct list_node *first, *last;
    uint32_t count;
};

static inline void list_push(struct list *l, struct list_node *n) /* at the end */
{
    CHECK(n->owner == NULL);
    *n = (struct list_node){.prev = l->last, .owner = l};
    if (l->last)
        l->last->next = n;
    else
        l->first = n;
    l->last = n;
    l->count++;
}

static inline void list_push_front(struct list *l, struct list_node *n)
{
    CHECK(n->owner == NULL);
    *n = (struct list_node){.next = l->first, .owner = l};
    if (l->first)
        l->first->prev = n;
    else
        l->last = n;
    l->first = n;
    l->count++;
}

static inline void list_remove(struct list *l, struct list_node *n)
{
    CHECK(n->owner == l);
    CHECK(l->count > 0);
    if (n->prev)
        n->prev->next = n->next;
    else
        l->first = n->next;
    if (n->next)
        n->next->prev = n->prev;
    else
        l->last = n->prev;
    *n = (struct list_node){0};
    l->count--;
}

/* The first node, taken out; NULL where there is none. */
static inline struct list_node *list_pop(struct list *l)
{
    struct list_node *n = l->first;
    if (n)
        list_remove(l, n);
    return n;
}

/* Moves everything, in order, to the end of `to`. */
static inline void list_move(struct list *from, struct list *to)
{
    for (struct list_node *n = list_pop(from); n; n = list_pop(from))
        list_push(to, n);
}
