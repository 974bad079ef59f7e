#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define EVENTS_PER_TURN 256

int loop_init(struct loop *l, struct err *err)
{
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        return err_sys(err, "cannot create an event loop (raise the limit of open files)");
    timers_init(&l->timers);
    list_init(&l->garbage);
    l->now_ms = clock_mono_ms();
    return 0;
}

static void collect_garbage(struct loop *l)
{
    struct list *node;

    while ((node = list_pop(&l->garbage))) {
        struct garbage *g = container_of(node, struct garbage, node);
        g->free(g);
    }
}

void loop_release(struct loop *l)
{
    collect_garbage(l);
    timers_release(&l->timers);
    close(l->epoll);
    l->epoll = -1;
}

int loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events, struct err *err)
{
    struct epoll_event event = {.events = events, .data.ptr = w};

    w->fd = fd;
    w->events = events;
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno == EEXIST) {
        if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &event) == 0)
            return 0;
        /* Left registered, it would wake every turn, and loop_unwatch() would not find it. */
        err_sys(err, "cannot watch descriptor %d", fd);
        (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
        w->fd = -1;
        return -1;
    }
    w->fd = -1;
    return err_sys(err, "cannot watch descriptor %d", fd);
}

void loop_unwatch(struct loop *l, struct watch *w)
{
    if (w->fd < 0)
        return;
    /* Fails only when the descriptor was closed before, which took it out already. */
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
}

void loop_turn(struct loop *l, int max_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int wait_ms = max_ms;
    int n;

    collect_garbage(l);
    if (max_ms != 0) {
        int timer_ms = timers_wait(&l->timers, clock_mono_ms());
        if (timer_ms >= 0 && (wait_ms < 0 || timer_ms < wait_ms))
            wait_ms = timer_ms;
    }
    n = epoll_wait(l->epoll, events, EVENTS_PER_TURN, wait_ms);
    assert(n >= 0 || errno == EINTR);
    l->woke_us = clock_mono_us();
    l->now_ms = l->woke_us / 1000;
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        if (w->fd >= 0)
            w->ready(w, events[i].events);
    }
    timers_run(&l->timers, l->now_ms);
}

void loop_free_later(struct loop *l, struct garbage *g, void (*free_it)(struct garbage *))
{
    g->free = free_it;
    list_append(&l->garbage, &g->node);
}
