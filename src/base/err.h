/* A failure: what kind, and one sentence for the person who reads it.
 *
 * Functions that can fail return -1 and fill the `struct err *` that is their last argument;
 * on success they leave it alone. A caller that knows more wraps: err_wrap(err, "while …").
 * Expected outcomes are enums, not errors; bugs are asserts. No allocation, no locks.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_NONE,
#define ERR(name, status, type, code, exit) name,
#include "base/err.def"
#undef ERR
};

struct err {
    enum err_code code;
    char text[768]; /* "what is wrong: what to do", no newline */
};

/* Sets *err and returns -1, so that `return err_set(err, …)` fails in one line. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like err_set, with strerror(errno) after the text. */
int err_sys(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the text; the code stays. Returns -1. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A copy on the heap, which the caller frees with free(): what lives long and rarely fails holds
 * a pointer, not three quarters of a kilobyte. */
struct err *err_copy(const struct err *err);

/* The properties of an error code, from the table err.def. */
unsigned err_status(enum err_code code);    /* HTTP status */
const char *err_type(enum err_code code);   /* OpenAI's error.type */
const char *err_openai(enum err_code code); /* OpenAI's error.code */
int err_exit_status(enum err_code code);    /* of a command */

#endif
