#include "base/fsx.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define LOCK_STEP_US 2000

/* The checks that folders and files have in common. */
static int refuse(const struct stat *info, const char *path, struct err *err)
{
    if (info->st_uid != geteuid())
        return err_set(err, ERR_SYSTEM,
                       "%s belongs to another user (uid %u): use another folder, or give it to "
                       "the user that runs goproxyai",
                       path, (unsigned)info->st_uid);
    if (info->st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, ERR_SYSTEM,
                       "%s may be written to by other users: run chmod go-w '%s', if you trust "
                       "what is there",
                       path, path);
    return 0;
}

static int make_folders(char *path, struct err *err)
{
    char *end = path + strlen(path);

    /* "cache/" would be looked at through a link of that name */
    while (end > path + 1 && end[-1] == '/')
        *--end = '\0';
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* the last one tells */
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_sys(err, "cannot make the folder %s", path);
    return 0;
}

int fsx_private_folder(const char *given, struct err *err)
{
    mem_auto char *path = mem_strdup(given);
    struct stat info;

    if (make_folders(path, err) < 0)
        return -1;
    if (lstat(path, &info) < 0)
        return err_sys(err, "cannot look at the folder %s", path);
    if (S_ISLNK(info.st_mode))
        return err_set(err, ERR_SYSTEM, "%s is a symbolic link: name the folder that it leads to",
                       path);
    if (!S_ISDIR(info.st_mode))
        return err_set(err, ERR_SYSTEM, "%s is no folder: use another one", path);
    if (refuse(&info, path, err) < 0)
        return -1;
    if (access(path, R_OK | W_OK | X_OK) < 0)
        return err_sys(err, "cannot write in the folder %s", path);
    return 0;
}

/* An inode's number is not given to another file while somebody has it open: who compares holds
 * the file open, or has nothing to compare with. */
static uint64_t id_of(const struct stat *info)
{
    uint64_t id = (uint64_t)info->st_ino ^ ((uint64_t)info->st_dev << 40);

    return id ? id : 1;
}

int fsx_private_file(const char *path, bool *there, uint64_t *id, struct err *err)
{
    struct stat info;

    *there = false;
    *id = 0;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : err_sys(err, "cannot look at %s", path);
    if (!S_ISREG(info.st_mode))
        return err_set(err, ERR_SYSTEM, "%s is %s: remove it, or use another folder", path,
                       S_ISLNK(info.st_mode) ? "a symbolic link" : "no plain file");
    if (refuse(&info, path, err) < 0)
        return -1;
    if ((info.st_mode & 077) && chmod(path, 0600) < 0)
        return err_sys(err, "cannot keep other users from reading %s", path);
    *there = true;
    *id = id_of(&info);
    return 0;
}

int fsx_make_file(const char *path, struct err *err)
{
    /* Not open(): the close would take away the locks of whoever opened it in between. */
    if (mknod(path, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
        return err_sys(err, "cannot make %s", path);
    return 0;
}

uint64_t fsx_file_id(const char *path)
{
    struct stat info;

    return lstat(path, &info) < 0 ? 0 : id_of(&info);
}

int fsx_lock_folder(const char *path, unsigned wait_ms, bool *unlocked, struct err *err)
{
    uint64_t until = clock_mono_ms() + wait_ms;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *unlocked = false;
    if (fd < 0)
        return err_sys(err, "cannot open the folder %s", path);
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int failed = errno;

        /* A network file system may have no locks: then nobody can hold this one. */
        if (failed == ENOLCK || failed == ENOTSUP || failed == ENOSYS || failed == EINVAL) {
            *unlocked = true;
            return fd;
        }
        if ((failed != EWOULDBLOCK && failed != EINTR) || clock_mono_ms() >= until) {
            close(fd);
            errno = failed;
            return err_sys(err, "cannot lock the folder %s", path);
        }
        usleep(LOCK_STEP_US);
    }
    return fd;
}

bool fsx_is_same_file(int a, int b)
{
    struct stat of_a, of_b;

    return a >= 0 && b >= 0 && fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 &&
           of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

int fsx_open_in(const char *folder, const char *name, int flags)
{
    struct str path = STR_INIT;
    int fd;

    str_addf(&path, "%s/%s", folder, name);
    fd = open(path.text, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    str_release(&path);
    return fd;
}
