#include "base/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "unit.h"

static enum text_file_read read_text(const char *path, size_t max, const char *expected)
{
    mem_auto char *text = NULL;
    size_t len = 0;
    enum text_file_read result = text_file_read(path, max, &text, &len);

    if (result == TEXT_FILE_READ) {
        CHECK_INT(len, strlen(expected));
        CHECK_STR(text, expected);
    } else {
        CHECK(!text);
    }
    return result;
}

TEST("a file is read whole up to the bound, and not a byte above it")
{
    mem_auto char *root = unit_folder();
    mem_auto char *path = unit_file(root, "file", "four", 4);
    mem_auto char *empty = unit_file(root, "empty", "", 0);
    mem_auto char *big = mem_zero(200001);

    memset(big, 'x', 200000);
    CHECK_INT(read_text(path, 4, "four"), TEXT_FILE_READ);
    CHECK_INT(read_text(path, 3, NULL), TEXT_FILE_TOO_LARGE);
    CHECK_INT(read_text(empty, 0, ""), TEXT_FILE_READ);
    free(path);
    path = unit_file(root, "big", big, 200000);
    CHECK_INT(read_text(path, 200000, big), TEXT_FILE_READ);
    CHECK_INT(read_text(path, 199999, NULL), TEXT_FILE_TOO_LARGE);
}

TEST("a folder and a file that is not there leave the reason in errno")
{
    mem_auto char *root = unit_folder();

    CHECK_INT(read_text(root, 4, NULL), TEXT_FILE_FAILED);
    CHECK_INT(errno, EISDIR);
    CHECK_INT(read_text("/no/such/file", 4, NULL), TEXT_FILE_FAILED);
    CHECK_INT(errno, ENOENT);
}

TEST("a pipe is read to its end, and given up where none comes")
{
    mem_auto char *root = unit_folder();
    struct str path = STR_INIT;
    int ends[2], writer;

    REQUIRE(pipe(ends) == 0);
    CHECK_INT(write(ends[1], "four", 4), 4);
    str_addf(&path, "/dev/fd/%d", ends[0]);
    CHECK_INT(read_text(path.text, 4, NULL), TEXT_FILE_SILENT); /* its writer holds it open */
    CHECK_INT(write(ends[1], "four", 4), 4);
    close(ends[1]);
    CHECK_INT(read_text(path.text, 4, "four"), TEXT_FILE_READ);
    close(ends[0]);
    str_clear(&path);
    str_addf(&path, "%s/fifo", root);
    REQUIRE(mkfifo(path.text, 0600) == 0);
    CHECK_INT(read_text(path.text, 4, NULL), TEXT_FILE_SILENT); /* nobody writes */
    writer = open(path.text, O_RDWR);
    REQUIRE(writer >= 0);
    CHECK_INT(write(writer, "12345", 5), 5);
    CHECK_INT(read_text(path.text, 4, NULL), TEXT_FILE_TOO_LARGE);
    close(writer);
    str_release(&path);
}
