/* A file that the user named, read whole into memory. */
#ifndef BASE_TEXT_FILE_H
#define BASE_TEXT_FILE_H

#include <stddef.h>

#include "base/err.h"

enum text_file_read {
    TEXT_FILE_READ,
    TEXT_FILE_TOO_LARGE,
    TEXT_FILE_SILENT, /* a pipe whose end did not come in time */
    TEXT_FILE_FAILED, /* errno says why */
};

/* Reads at most `max` bytes. A pipe, such as the <(...) of a shell, has two seconds to bring all: a
 * thread that waits for a writer that never comes hears no signal. *text: the caller's, with
 * a NUL behind its `len` bytes. */
enum text_file_read text_file_read(const char *path, size_t max, char **text, size_t *len);

#endif
