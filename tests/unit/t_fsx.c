#include "base/fsx.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

static char *inside(const char *folder, const char *name)
{
    struct str path = STR_INIT;

    str_addf(&path, "%s/%s", folder, name);
    return str_detach(&path);
}

TEST("a private folder is made with those above it, for us alone")
{
    mem_auto char *root = unit_folder();
    mem_auto char *path = inside(root, "a/b/c//");
    struct stat info;
    struct err err;

    CHECK_INT(fsx_private_folder(path, &err), 0);
    CHECK_INT(fsx_private_folder(path, &err), 0); /* and again */
    REQUIRE(stat(path, &info) == 0);
    CHECK_INT(info.st_mode & 07777, 0700);
}

TEST("a folder that others may write to, or that is a link, or none, is refused")
{
    mem_auto char *root = unit_folder();
    mem_auto char *open = inside(root, "open"), *link = inside(root, "link");
    mem_auto char *link_slash = inside(root, "link/"), *file = unit_file(root, "file", "x", 1);
    mem_auto char *through = inside(root, "link/new"), *below = inside(root, "file/new");
    struct err err;

    mkdir(open, 0700);
    chmod(open, 0770);
    CHECK_INT(fsx_private_folder(open, &err), -1);
    CHECK_HAS(err.text, "chmod go-w");
    chmod(open, 0755);
    CHECK_INT(fsx_private_folder(open, &err), 0);
    CHECK_INT(symlink(open, link), 0);
    CHECK_INT(fsx_private_folder(link, &err), -1);
    CHECK_HAS(err.text, "symbolic link");
    CHECK_INT(fsx_private_folder(link_slash, &err), -1);
    CHECK_HAS(err.text, "symbolic link");
    CHECK_INT(fsx_private_folder(through, &err), 0); /* a link further up is the user's choice */
    CHECK_INT(fsx_private_folder(file, &err), -1);
    CHECK_HAS(err.text, "no folder");
    CHECK_INT(fsx_private_folder(below, &err), -1);
    CHECK_HAS(err.text, "cannot make the folder");
}

TEST("a folder or file of another user is refused")
{
    mem_auto char *root = unit_folder();
    mem_auto char *file = unit_file(root, "file", "x", 1);
    struct err err;
    uint64_t id;
    bool there;

    if (geteuid() != 0)
        return; /* nobody else can give things away */
    REQUIRE(chown(file, 12345, 12345) == 0 && chown(root, 12345, 12345) == 0);
    CHECK_INT(fsx_private_file(file, &there, &id, &err), -1);
    CHECK_HAS(err.text, "another user (uid 12345)");
    CHECK_INT(fsx_private_folder(root, &err), -1);
    CHECK_HAS(err.text, "another user (uid 12345)");
    CHECK_INT(chown(root, 0, 0), 0);
}

TEST("a private file is ours, plain, and becomes unreadable to others")
{
    mem_auto char *root = unit_folder();
    mem_auto char *file = unit_file(root, "file", "x", 1), *none = inside(root, "none");
    mem_auto char *link = inside(root, "link");
    uint64_t id, id_of_link;
    struct stat info;
    struct err err;
    bool there;

    chmod(file, 0644);
    CHECK_INT(fsx_private_file(file, &there, &id, &err), 0);
    CHECK(there && id);
    CHECK(fsx_file_id(file) == id);
    stat(file, &info);
    CHECK_INT(info.st_mode & 07777, 0600);
    chmod(file, 0620);
    CHECK_INT(fsx_private_file(file, &there, &id, &err), -1);
    CHECK_HAS(err.text, "other users");
    CHECK_INT(fsx_private_file(none, &there, &id, &err), 0);
    CHECK(!there && !id);
    CHECK_INT(fsx_file_id(none), 0);
    CHECK_INT(symlink(none, link), 0);
    CHECK_INT(fsx_private_file(link, &there, &id_of_link, &err), -1);
    CHECK_HAS(err.text, "symbolic link");
    CHECK_INT(fsx_private_file(root, &there, &id, &err), -1);
    CHECK_HAS(err.text, "no plain file");
}

TEST("a file is made for us alone, and one that is there stays as it is")
{
    mem_auto char *root = unit_folder();
    mem_auto char *there = unit_file(root, "there", "abc", 3), *new = inside(root, "new");
    struct stat info;
    struct err err;

    CHECK_INT(fsx_make_file(new, &err), 0);
    stat(new, &info);
    CHECK_INT(info.st_mode & 07777, 0600);
    CHECK_INT(info.st_size, 0);
    CHECK_INT(fsx_make_file(there, &err), 0);
    stat(there, &info);
    CHECK_INT(info.st_size, 3);
}

TEST("a folder's lock is one holder's")
{
    mem_auto char *root = unit_folder();
    bool unlocked = true;
    struct err err;
    int first = fsx_lock_folder(root, 0, &unlocked, &err), second;

    REQUIRE(first >= 0);
    CHECK(!unlocked);
    CHECK_INT(fsx_lock_folder(root, 20, &unlocked, &err), -1);
    CHECK_HAS(err.text, "cannot lock");
    close(first);
    second = fsx_lock_folder(root, 0, &unlocked, &err);
    CHECK(second >= 0);
    close(second);
}
