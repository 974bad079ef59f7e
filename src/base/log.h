/* Lines for the person at the terminal, from any thread, that never make a caller wait.
 *
 * Callers append to a bounded buffer; one thread writes it out. When the reader of stderr
 * stands still (a full pipe, a stopped terminal) lines are dropped and counted, and the count is
 * said once the reader goes on. No secret may come here: callers pass paths without queries.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct log;

/* fd stays the caller's. */
int log_open(struct log **log, int fd, struct err *err);
/* Writes what is left (for at most a second) and frees. NULL is nothing. */
void log_close(struct log *log);

/* One line, without its newline; control characters in it are escaped (printable.h). Any thread. */
void log_line(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, ready-made: text with its newline, escaped by the caller. */
void log_text(struct log *log, const char *text, size_t len);
/* A line with the time in front and "warning: " where warn is set. */
void log_event(struct log *log, bool warn, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint64_t log_dropped(struct log *log);

#endif
