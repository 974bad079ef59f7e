#include "proxy/runtime_note.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsx.h"
#include "base/json.h"
#include "base/mem.h"

#define NOTE_ENDING ".json"
#define NOTE_MAX 16384
#define NOTES_MAX 1024

struct runtime_note {
    int fd; /* holds the lock */
    char *path;
};

static bool is_ours(const struct stat *info)
{
    return info->st_uid == geteuid() && !(info->st_mode & (S_IWGRP | S_IWOTH));
}

/* The folder of notes: in XDG_RUNTIME_DIR; if that is missing (containers, cron, su) or another
 * user's (sudo), in /tmp, which is local to the machine, too, and emptied at boot. */
static char *notes_folder(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct str path = STR_INIT;
    struct stat info;

    if (runtime && runtime[0] == '/' && stat(runtime, &info) == 0 && S_ISDIR(info.st_mode) &&
        is_ours(&info))
        str_addf(&path, "%s/goproxyai", runtime);
    else
        str_addf(&path, "/tmp/goproxyai-%lu", (unsigned long)geteuid());
    return str_detach(&path);
}

/* ---- for the server ---- */

static void add_text(struct str *text, const struct runtime_server *server)
{
    struct json *root = json_object();

    json_set_number(root, "pid", (double)server->pid);
    json_set_text(root, "address", server->address);
    json_set_number(root, "port", server->port);
    json_set_text(root, "cache_folder", server->cache_folder);
    json_print(root, text);
    str_addc(text, '\n');
    json_free(root);
}

/* The file is locked before it gets its name: no reader sees it without the lock. */
static int write_file(const char *spare, const char *path, const struct str *text)
{
    int fd = open(spare, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        write(fd, text->text, text->len) == (ssize_t)text->len && rename(spare, path) == 0)
        return fd;
    (void)unlink(spare);
    close(fd);
    return -1;
}

static void ignore(void *arg, const struct runtime_server *server)
{
    (void)arg;
    (void)server;
}

int runtime_note_write(struct runtime_note **result, const struct runtime_server *server,
                       struct err *err)
{
    mem_auto char *folder = notes_folder();
    struct str path = STR_INIT, spare = STR_INIT, text = STR_INIT;
    int fd;

    *result = NULL;
    if (fsx_private_folder(folder, err) < 0)
        return -1;
    runtime_note_each(ignore, NULL);
    str_addf(&path, "%s/%ld-%u" NOTE_ENDING, folder, server->pid, server->port);
    str_addf(&spare, "%s/.%ld-%u", folder, server->pid, server->port);
    add_text(&text, server);
    fd = write_file(spare.text, path.text, &text);
    if (fd < 0) {
        err_sys(err, "cannot write %s", path.text);
        str_release(&path);
    } else {
        *result = mem_zero(sizeof(**result));
        **result = (struct runtime_note){.fd = fd, .path = str_detach(&path)};
    }
    str_release(&spare);
    str_release(&text);
    return fd < 0 ? -1 : 0;
}

void runtime_note_remove(struct runtime_note *note)
{
    if (!note)
        return;
    (void)unlink(note->path);
    close(note->fd);
    free(note->path);
    free(note);
}

/* ---- for commands ---- */

static void tell(const char *text, size_t len,
                 void (*each)(void *arg, const struct runtime_server *server), void *arg)
{
    struct json *root = json_parse(text, len);
    double port = json_number(json_member(root, "port"));
    struct runtime_server server = {.address = json_text(json_member(root, "address")),
                                    .cache_folder = json_text(json_member(root, "cache_folder"))};

    if (server.address && port >= 1 && port <= 65535) {
        server.pid = (long)json_number(json_member(root, "pid"));
        server.port = (unsigned)port;
        each(arg, &server);
    }
    json_free(root);
}

static void read_note(const char *path, void (*each)(void *arg, const struct runtime_server *),
                      void *arg)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char text[NOTE_MAX];
    struct stat info;
    ssize_t n;

    if (fd < 0)
        return;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || !is_ours(&info)) {
        close(fd);
        return;
    }
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        (void)unlink(path); /* no server holds the lock: it has ended */
    } else if (errno == EWOULDBLOCK) {
        n = read(fd, text, sizeof(text));
        if (n > 0)
            tell(text, (size_t)n, each, arg);
    }
    close(fd);
}

static bool is_note(const char *name)
{
    size_t len = strlen(name), ending = strlen(NOTE_ENDING);

    return name[0] != '.' && len > ending && strcmp(name + len - ending, NOTE_ENDING) == 0;
}

void runtime_note_each(void (*each)(void *arg, const struct runtime_server *server), void *arg)
{
    mem_auto char *folder = notes_folder();
    unsigned count = 0;
    struct stat info;
    DIR *dir;

    if (!folder || lstat(folder, &info) < 0 || !S_ISDIR(info.st_mode) || !is_ours(&info))
        return;
    dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) && count < NOTES_MAX;) {
        struct str path = STR_INIT;

        if (!is_note(entry->d_name))
            continue;
        count++;
        str_addf(&path, "%s/%s", folder, entry->d_name);
        read_note(path.text, each, arg);
        str_release(&path);
    }
    closedir(dir);
}
