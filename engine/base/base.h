/* What every file may use. CHECK guards our own state, is always on and O(1);
 * DCHECK is for walks over whole structures, in debug builds; neither is ever
 * for input. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says which condition broke and aborts: uncommitted records are read again. */
_Noreturn void check_failed(const char *cond, const char *file, int line);

#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
#ifdef DEBUG_CHECKS
#define DCHECK(cond) CHECK(cond)
#else
#define DCHECK(cond) ((void)sizeof(cond))
#endif

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first) __attribute__((__format__(__printf__, format_at, first)))
#define countof(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(pointer, type, member) \
    ((type *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

/* Asks memory for what is soon read or written. Worth it where a list is walked whose members
 * have left the cache: the next one comes while this one is worked on. Any address will do,
 * NULL too. */
static inline void memory_fetch(const void *at, size_t size)
{
    for (size_t i = 0; i < size; i += 64)
        __builtin_prefetch((const void *)((uintptr_t)at + i));
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline int64_t i64_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t i64_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
