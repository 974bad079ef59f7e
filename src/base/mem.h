/* Memory: allocation that cannot fail, and ownership that can be read.
 *
 * Out of memory aborts: no caller could do anything better, and every input that a client
 * can make large has a cap of its own long before. All functions are thread-safe.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Never return NULL. What they return is freed with free(). */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *mem_zero(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *mem_grow(void *old, size_t size) __attribute__((returns_nonnull, warn_unused_result));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *mem_strndup(const char *s, size_t len) __attribute__((malloc, returns_nonnull, nonnull));

/* Overwrites with zeros by the C library's memset(). For a size that the compiler knows GCC writes
 * `rep stos` instead, which is slower for some hundred bytes. */
void mem_clear(void *p, size_t len);

/* Overwrites with zeros in a way that the compiler may not leave out: for secrets. */
void mem_wipe(void *p, size_t len);

/* Freed memory stays with the process, up to 4 MiB a thread: giving it back and getting it again
 * for each body of 100 KB costs more than all else that is done with one but digesting it. */
void mem_keep_freed(void);

/* `mem_auto char *s = …;` frees s at the end of the block, unless it was taken: */
void mem_free_at(void *pointer_to_pointer);
#define mem_auto __attribute__((cleanup(mem_free_at)))

/* take(p): the value of p, which the caller of take() owns from now on; p becomes NULL. */
#define take(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define countof(array) (sizeof(array) / sizeof((array)[0]))

#endif
