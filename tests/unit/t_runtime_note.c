#include "proxy/runtime_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

/* A runtime folder of its own; other tests do not see it. */
static char *runtime_folder(void)
{
    char *folder = unit_folder();

    chmod(folder, 0700);
    setenv("XDG_RUNTIME_DIR", folder, 1);
    return folder;
}

static void note_server(void *arg, const struct runtime_server *server)
{
    str_addf(arg, "%ld %s:%u %s; ", server->pid, server->address, server->port,
             server->cache_folder ? server->cache_folder : "-");
}

static void check_servers(const char *expected)
{
    struct str seen = STR_INIT;

    runtime_note_each(note_server, &seen);
    CHECK_STR(seen.text, expected);
    str_release(&seen);
}

static mode_t mode_of(const char *folder, const char *name)
{
    struct str path = STR_INIT;
    struct stat info = {.st_mode = 0};

    str_addf(&path, "%s%s", folder, name);
    (void)lstat(path.text, &info);
    str_release(&path);
    return info.st_mode & 07777;
}

static const struct runtime_server server = {7, "localhost", 8080, "/a \"folder\""};

TEST("a note tells of its server for as long as that holds it")
{
    mem_auto char *folder = runtime_folder();
    struct runtime_note *note = NULL, *other = NULL;
    struct err err;

    check_servers(""); /* nothing is made by looking */
    CHECK_INT(mode_of(folder, "/goproxyai"), 0);
    REQUIRE(runtime_note_write(&note, &server, &err) == 0 && note);
    CHECK_INT(mode_of(folder, "/goproxyai"), 0700);
    CHECK_INT(mode_of(folder, "/goproxyai/7-8080.json"), 0600);
    check_servers("7 localhost:8080 /a \"folder\"; ");
    check_servers("7 localhost:8080 /a \"folder\"; ");
    REQUIRE(runtime_note_write(&other, &(struct runtime_server){7, "::1", 8081, NULL}, &err) == 0);
    runtime_note_remove(note);
    check_servers("7 ::1:8081 -; ");
    runtime_note_remove(other);
    runtime_note_remove(NULL);
    check_servers("");
    unsetenv("XDG_RUNTIME_DIR");
}

TEST("a note that nobody holds is removed by whoever looks, and by the next server")
{
    mem_auto char *folder = runtime_folder(), *stale = NULL, *again = NULL;
    static const char text[] = "{\"pid\":1,\"address\":\"localhost\",\"port\":9}";
    struct runtime_note *note = NULL;
    struct err err;

    REQUIRE(runtime_note_write(&note, &server, &err) == 0 && note);
    stale = unit_file(folder, "goproxyai/1-9.json", text, strlen(text));
    chmod(stale, 0600);
    check_servers("7 localhost:8080 /a \"folder\"; ");
    CHECK(access(stale, F_OK) < 0);
    runtime_note_remove(note);
    again = unit_file(folder, "goproxyai/1-9.json", text, strlen(text));
    chmod(again, 0600);
    REQUIRE(runtime_note_write(&note, &server, &err) == 0 && note);
    CHECK(access(again, F_OK) < 0);
    runtime_note_remove(note);
    unsetenv("XDG_RUNTIME_DIR");
}

TEST("where there is no runtime folder of the user's own a folder in /tmp takes its place")
{
    mem_auto char *folder = runtime_folder(), *instead = NULL;
    static const char *const others[] = {"relative", "/nowhere/at/all", NULL};
    struct runtime_note *note = NULL;
    struct stat info;
    struct err err;

    REQUIRE(asprintf(&instead, "/tmp/goproxyai-%lu", (unsigned long)geteuid()) > 0);
    chmod(folder, 0770); /* others may write to it */
    for (size_t i = 0; i <= countof(others); i++) {
        if (i > 0 && others[i - 1])
            setenv("XDG_RUNTIME_DIR", others[i - 1], 1);
        else if (i > 0)
            unsetenv("XDG_RUNTIME_DIR");
        REQUIRE(runtime_note_write(&note, &server, &err) == 0 && note);
        REQUIRE(stat(instead, &info) == 0);
        CHECK_INT(info.st_mode & 0777, 0700);
        CHECK_INT(mode_of(instead, "/7-8080.json"), 0600);
        runtime_note_remove(note);
    }
    chmod(folder, 0700);
    CHECK_INT(mode_of(folder, "/goproxyai"), 0);
}

TEST("a folder of notes that others can write to is neither written to nor read")
{
    mem_auto char *folder = runtime_folder();
    struct str notes = STR_INIT;
    struct runtime_note *note = NULL, *other = NULL;
    struct err err;

    str_addf(&notes, "%s/goproxyai", folder);
    REQUIRE(runtime_note_write(&note, &server, &err) == 0 && note);
    chmod(notes.text, 0777);
    check_servers("");
    CHECK_INT(runtime_note_write(&other, &server, &err), -1);
    CHECK_HAS(err.text, "may be written to by other users");
    chmod(notes.text, 0700);
    check_servers("7 localhost:8080 /a \"folder\"; ");
    runtime_note_remove(note);
    str_release(&notes);
    unsetenv("XDG_RUNTIME_DIR");
}
