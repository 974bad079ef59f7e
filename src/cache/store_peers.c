#include "cache/store_peers.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define LOCK_FILE "cache.lock"

/* Locks of an open file description (not of the process: closing another descriptor of the same
 * file would drop those). */
static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

int peers_open(const char *folder)
{
    struct flock shared = whole_file(F_RDLCK);
    struct str path = STR_INIT;
    int fd;

    str_addf(&path, "%s/" LOCK_FILE, folder);
    fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    str_release(&path);
    if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &shared) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void peers_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

bool peers_are_there(int fd)
{
    struct flock exclusive = whole_file(F_WRLCK);

    /* Our own lock is no obstacle to us. */
    return fd < 0 || fcntl(fd, F_OFD_GETLK, &exclusive) < 0 || exclusive.l_type != F_UNLCK;
}
