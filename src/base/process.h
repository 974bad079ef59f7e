/* What the program changes of its own process and threads. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stddef.h>

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
