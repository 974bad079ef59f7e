#include "base/mailbox.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

int mailbox_init(struct mailbox *box, struct err *err)
{
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0)
        return err_sys(err, "cannot create a mailbox (raise the limit of open files)");
    pthread_mutex_init(&box->lock, NULL);
    list_init(&box->letters);
    return 0;
}

void mailbox_release(struct mailbox *box)
{
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
}

void letter_init(struct letter *letter, void (*open)(struct letter *))
{
    list_init(&letter->node);
    letter->posted = false;
    letter->open = open;
}

void mailbox_post(struct mailbox *box, struct letter *letter)
{
    bool wake = false;

    pthread_mutex_lock(&box->lock);
    if (!letter->posted) {
        wake = list_empty(&box->letters);
        list_append(&box->letters, &letter->node);
        letter->posted = true;
    }
    pthread_mutex_unlock(&box->lock);
    if (wake) {
        uint64_t one = 1;
        /* Can fail only when the counter is full, and then the owner is awake anyway. */
        (void)!write(box->fd, &one, sizeof(one));
    }
}

void mailbox_recall(struct mailbox *box, struct letter *letter)
{
    pthread_mutex_lock(&box->lock);
    if (letter->posted)
        list_remove(&letter->node);
    letter->posted = false;
    pthread_mutex_unlock(&box->lock);
}

static struct letter *next_letter(struct mailbox *box)
{
    struct list *node;
    struct letter *letter = NULL;

    pthread_mutex_lock(&box->lock);
    node = list_pop(&box->letters);
    if (node) {
        letter = container_of(node, struct letter, node);
        letter->posted = false;
    }
    pthread_mutex_unlock(&box->lock);
    return letter;
}

void mailbox_open(struct mailbox *box)
{
    struct letter *letter;
    uint64_t count;

    (void)!read(box->fd, &count, sizeof(count));
    while ((letter = next_letter(box)))
        letter->open(letter);
}
