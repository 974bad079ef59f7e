/* Letters from any thread to the one that owns the mailbox.
 *
 * A letter is embedded in what it speaks of; posting one that is already on its way changes
 * nothing, so a sender may post at every chunk. The owner's descriptor becomes readable, and
 * is written to only when the box was empty: a busy receiver is not woken again and again.
 * Lock order: last. The box's lock is held for a few instructions and nothing is called under it.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"

struct letter {
    struct list node;
    bool posted; /* guarded by the box's lock */
    void (*open)(struct letter *);
};

struct mailbox {
    pthread_mutex_t lock;
    struct list letters;
    int fd; /* an eventfd: watch it for EPOLLIN, then call mailbox_open() */
};

int mailbox_init(struct mailbox *box, struct err *err);
void mailbox_release(struct mailbox *box); /* letters inside are forgotten */

void letter_init(struct letter *letter, void (*open)(struct letter *));
void mailbox_post(struct mailbox *box, struct letter *letter); /* any thread */
/* Takes a letter back; afterwards it is neither in the box nor will be opened. Owner only. */
void mailbox_recall(struct mailbox *box, struct letter *letter);
/* Calls open() of each letter, in order, without the lock. Owner only. */
void mailbox_open(struct mailbox *box);

#endif
