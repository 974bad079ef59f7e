/* Work that takes too long for a turn of an event loop: a queue, and a few threads of a lower
 * priority that take from it.
 *
 * A job is embedded in what it works on, which belongs to the job from jobs_add() until it has
 * run. Whoever waits for it is told by a letter that run() posts. The threads start with the first
 * job. The number of jobs is bounded by what they work on.
 */
#ifndef BASE_JOBS_H
#define BASE_JOBS_H

#include "base/list.h"

struct jobs;

struct job {
    struct list node;
    void (*run)(struct job *); /* on one of the threads; may free the job */
};

struct jobs *jobs_new(unsigned threads);
/* Any thread. Where no thread can be started, and after jobs_stop(), the job runs here and now. */
void jobs_add(struct jobs *jobs, struct job *job, void (*run)(struct job *));
/* Runs what is queued and ends the threads. */
void jobs_stop(struct jobs *jobs);
void jobs_free(struct jobs *jobs); /* stops first. NULL is nothing */

#endif
