#include "base/process.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void process_lower_priority(int nice)
{
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}

/* The limit of our own control group, or of the namespace's root as a container sees it. */
static size_t cgroup_memory(void)
{
    char line[512], path[600] = "/sys/fs/cgroup/memory.max";
    unsigned long long bytes = 0;
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (file) {
        while (fgets(line, sizeof(line), file))
            if (strncmp(line, "0::/", 4) == 0) {
                line[strcspn(line, "\n")] = '\0';
                snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
            }
        fclose(file);
    }
    file = fopen(path, "re");
    if (!file)
        return SIZE_MAX;
    if (fscanf(file, "%llu", &bytes) != 1) /* "max" */
        bytes = 0;
    fclose(file);
    return bytes ? (size_t)bytes : SIZE_MAX;
}

size_t process_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    size_t machine = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
    size_t group = cgroup_memory();

    return group < machine ? group : machine;
}

unsigned process_count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* the folder's own */
}
