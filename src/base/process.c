#include "base/process.h"

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void process_lower_priority(int nice)
{
    const id_t thread = (id_t)syscall(SYS_gettid);

    (void)setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + nice);
}

static size_t limit_of(const char *root, const char *group)
{
    unsigned long long bytes = 0;
    char path[2 * PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s%s/memory.max", root, group);
    file = fopen(path, "re");
    if (!file)
        return SIZE_MAX;
    if (fscanf(file, "%llu", &bytes) != 1) /* "max" */
        bytes = 0;
    fclose(file);
    return bytes && bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

/* A group's limit holds for those below it. Of a container that sees its group's name in the
 * machine's tree, and its own group as the root, only the root is there. */
static size_t least_limit(const char *root, char *group)
{
    size_t least = SIZE_MAX;

    for (;;) {
        size_t limit = limit_of(root, group);
        char *slash = strrchr(group, '/');

        if (limit < least)
            least = limit;
        if (!slash)
            return least;
        *slash = '\0';
    }
}

size_t process_group_memory(const char *groups, const char *root)
{
    size_t least = SIZE_MAX;
    char line[PATH_MAX + 8];
    FILE *file = fopen(groups, "re");

    if (!file)
        return SIZE_MAX;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        least = least_limit(root, line + 3);
    }
    fclose(file);
    return least;
}

size_t process_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    size_t machine = pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
    size_t group = process_group_memory("/proc/self/cgroup", "/sys/fs/cgroup");

    return group < machine ? group : machine;
}

static unsigned count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

unsigned process_count_descriptors(void)
{
    unsigned n = count_entries("/proc/self/fd");

    return n > 0 ? n - 1 : 0; /* without the descriptor that reads the folder */
}

unsigned process_count_threads(void)
{
    return count_entries("/proc/self/task");
}
