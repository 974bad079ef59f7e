#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the allocator may hold on to, of each thread's own. */
#define KEPT_BYTES (4 * 1024 * 1024)
#define SMALL 1024 /* what a thread has freed is at hand up to that size */

static void *checked(void *p)
{
    if (!p) {
        fputs("goproxyai: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *mem_zero(size_t size)
{
    /* Before 2.41 glibc's calloc passes by what a thread has freed lately. */
    if (size > 0 && size <= SMALL)
        return memset(mem_alloc(size), 0, size);
    return checked(calloc(1, size ? size : 1));
}

void *mem_grow(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1));
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void mem_clear(void *p, size_t len)
{
    memset(p, 0, len);
}

void mem_wipe(void *p, size_t len)
{
    explicit_bzero(p, len);
}

void mem_free_at(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void mem_keep_freed(void)
{
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES / 4);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}
