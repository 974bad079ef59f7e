#include "unit.h"

#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define SECONDS_PER_TEST 400 /* only what hangs takes that long, whatever else the machine does */

static struct unit_test *first, *last;
static const struct unit_test *volatile current;
static atomic_uint failures; /* of the current test; CHECKs come from any thread */
static _Thread_local const char *row;
static char *root; /* of all folders of this run */
static unsigned folder_count;

void unit_register(struct unit_test *test)
{
    if (last)
        last->next = test;
    else
        first = test;
    last = test;
}

void unit_row(const char *name)
{
    row = name;
}

/* Bytes that a terminal would swallow are shown as \xNN. */
static void print_text(const char *text)
{
    if (!text) {
        fputs("NULL", stdout);
        return;
    }
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c >= ' ' && *c <= '~')
            putchar(*c);
        else
            printf("\\x%02x", *c);
    }
    putchar('"');
}

static void begin_failure(const char *file, int line, const char *what)
{
    if (atomic_fetch_add(&failures, 1) == 0)
        printf("not ok - %s\n", current->name);
    printf("#   %s:%d: ", file, line);
    if (row) {
        fputs("[", stdout);
        print_text(row);
        fputs("] ", stdout);
    }
    fputs(what, stdout);
}

bool unit_check(bool held, const char *file, int line, const char *what)
{
    if (!held) {
        flockfile(stdout);
        begin_failure(file, line, what);
        putchar('\n');
        funlockfile(stdout);
    }
    return held;
}

bool unit_check_int(long long a, long long b, const char *file, int line, const char *what)
{
    if (a == b)
        return true;
    flockfile(stdout);
    begin_failure(file, line, what);
    printf(": %lld, not %lld\n", a, b);
    funlockfile(stdout);
    return false;
}

bool unit_check_str(const char *a, const char *b, const char *file, int line, const char *what)
{
    if (a == b || (a && b && strcmp(a, b) == 0))
        return true;
    flockfile(stdout);
    begin_failure(file, line, what);
    fputs(": ", stdout);
    print_text(a);
    fputs(", not ", stdout);
    print_text(b);
    putchar('\n');
    funlockfile(stdout);
    return false;
}

bool unit_check_has(const char *text, const char *part, bool wanted, const char *file, int line)
{
    if (text && (strstr(text, part) != NULL) == wanted)
        return true;
    flockfile(stdout);
    begin_failure(file, line, wanted ? "this part is missing: " : "this part must not be there: ");
    print_text(part);
    fputs(" in ", stdout);
    print_text(text);
    putchar('\n');
    funlockfile(stdout);
    return false;
}

uint64_t unit_random(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

size_t unit_random_up_to(uint64_t *state, size_t max)
{
    return (size_t)(unit_random(state) >> 11) % (max + 1);
}

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static void make_root(void)
{
    const char *tmp = getenv("TMPDIR");
    struct str path = STR_INIT;

    str_addf(&path, "%s/goproxyai-unit-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(path.text))
        give_up(path.text);
    root = str_detach(&path);
}

char *unit_folder(void)
{
    struct str path = STR_INIT;

    if (!root)
        make_root();
    str_addf(&path, "%s/%u", root, ++folder_count);
    if (mkdir(path.text, 0700) < 0)
        give_up(path.text);
    return str_detach(&path);
}

static void make_folders_of(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

char *unit_file(const char *folder, const char *name, const void *bytes, size_t len)
{
    struct str path = STR_INIT;
    FILE *file;

    str_addf(&path, "%s/%s", folder, name);
    make_folders_of(path.text);
    file = fopen(path.text, "we");
    if (!file || fwrite(bytes, 1, len, file) != len || fclose(file))
        give_up(path.text);
    return str_detach(&path);
}

char *unit_data(const char *name)
{
    struct str path = STR_INIT, text = STR_INIT;
    char part[4096];
    size_t len;
    FILE *file;

    str_addf(&path, "%s/%s", UNIT_FILES, name);
    file = fopen(path.text, "re");
    if (!file)
        give_up(path.text);
    while ((len = fread(part, 1, sizeof(part), file)) > 0)
        str_add(&text, part, len);
    fclose(file);
    str_release(&path);
    return str_detach(&text);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info, (void)kind, (void)ftw;
    return remove(path);
}

static void remove_folders(void)
{
    if (root)
        nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(take(root));
}

/* A test that aborts or hangs still says which one it was. */
static void on_death(int signal_number)
{
    static const char died[] = "not ok - (died or hung) ";

    if (current) {
        (void)!write(STDOUT_FILENO, died, sizeof(died) - 1);
        (void)!write(STDOUT_FILENO, current->name, strlen(current->name));
        (void)!write(STDOUT_FILENO, "\n", 1);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static bool is_wanted(const struct unit_test *test, const char *part)
{
    return !part || strstr(test->name, part) || strstr(test->file, part);
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN); /* as in the server */
    signal(SIGABRT, on_death);
    signal(SIGALRM, on_death);
    for (const struct unit_test *test = first; test; test = test->next) {
        if (!is_wanted(test, argc > 1 ? argv[1] : NULL))
            continue;
        current = test;
        atomic_store(&failures, 0);
        unit_row(NULL);
        alarm(SECONDS_PER_TEST);
        test->run();
        if (atomic_load(&failures))
            failed++;
        else
            passed++;
    }
    alarm(0);
    remove_folders();
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
