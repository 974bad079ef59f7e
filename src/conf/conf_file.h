/* The config file: lines `name = value`, `#` begins a comment line. Up to 64 KiB. */
#ifndef CONF_CONF_FILE_H
#define CONF_CONF_FILE_H

#include "base/err.h"

/* Calls each() per setting with its line number; a non-zero return ends the reading and is
 * returned. A file that does not exist is an empty one. Returns 0, or -1 with *err. */
int conf_file_read(const char *path,
                   int (*each)(void *arg, const char *name, const char *value, int line,
                               struct err *err),
                   void *arg, struct err *err);

#endif
