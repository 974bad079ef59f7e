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

/* How much is logged: a level and those before it. */
enum log_level {
    LOG_ERROR, /* a client or a part of the work is given up */
    LOG_WARN,  /* the user should act; a request that failed */
    LOG_INFO,  /* a line for each request */
    LOG_DEBUG, /* and one with its details */
    LOG_TRACE  /* and one for each of its steps */
};
/* Their names, in that order, and NULL. */
extern const char *const log_levels[];

/* fd stays the caller's. The level is LOG_INFO. */
int log_open(struct log **log, int fd, struct err *err);
/* Writes what is left (for at most a second) and frees. NULL is nothing. */
void log_close(struct log *log);

/* Any thread. */
void log_set_level(struct log *log, enum log_level level);
bool log_wants(const struct log *log, enum log_level level);

/* One line, without its newline, at every level; control characters in it are escaped
 * (printable.h). Any thread. */
void log_line(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, ready-made: text with its newline, escaped by the caller. */
void log_text(struct log *log, const char *text, size_t len);
/* A line with the time in front, and "warning: " or the name of another level than LOG_INFO;
 * nothing where log_wants() says no. Any thread. */
void log_event(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint64_t log_dropped(struct log *log);

#endif
