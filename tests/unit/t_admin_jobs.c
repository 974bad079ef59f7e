#include "proxy/admin_jobs.h"

#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

/* A job that waits in run() until it is told to go on. */
struct test_job {
    struct admin_job job;
    struct letter letter;
    sem_t runs, go;
    bool waits;
    unsigned opened;
    atomic_uint ran, freed;
    bool was_stopped;
};

static void run(struct admin_job *job)
{
    struct test_job *t = container_of(job, struct test_job, job);

    sem_post(&t->runs);
    if (t->waits)
        sem_wait(&t->go);
    t->was_stopped = admin_job_must_stop(job);
    t->ran++;
}

static void note_freed(struct admin_job *job)
{
    container_of(job, struct test_job, job)->freed++;
}

static void on_letter(struct letter *letter)
{
    container_of(letter, struct test_job, letter)->opened++;
}

static void prepare(struct test_job *t, struct mailbox *box, bool waits)
{
    *t = (struct test_job){.waits = waits};
    t->job = (struct admin_job){
        .run = run, .free = note_freed, .mailbox = box, .letter = &t->letter};
    list_init(&t->job.node);
    letter_init(&t->letter, on_letter);
    sem_init(&t->runs, 0, 0);
    sem_init(&t->go, 0, 0);
}

static void await(struct mailbox *box, struct test_job *t)
{
    struct pollfd p = {.fd = box->fd, .events = POLLIN};

    while (t->opened == 0 && poll(&p, 1, 10000) == 1)
        mailbox_open(box);
}

TEST("a job runs on another thread, and its asker has a letter when it is done")
{
    struct admin_jobs *jobs = admin_jobs_new();
    struct mailbox box;
    struct test_job t;
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    prepare(&t, &box, true);
    REQUIRE(admin_jobs_post(jobs, ADMIN_LANE_READ, &t.job));
    sem_wait(&t.runs);
    CHECK(!admin_job_is_done(&t.job));
    sem_post(&t.go);
    await(&box, &t);
    CHECK_INT(t.opened, 1);
    CHECK(admin_job_is_done(&t.job));
    CHECK(!t.was_stopped);
    CHECK_INT(t.freed, 0);
    admin_job_leave(&t.job);
    CHECK_INT(t.freed, 1);
    admin_jobs_free(jobs);
    mailbox_release(&box);
}

TEST("a job that is left while it waits is not run, one that runs is told and is freed at its end")
{
    struct admin_jobs *jobs = admin_jobs_new();
    struct mailbox box;
    struct test_job first, second, third;
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    prepare(&first, &box, true);
    prepare(&second, &box, false);
    prepare(&third, &box, false);
    REQUIRE(admin_jobs_post(jobs, ADMIN_LANE_READ, &first.job) &&
            admin_jobs_post(jobs, ADMIN_LANE_READ, &second.job) &&
            admin_jobs_post(jobs, ADMIN_LANE_READ, &third.job));
    sem_wait(&first.runs);
    admin_job_leave(&second.job);
    CHECK_INT(second.freed, 1);
    admin_job_leave(&first.job);
    CHECK_INT(first.freed, 0);
    sem_post(&first.go);
    await(&box, &third);
    CHECK_INT(third.opened, 1);
    CHECK(first.was_stopped);
    CHECK_INT(first.freed, 1);
    CHECK_INT(first.opened, 0); /* nobody waits for it */
    CHECK_INT(second.ran, 0);
    admin_job_leave(&third.job);
    admin_job_leave(NULL);
    admin_jobs_free(jobs);
    mailbox_release(&box);
}

TEST("a letter that was posted is not opened any more once its job is left")
{
    struct admin_jobs *jobs = admin_jobs_new();
    struct pollfd p = {.events = POLLIN};
    struct mailbox box;
    struct test_job t;
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    prepare(&t, &box, false);
    REQUIRE(admin_jobs_post(jobs, ADMIN_LANE_REMOVE, &t.job));
    p.fd = box.fd;
    CHECK_INT(poll(&p, 1, 10000), 1);
    admin_job_leave(&t.job);
    mailbox_open(&box);
    CHECK_INT(t.opened, 0);
    CHECK_INT(t.freed, 1);
    admin_jobs_free(jobs);
    mailbox_release(&box);
}

TEST("a lane's queue is bounded, and the other lane goes on")
{
    struct admin_jobs *jobs = admin_jobs_new();
    static struct test_job many[ADMIN_JOBS_MAX + 2];
    struct test_job other;
    struct mailbox box;
    struct err err;

    REQUIRE(mailbox_init(&box, &err) == 0);
    for (unsigned i = 0; i < countof(many); i++)
        prepare(&many[i], &box, i == 0);
    REQUIRE(admin_jobs_post(jobs, ADMIN_LANE_READ, &many[0].job));
    sem_wait(&many[0].runs);
    for (unsigned i = 1; i <= ADMIN_JOBS_MAX; i++)
        CHECK(admin_jobs_post(jobs, ADMIN_LANE_READ, &many[i].job));
    CHECK(!admin_jobs_post(jobs, ADMIN_LANE_READ, &many[ADMIN_JOBS_MAX + 1].job));
    prepare(&other, &box, false);
    REQUIRE(admin_jobs_post(jobs, ADMIN_LANE_REMOVE, &other.job));
    await(&box, &other);
    CHECK_INT(other.opened, 1);
    /* one place is free again */
    admin_job_leave(&many[1].job);
    CHECK(admin_jobs_post(jobs, ADMIN_LANE_READ, &many[ADMIN_JOBS_MAX + 1].job));
    sem_post(&many[0].go);
    admin_job_leave(&other.job);
    await(&box, &many[ADMIN_JOBS_MAX + 1]);
    admin_job_leave(&many[0].job);
    for (unsigned i = 2; i < countof(many); i++)
        admin_job_leave(&many[i].job);
    admin_jobs_free(jobs);
    for (unsigned i = 0; i < countof(many); i++)
        CHECK_INT(many[i].freed, 1);
    mailbox_release(&box);
}
