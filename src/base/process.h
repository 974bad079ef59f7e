/* What the program changes of its own process and threads. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <stddef.h>

/* The calling thread yields to the others of the machine: nice(2), of this thread alone (Linux
 * gives each thread a value of its own). Where that is not permitted nothing changes. */
void process_lower_priority(int nice);

/* The memory that this process may use: the machine's, or its control group's if that is less
 * (cgroup v2 memory.max). Bytes. */
size_t process_memory(void);

/* How many descriptors this process has open; 0 where that cannot be told. */
unsigned process_count_descriptors(void);

#endif
