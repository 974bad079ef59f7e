#include "store/purge_ack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsx.h"
#include "base/mem.h"

#define LOCK_FILE "cache.lock"
#define NAP_US 2000

/* A lock of the open file description, not of the process: closing another descriptor of the same
 * file would release a lock of the process. */
static int lock_byte(int fd, short type, off_t at)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock);
}

/* Does another open file description lock one of the first len bytes (0: any byte)? True if
 * unknown. */
static bool is_held(int fd, off_t len)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = len};

    return fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

static off_t size_of(int fd)
{
    struct stat info;

    return fstat(fd, &info) < 0 ? 0 : info.st_size;
}

void purge_ack_open(struct purge_ack *ack, const char *folder)
{
    int fd = fsx_open_in(folder, LOCK_FILE, O_CREAT);

    if (fsx_is_same_file(fd, ack->fd)) {
        close(fd);
        return;
    }
    if (fd >= 0 && lock_byte(fd, F_RDLCK, 0) < 0) {
        close(fd);
        fd = -1;
    }
    purge_ack_close(ack); /* after the new lock, so that the process always holds one */
    *ack = (struct purge_ack){.fd = fd};
}

void purge_ack_close(struct purge_ack *ack)
{
    if (ack->fd >= 0)
        close(ack->fd);
    ack->fd = -1;
}

bool purge_ack_has_peers(const struct purge_ack *ack)
{
    return ack->fd < 0 || is_held(ack->fd, 0); /* F_OFD_GETLK skips our own lock */
}

void purge_ack_begin(struct purge_ack *ack)
{
    if (ack->fd >= 0)
        ack->seen = size_of(ack->fd);
}

void purge_ack_commit(struct purge_ack *ack)
{
    if (ack->fd < 0 || ack->seen <= ack->at || lock_byte(ack->fd, F_RDLCK, ack->seen) < 0)
        return;
    (void)lock_byte(ack->fd, F_UNLCK, ack->at);
    ack->at = ack->seen;
}

bool purge_ack_in_use(const char *folder)
{
    int fd = fsx_open_in(folder, LOCK_FILE, 0);
    bool used = fd >= 0 && is_held(fd, 0);

    if (fd >= 0)
        close(fd);
    return used;
}

bool purge_ack_wait(const char *folder, unsigned wait_ms)
{
    uint64_t begin = clock_mono_ms();
    int fd = fsx_open_in(folder, LOCK_FILE, 0);
    bool know = false;
    off_t news;

    if (fd < 0)
        return errno == ENOENT; /* no process has ever used the folder */
    /* Two commands at the same moment may start the same generation: the purges of both are
     * committed, so an acknowledgement is of both. */
    news = size_of(fd) + 1;
    if (ftruncate(fd, news) == 0) {
        while (!(know = !is_held(fd, news)) && clock_mono_ms() - begin < wait_ms)
            usleep(NAP_US);
    }
    close(fd);
    return know;
}
