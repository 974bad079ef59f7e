/* Doubly linked list through a member of what is listed. A list owns nothing.
 *
 * A node that is in no list points to itself, so list_remove() may be called on it again.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_append(struct list *l, struct list *node)
{
    node->prev = l->prev;
    node->next = l;
    l->prev->next = node;
    l->prev = node;
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_pop(struct list *l)
{
    struct list *node = l->next;

    if (node == l)
        return (struct list *)0;
    list_remove(node);
    return node;
}

/* The current node must not be removed within the loop. */
#define list_each(node, l) for (struct list *node = (l)->next; node != (l); node = node->next)

#endif
