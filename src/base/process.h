/* Changes that the program makes to its own process and threads.
 *
 * A child that runs another program (run -- CMD) must have signals and limits as the user had them.
 * So the functions below remember what they found before their first change, and
 * process_restore() gives that back. They are for the main thread, before it starts others.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>

/* Ignores a signal; of at most 8 different ones. */
void process_ignore_signal(int sig);
/* Blocks the signals for this thread and those that it starts. */
void process_block_signals(const sigset_t *signals);
/* RLIMIT_NOFILE: raises the soft limit to the hard one; returns the limit that holds then, or 256
 * where the kernel does not tell. */
rlim_t process_raise_descriptors(void);
/* RLIMIT_CORE: 0, so that no memory of this process is written to a file. */
void process_forbid_core_files(void);
/* umask(2): what this process makes from now on its user may read and write, and nobody else. (A
 * mask that takes the owner's bits would leave files that the next start cannot open.) */
void process_make_files_private(void);
/* In a child, between fork(2) and exec(2): signal mask, signal actions, limits and umask become
 * those that the user had. Async-signal-safe. (PR_SET_DUMPABLE ends with exec(2), close-on-exec
 * descriptors as well.) */
void process_restore(void);

/* The calling thread yields to the others of the machine: nice(2), of this thread alone (Linux
 * gives each thread a value of its own), by so much more than now. */
void process_lower_priority(int nice);

/* The memory that this process may use: the machine's, or its control group's if that is less.
 * Bytes. */
size_t process_memory(void);
/* The least memory.max (cgroup v2) of a group and those above it. groups: a file such as
 * /proc/self/cgroup, whose line "0::/PATH" names the group; root: the folder of the tree of groups.
 * SIZE_MAX: there is no limit. */
size_t process_group_memory(const char *groups, const char *root);

/* The open descriptors and the threads of this process; 0 if /proc cannot be read. */
unsigned process_count_descriptors(void);
unsigned process_count_threads(void);

#endif
