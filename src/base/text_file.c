#include "base/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define PIPE_MS 2000U
#define STEP 65536U

static bool is_pipe(int fd)
{
    struct stat info;

    return fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
}

static bool wait_for_pipe(int fd, uint64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t now_ms = clock_mono_ms();

    return now_ms < until_ms && poll(&p, 1, (int)(until_ms - now_ms)) > 0;
}

static enum text_file_read read_all(int fd, size_t max, char **text, size_t *len)
{
    const uint64_t until_ms = clock_mono_ms() + PIPE_MS;
    const bool pipe = is_pipe(fd);
    size_t cap = 0;

    for (*len = 0; *len <= max;) {
        ssize_t n;

        if (*len == cap)
            *text = mem_grow(*text, (cap += STEP) + 1);
        if (pipe && !wait_for_pipe(fd, until_ms))
            return TEXT_FILE_SILENT;
        n = read(fd, *text + *len, cap - *len);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return TEXT_FILE_FAILED;
        if (n == 0)
            break;
        *len += n > 0 ? (size_t)n : 0;
    }
    return *len > max ? TEXT_FILE_TOO_LARGE : TEXT_FILE_READ;
}

enum text_file_read text_file_read(const char *path, size_t max, char **text, size_t *len)
{
    mem_auto char *got = NULL;
    enum text_file_read result;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), why;

    if (fd < 0)
        return TEXT_FILE_FAILED;
    result = read_all(fd, max, &got, len);
    why = errno;
    close(fd);
    errno = why;
    if (result == TEXT_FILE_READ) {
        got[*len] = '\0';
        *text = take(got);
    }
    return result;
}
