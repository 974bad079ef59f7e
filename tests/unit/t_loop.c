/* The loop, the mailbox, and the log: what threads and descriptors have to do with. */
#include "base/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

/* ---- loop ---- */

struct end { /* of a pipe, in a loop */
    struct watch watch;
    struct loop *loop;
    struct end *other; /* unwatched by whichever is called first */
    unsigned calls;
    uint32_t events;
};

static void on_ready(struct watch *w, uint32_t events)
{
    struct end *end = container_of(w, struct end, watch);

    end->calls++;
    end->events = events;
    if (end->other)
        loop_unwatch(end->loop, &end->other->watch);
}

static void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

TEST("a watch is called while its descriptor is ready, with what it is ready for")
{
    struct end end = {.calls = 0};
    struct err err;
    struct loop l;
    int fds[2];
    char c;

    REQUIRE(pipe(fds) == 0 && loop_init(&l, &err) == 0);
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], EPOLLIN, &err), 0);
    loop_turn(&l, 0);
    CHECK_INT(end.calls, 0);
    REQUIRE(write(fds[1], "x", 1) == 1);
    loop_turn(&l, -1);
    loop_turn(&l, -1); /* still unread, so still ready */
    CHECK_INT(end.calls, 2);
    CHECK(end.events & EPOLLIN);
    REQUIRE(read(fds[0], &c, 1) == 1);
    loop_turn(&l, 0);
    CHECK_INT(end.calls, 2);
    loop_release(&l);
    close_both(fds);
}

TEST("watching what is watched changes what it is watched for")
{
    struct end end = {.calls = 0};
    struct err err;
    struct loop l;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && loop_init(&l, &err) == 0);
    REQUIRE(write(fds[1], "x", 1) == 1);
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], EPOLLIN, &err), 0);
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], 0, &err), 0);
    loop_turn(&l, 0);
    CHECK_INT(end.calls, 0);
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], EPOLLIN, &err), 0);
    loop_turn(&l, 0);
    CHECK_INT(end.calls, 1);
    loop_unwatch(&l, &end.watch);
    loop_unwatch(&l, &end.watch);
    CHECK_INT(end.watch.fd, -1);
    loop_turn(&l, 0);
    CHECK_INT(end.calls, 1);
    loop_release(&l);
    close_both(fds);
}

TEST("a watch that another one's callback unwatched in this turn is not called")
{
    struct end a = {.calls = 0}, b = {.calls = 0};
    struct err err;
    struct loop l;
    int one[2], two[2];

    REQUIRE(pipe(one) == 0 && pipe(two) == 0 && loop_init(&l, &err) == 0);
    a.loop = b.loop = &l;
    a.other = &b;
    b.other = &a;
    a.watch.ready = on_ready;
    loop_watch(&l, &a.watch, one[0], EPOLLIN, &err);
    b.watch.ready = on_ready;
    loop_watch(&l, &b.watch, two[0], EPOLLIN, &err);
    REQUIRE(write(one[1], "x", 1) == 1 && write(two[1], "x", 1) == 1);
    loop_turn(&l, -1);
    CHECK_INT(a.calls + b.calls, 1);
    loop_release(&l);
    close_both(one);
    close_both(two);
}

TEST("a descriptor that is registered in a way that cannot be changed is taken out")
{
    struct epoll_event exclusive = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    struct end end = {.calls = 0};
    struct err err = {.code = ERR_NONE};
    struct loop l;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && loop_init(&l, &err) == 0);
    REQUIRE(epoll_ctl(l.epoll, EPOLL_CTL_ADD, fds[0], &exclusive) == 0);
    end.watch.ready = on_ready;
    CHECK(loop_watch(&l, &end.watch, fds[0], EPOLLIN, &err) < 0);
    CHECK_INT(err.code, ERR_SYSTEM);
    CHECK(epoll_ctl(l.epoll, EPOLL_CTL_DEL, fds[0], NULL) < 0); /* it would wake every turn */
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], EPOLLIN, &err), 0);
    loop_release(&l);
    close_both(fds);
}

TEST("a descriptor that cannot be watched is an error, and the watch is not set")
{
    struct end end = {.calls = 0};
    struct err err = {.code = ERR_NONE};
    struct loop l;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && loop_init(&l, &err) == 0);
    close_both(fds);
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], EPOLLIN, &err), -1);
    CHECK_INT(err.code, ERR_SYSTEM);
    CHECK_INT(end.watch.fd, -1);
    loop_unwatch(&l, &end.watch);
    loop_release(&l);
}

TEST("a watch whose change is refused is taken out: it wakes no turn after its error")
{
    struct end end = {.calls = 0};
    struct err err = {.code = ERR_NONE};
    struct loop l;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && loop_init(&l, &err) == 0);
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], EPOLLIN | EPOLLEXCLUSIVE, &err), 0);
    /* An exclusive watch cannot be changed: epoll_ctl(2), EINVAL. */
    end.watch.ready = on_ready;
    CHECK_INT(loop_watch(&l, &end.watch, fds[0], EPOLLIN | EPOLLEXCLUSIVE, &err), -1);
    CHECK_INT(err.code, ERR_SYSTEM);
    CHECK_INT(end.watch.fd, -1);
    REQUIRE(write(fds[1], "x", 1) == 1);
    loop_turn(&l, 0);
    CHECK_INT(end.calls, 0);
    loop_release(&l);
    close_both(fds);
}

struct waste {
    struct garbage garbage;
    unsigned freed;
};

static void on_free(struct garbage *g)
{
    container_of(g, struct waste, garbage)->freed++;
}

TEST("garbage is freed once, after the turn in which it was given, or at the end")
{
    struct waste a = {.freed = 0}, b = {.freed = 0};
    struct err err;
    struct loop l;

    REQUIRE(loop_init(&l, &err) == 0);
    loop_free_later(&l, &a.garbage, on_free);
    CHECK_INT(a.freed, 0);
    loop_turn(&l, 0);
    CHECK_INT(a.freed, 1);
    loop_turn(&l, 0);
    loop_free_later(&l, &b.garbage, on_free);
    loop_release(&l);
    CHECK_INT(a.freed, 1);
    CHECK_INT(b.freed, 1);
}

struct alarm_clock {
    struct timer timer;
    unsigned fired;
};

static void on_alarm(struct timer *timer)
{
    container_of(timer, struct alarm_clock, timer)->fired++;
}

TEST("a turn waits for the first timer at most, and says what time it is")
{
    struct alarm_clock clock = {.fired = 0};
    uint64_t before = clock_mono_ms();
    struct err err;
    struct loop l;

    REQUIRE(loop_init(&l, &err) == 0);
    timer_init(&clock.timer, on_alarm);
    timer_set(&l.timers, &clock.timer, before + 20);
    loop_turn(&l, 0); /* 0: does not wait, whatever the timers say */
    while (clock.fired == 0)
        loop_turn(&l, -1); /* would hang for ever without the timer */
    CHECK(l.now_ms >= before + 20);
    CHECK(clock_mono_ms() < before + 20000);
    CHECK_INT(clock.fired, 1);
    loop_release(&l);
}

/* ---- mailbox ---- */

#define SENDERS 4
#define LETTERS 64 /* per sender */
#define ROUNDS 200

struct note {
    struct letter letter;
    unsigned opened;
    pthread_mutex_t lock; /* of `posts`, as a real sender has something of its own to guard */
    unsigned posts;
    unsigned seen; /* posts that an opening has taken note of */
};

static struct mailbox box;
static struct note *notes;
static unsigned opened_in_all;

static void on_open(struct letter *letter)
{
    struct note *note = container_of(letter, struct note, letter);

    pthread_mutex_lock(&note->lock);
    note->opened++;
    note->seen = note->posts;
    pthread_mutex_unlock(&note->lock);
    opened_in_all++;
}

static void *send_notes(void *arg)
{
    struct note *mine = arg;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < LETTERS; i++) {
            pthread_mutex_lock(&mine[i].lock);
            mine[i].posts++;
            pthread_mutex_unlock(&mine[i].lock);
            mailbox_post(&box, &mine[i].letter);
        }
    }
    return NULL;
}

static bool wait_for_mail(int ms)
{
    struct pollfd p = {.fd = box.fd, .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

static bool all_seen(void)
{
    bool all = true;

    for (size_t i = 0; i < SENDERS * LETTERS; i++) {
        pthread_mutex_lock(&notes[i].lock);
        all &= notes[i].seen == ROUNDS;
        pthread_mutex_unlock(&notes[i].lock);
    }
    return all;
}

TEST("nothing is lost between many senders and one owner that sleeps until it is woken")
{
    pthread_t threads[SENDERS];
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    notes = mem_zero(SENDERS * LETTERS * sizeof(*notes));
    for (size_t i = 0; i < SENDERS * LETTERS; i++) {
        letter_init(&notes[i].letter, on_open);
        pthread_mutex_init(&notes[i].lock, NULL);
    }
    for (size_t i = 0; i < SENDERS; i++)
        pthread_create(&threads[i], NULL, send_notes, &notes[i * LETTERS]);
    while (!all_seen()) {
        /* A wake-up that was lost shows here: letters lie in the box and nobody is told. */
        if (!CHECK(wait_for_mail(20000)))
            break;
        mailbox_open(&box);
    }
    for (size_t i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < SENDERS * LETTERS; i++) {
        CHECK(notes[i].opened <= ROUNDS);
        pthread_mutex_destroy(&notes[i].lock);
    }
    free(take(notes));
    mailbox_release(&box);
}

static struct letter *order[8];
static unsigned order_count;
static struct letter *post_again;

static void on_open_in_order(struct letter *letter)
{
    order[order_count++ % countof(order)] = letter;
    if (post_again == letter) {
        post_again = NULL;
        mailbox_post(&box, letter); /* it is no longer under way, so it may go again */
    }
}

TEST("letters are opened in the order in which they were posted, each once")
{
    struct letter a, b, c;
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    letter_init(&a, on_open_in_order);
    letter_init(&b, on_open_in_order);
    letter_init(&c, on_open_in_order);
    order_count = 0;
    mailbox_post(&box, &b);
    mailbox_post(&box, &a);
    mailbox_post(&box, &b); /* it is on its way: nothing changes */
    mailbox_post(&box, &c);
    mailbox_open(&box);
    REQUIRE(order_count == 3);
    CHECK(order[0] == &b && order[1] == &a && order[2] == &c);
    mailbox_open(&box);
    CHECK_INT(order_count, 3);
    mailbox_release(&box);
}

TEST("a letter that was recalled is not opened, and may be posted again")
{
    struct letter a, b;
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    letter_init(&a, on_open_in_order);
    letter_init(&b, on_open_in_order);
    order_count = 0;
    mailbox_recall(&box, &a); /* not posted: nothing */
    mailbox_post(&box, &a);
    mailbox_post(&box, &b);
    mailbox_recall(&box, &a);
    mailbox_open(&box);
    CHECK_INT(order_count, 1);
    CHECK(order[0] == &b);
    mailbox_post(&box, &a);
    mailbox_open(&box);
    CHECK_INT(order_count, 2);
    mailbox_release(&box);
}

TEST("a letter may be posted again while it is being opened")
{
    struct letter a;
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    letter_init(&a, on_open_in_order);
    order_count = 0;
    post_again = &a;
    mailbox_post(&box, &a);
    while (wait_for_mail(0))
        mailbox_open(&box);
    CHECK_INT(order_count, 2);
    mailbox_release(&box);
}

static uint64_t wakeups(void)
{
    uint64_t n = 0;

    return read(box.fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

TEST("the owner is woken only by the letter that finds the box empty")
{
    struct letter letters[5];
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    for (size_t i = 0; i < countof(letters); i++)
        letter_init(&letters[i], on_open_in_order);
    CHECK(!wait_for_mail(0));
    for (size_t i = 0; i < countof(letters); i++)
        mailbox_post(&box, &letters[i]);
    CHECK_INT(wakeups(), 1);
    mailbox_open(&box);
    mailbox_post(&box, &letters[0]);
    CHECK_INT(wakeups(), 1);
    mailbox_release(&box);
}

/* ---- log ---- */

/* Everything that comes out of a pipe until its other end is closed. */
static void *read_all(void *arg)
{
    struct str *out = mem_zero(sizeof(*out));
    int fd = *(int *)arg;
    char buf[4096];
    ssize_t n;

    str_init(out);
    while ((n = read(fd, buf, sizeof(buf))) > 0)
        str_add(out, buf, (size_t)n);
    return out;
}

static void free_text(struct str *text)
{
    str_release(text);
    free(text);
}

static unsigned count_lines(const char *text, const char *line)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, line)); at++)
        n++;
    return n;
}

TEST("lines come out whole, in order, and a warning says that it is one")
{
    struct str *text;
    struct log *log;
    struct err err;
    pthread_t reader;
    void *result;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && log_open(&log, fds[1], &err) == 0);
    pthread_create(&reader, NULL, read_all, &fds[0]);
    log_line(log, "one %d", 1);
    log_text(log, "ready-made\n", strlen("ready-made\n"));
    log_event(log, LOG_INFO, "two");
    log_event(log, LOG_WARN, "three");
    CHECK_INT(log_dropped(log), 0);
    log_close(log);
    CHECK(fcntl(fds[1], F_GETFD) >= 0); /* the descriptor stays the caller's */
    close(fds[1]);
    pthread_join(reader, &result);
    text = result;
    CHECK(str_starts(text->text, "one 1\nready-made\n"));
    CHECK_INT(text->len, strlen("one 1\nready-made\n12:34:56 two\n12:34:56 warning: three\n"));
    CHECK_HAS(text->text, " two\n");
    CHECK_HAS(text->text, " warning: three\n");
    CHECK_INT(text->text[strlen("one 1\nready-made\n12")], ':');
    free_text(text);
    close(fds[0]);
}

TEST("the log holds what its level asks for; lines without a level always")
{
    static const struct {
        enum log_level level;
        const char *wanted; /* without the times */
    } rows[] = {
        {LOG_ERROR, "line error: e "},
        {LOG_WARN, "line error: e warning: w "},
        {LOG_INFO, "line error: e warning: w i "},
        {LOG_DEBUG, "line error: e warning: w i debug: d "},
        {LOG_TRACE, "line error: e warning: w i debug: d trace: t "},
    };

    for (size_t i = 0; i < countof(rows); i++) {
        char text[512], seen[512] = "", *rest;
        struct log *log;
        struct err err;
        ssize_t n;
        int fds[2];

        REQUIRE(pipe(fds) == 0 && log_open(&log, fds[1], &err) == 0);
        log_set_level(log, rows[i].level);
        log_line(log, "line");
        log_event(log, LOG_ERROR, "e");
        log_event(log, LOG_WARN, "w");
        log_event(log, LOG_INFO, "i");
        log_event(log, LOG_DEBUG, "d");
        log_event(log, LOG_TRACE, "t");
        for (enum log_level level = LOG_ERROR; level <= LOG_TRACE; level++)
            CHECK_INT(log_wants(log, level), level <= rows[i].level);
        log_close(log);
        close(fds[1]);
        n = read(fds[0], text, sizeof(text) - 1);
        close(fds[0]);
        REQUIRE(n > 0);
        text[n] = '\0';
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
            strcat(seen, line[0] == 'l' ? line : line + strlen("12:34:56 "));
            strcat(seen, " ");
        }
        CHECK_STR(seen, rows[i].wanted);
    }
}

#define WRITERS 4
#define LINES 500

static struct log *shared_log;

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_line(shared_log, "<writer %d line %d>", *(int *)arg, i);
    return NULL;
}

/* The numbers of a writer's lines rise one by one. */
static void check_order(const char *text, int writer)
{
    char line[64];

    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "<writer %d line %d>\n", writer, i);
        text = strstr(text, line);
        REQUIRE(text != NULL);
    }
}

TEST("lines of several threads are never mixed, and each thread's keep their order")
{
    int fds[2], numbers[WRITERS];
    pthread_t reader, writers[WRITERS];
    struct str *text;
    struct err err;
    void *result;

    REQUIRE(pipe(fds) == 0 && log_open(&shared_log, fds[1], &err) == 0);
    pthread_create(&reader, NULL, read_all, &fds[0]);
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        pthread_create(&writers[i], NULL, write_lines, &numbers[i]);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    CHECK_INT(log_dropped(shared_log), 0);
    log_close(shared_log);
    close(fds[1]);
    pthread_join(reader, &result);
    text = result;
    CHECK_INT(count_lines(text->text, "\n"), WRITERS * LINES);
    for (int i = 0; i < WRITERS; i++)
        check_order(text->text, i);
    free_text(text);
    close(fds[0]);
}

/* Writes until lines are dropped: nobody reads, so this must come, and soon. */
static unsigned fill(struct log *log)
{
    char long_line[1000];
    unsigned lines = 0;

    memset(long_line, 'x', sizeof(long_line) - 1);
    long_line[sizeof(long_line) - 1] = '\0';
    while (log_dropped(log) < 10 && lines < 100000) {
        log_line(log, "%s", long_line);
        lines++;
    }
    return lines;
}

TEST("a reader that stands still costs lines, never time; they are counted and spoken of")
{
    char said[100];
    pthread_t reader;
    struct str *text;
    struct log *log;
    struct err err;
    unsigned lines;
    uint64_t dropped;
    void *result;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && log_open(&log, fds[1], &err) == 0);
    lines = fill(log);
    dropped = log_dropped(log);
    CHECK(dropped >= 10 && dropped < lines);
    pthread_create(&reader, NULL, read_all, &fds[0]);
    log_close(log);
    close(fds[1]);
    pthread_join(reader, &result);
    text = result;
    CHECK_INT(count_lines(text->text, "xxx\n"), lines - dropped);
    snprintf(said, sizeof(said), "%llu log lines were dropped", (unsigned long long)dropped);
    CHECK_HAS(text->len > 200 ? text->text + text->len - 200 : text->text, said);
    free_text(text);
    close(fds[0]);
}

TEST("closing a log that nobody reads takes about a second, not for ever")
{
    uint64_t took[2];

    /* The quicker one of two: a busy machine makes one longer, and it does not matter which. */
    for (unsigned i = 0; i < countof(took); i++) {
        struct log *log;
        struct err err;
        int fds[2];

        REQUIRE(pipe(fds) == 0 && log_open(&log, fds[1], &err) == 0);
        fill(log);
        took[i] = clock_mono_ms();
        log_close(log);
        took[i] = clock_mono_ms() - took[i];
        close_both(fds);
    }
    CHECK(took[0] < 5000 || took[1] < 5000);
}

#define STEP_BYTES 4096
#define STEP_MS 200

struct slow_reader {
    int fd;
    size_t got;
    atomic_bool begins, in_a_hurry;
};

static void *read_slowly(void *arg)
{
    struct slow_reader *r = arg;
    char buf[STEP_BYTES];
    ssize_t n;

    while (!atomic_load(&r->begins))
        poll(NULL, 0, 1);
    while ((n = read(r->fd, buf, sizeof(buf))) > 0) {
        r->got += (size_t)n;
        if (!atomic_load(&r->in_a_hurry))
            poll(NULL, 0, STEP_MS);
    }
    return NULL;
}

/* The time is told by what came out: nothing is written once it is up, and whatever keeps the
 * machine busy makes the reader no faster. All of it would take about 9 seconds. */
TEST("closing a log that somebody reads slowly takes about a second, too")
{
    struct str line = STR_INIT;
    struct slow_reader slow = {.got = 0};
    pthread_t reader;
    struct log *log;
    struct err err;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && log_open(&log, fds[1], &err) == 0);
    str_reserve(&line, 250000); /* one batch: nearly all that the log holds */
    memset(line.text, 'x', 250000);
    line.text[250000] = '\0';
    log_line(log, "%s", line.text);
    slow.fd = fds[0];
    pthread_create(&reader, NULL, read_slowly, &slow);
    atomic_store(&slow.begins, true);
    log_close(log);
    atomic_store(&slow.in_a_hurry, true);
    close(fds[1]);
    pthread_join(reader, NULL);
    CHECK(slow.got <= (size_t)fcntl(fds[0], F_GETPIPE_SZ) + STEP_BYTES * (2300 / STEP_MS + 1));
    close(fds[0]);
    str_release(&line);
}

TEST("a log whose reader is gone goes on without it")
{
    struct log *log;
    struct err err;
    int fds[2];

    REQUIRE(pipe(fds) == 0 && log_open(&log, fds[1], &err) == 0);
    close(fds[0]);
    for (int i = 0; i < 100; i++)
        log_line(log, "line %d", i);
    log_close(log);
    close(fds[1]);
    log_close(NULL);
}

TEST("the clock at the terminal reads HH:MM:SS, and the other one never goes back")
{
    uint64_t last = clock_mono_us();
    char now[16];

    clock_hms(now, sizeof(now));
    CHECK_INT(strlen(now), 8);
    CHECK(now[2] == ':' && now[5] == ':');
    for (int i = 0; i < 1000; i++) {
        uint64_t next = clock_mono_us();

        CHECK(next >= last);
        last = next;
    }
    CHECK(clock_unix_s() > 1600000000);
}
