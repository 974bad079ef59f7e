#include "base/jobs.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit.h"

#define MANY 500U

/* ---- a job that notes who ran it and when ---- */

struct note {
    struct job job;
    pthread_t by;
    unsigned place; /* 1: it ran first; 0: it did not run */
    int nice;
};

static atomic_uint ran;

static void on_run(struct job *job)
{
    struct note *note = container_of(job, struct note, job);

    note->by = pthread_self();
    note->nice = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
    note->place = atomic_fetch_add(&ran, 1) + 1;
}

static bool is_mine(const struct note *note)
{
    return pthread_equal(note->by, pthread_self()) != 0;
}

/* ---- a job that holds its thread up ---- */

struct gate {
    struct job job;
    pthread_barrier_t reached, opened;
};

static void on_gate(struct job *job)
{
    struct gate *gate = container_of(job, struct gate, job);

    pthread_barrier_wait(&gate->reached);
    pthread_barrier_wait(&gate->opened);
}

/* Returns once `threads` threads stand at it. */
static void close_gate(struct jobs *jobs, struct gate *gates, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        pthread_barrier_init(&gates[i].reached, NULL, 2);
        pthread_barrier_init(&gates[i].opened, NULL, 2);
        jobs_add(jobs, &gates[i].job, on_gate);
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_barrier_wait(&gates[i].reached);
}

static void open_gate(struct gate *gates, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++)
        pthread_barrier_wait(&gates[i].opened);
}

static void free_gate(struct gate *gates, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        pthread_barrier_destroy(&gates[i].reached);
        pthread_barrier_destroy(&gates[i].opened);
    }
}

static unsigned count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    unsigned n = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

/* A thread that has ended may be seen for a moment longer. */
static void wait_for_threads(unsigned n)
{
    for (unsigned tries = 0; tries < 12000 && count_threads() != n; tries++)
        usleep(5000);
    CHECK_INT(count_threads(), n);
}

/* ---- */

TEST("jobs run on a thread of their own, one after the other, in the order in which they came")
{
    struct jobs *jobs = jobs_new(1);
    struct note notes[MANY] = {{.place = 0}};

    atomic_store(&ran, 0);
    for (unsigned i = 0; i < MANY; i++)
        jobs_add(jobs, &notes[i].job, on_run);
    jobs_stop(jobs);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_INT(notes[i].place, i + 1);
        CHECK(!is_mine(&notes[i]));
    }
    jobs_free(jobs);
}

TEST("whoever adds a job does not wait for it, nor for those before it")
{
    struct jobs *jobs = jobs_new(1);
    struct note note = {.place = 0};
    struct gate gate;

    atomic_store(&ran, 0);
    close_gate(jobs, &gate, 1);
    jobs_add(jobs, &note.job, on_run);
    CHECK_INT(atomic_load(&ran), 0);
    open_gate(&gate, 1);
    jobs_free(jobs);
    CHECK_INT(note.place, 1);
    free_gate(&gate, 1);
}

TEST("as many jobs run at once as there are threads, and no more")
{
    struct jobs *jobs = jobs_new(3);
    struct note note = {.place = 0};
    struct gate gates[3];

    atomic_store(&ran, 0);
    close_gate(jobs, gates, 3); /* hangs where fewer than three do */
    jobs_add(jobs, &note.job, on_run);
    CHECK_INT(atomic_load(&ran), 0);
    open_gate(gates, 3);
    jobs_free(jobs);
    CHECK_INT(note.place, 1);
    free_gate(gates, 3);
}

TEST("no thread is started before the first job, and none is left after the end")
{
    const unsigned before = count_threads();
    struct jobs *jobs = jobs_new(2);
    struct gate gates[2];

    CHECK_INT(count_threads(), before);
    close_gate(jobs, gates, 2);
    CHECK_INT(count_threads(), before + 2);
    open_gate(gates, 2);
    jobs_stop(jobs);
    wait_for_threads(before);
    jobs_free(jobs);
    free_gate(gates, 2);
    jobs_free(jobs_new(4));
    jobs_free(NULL);
}

TEST("those who stop the jobs wait until all that was added has run")
{
    struct jobs *jobs = jobs_new(2);
    struct note notes[MANY] = {{.place = 0}};

    atomic_store(&ran, 0);
    for (unsigned i = 0; i < MANY; i++)
        jobs_add(jobs, &notes[i].job, on_run);
    jobs_free(jobs); /* stops first */
    CHECK_INT(atomic_load(&ran), MANY);
}

TEST("a job that comes after the end, or where no thread can be started, runs here and now")
{
    struct jobs *stopped = jobs_new(1), *threadless = jobs_new(0);
    struct note note = {.place = 0}, other = {.place = 0};

    atomic_store(&ran, 0);
    jobs_stop(stopped);
    jobs_add(stopped, &note.job, on_run);
    CHECK_INT(note.place, 1);
    CHECK(is_mine(&note));
    jobs_add(threadless, &other.job, on_run);
    CHECK_INT(other.place, 2);
    CHECK(is_mine(&other));
    jobs_stop(stopped); /* again: nothing */
    jobs_free(stopped);
    jobs_free(threadless);
}

static void on_free(struct job *job)
{
    atomic_fetch_add(&ran, 1);
    free(container_of(job, struct note, job));
}

TEST("a job may be freed by what it runs")
{
    struct jobs *jobs = jobs_new(2), *stopped = jobs_new(1);

    atomic_store(&ran, 0);
    jobs_stop(stopped);
    for (unsigned i = 0; i < MANY; i++) {
        struct note *queued = mem_zero(sizeof(*queued)), *here = mem_zero(sizeof(*here));

        jobs_add(jobs, &queued->job, on_free);
        jobs_add(stopped, &here->job, on_free);
    }
    jobs_free(jobs);
    jobs_free(stopped);
    CHECK_INT(atomic_load(&ran), 2 * MANY);
}

TEST("a job's thread yields to the one that added it, whose priority stays as it is")
{
    const int mine = getpriority(PRIO_PROCESS, 0);
    struct jobs *jobs = jobs_new(1);
    struct note note = {.place = 0};

    jobs_add(jobs, &note.job, on_run);
    jobs_free(jobs);
    CHECK(note.nice > mine || mine == 19); /* 19 is the lowest there is */
    CHECK_INT(getpriority(PRIO_PROCESS, 0), mine);
}

/* ---- many who add ---- */

struct adder {
    struct jobs *jobs;
    struct note notes[MANY];
    pthread_t thread;
};

static void *add_many(void *arg)
{
    struct adder *adder = arg;

    for (unsigned i = 0; i < MANY; i++)
        jobs_add(adder->jobs, &adder->notes[i].job, on_run);
    return NULL;
}

TEST("any thread may add jobs, and each runs once, the end included")
{
    enum { ADDERS = 4 };
    struct adder *adders = mem_zero(ADDERS * sizeof(*adders));

    for (unsigned stops_early = 0; stops_early < 2; stops_early++) {
        struct jobs *jobs = jobs_new(3);

        atomic_store(&ran, 0);
        for (unsigned i = 0; i < ADDERS; i++) {
            adders[i] = (struct adder){.jobs = jobs};
            pthread_create(&adders[i].thread, NULL, add_many, &adders[i]);
        }
        if (stops_early)
            jobs_stop(jobs); /* while they add */
        for (unsigned i = 0; i < ADDERS; i++)
            pthread_join(adders[i].thread, NULL);
        jobs_free(jobs);
        CHECK_INT(atomic_load(&ran), ADDERS * MANY);
        for (unsigned i = 0; i < ADDERS; i++)
            for (unsigned j = 0; j < MANY; j++)
                CHECK(adders[i].notes[j].place > 0);
    }
    free(adders);
}
