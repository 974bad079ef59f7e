/* JSON that we write ourselves or that our own server wrote: small documents.
 *
 * The one door to cJSON, which is unfit for clients' bodies (numbers become doubles, duplicate
 * keys stay): never re-serialise a request with it. Values are owned by their parent.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct json;

struct json *json_object(void);
struct json *json_array(void);
void json_free(struct json *root);

void json_set_text(struct json *object, const char *name, const char *value); /* NULL: null */
void json_set_number(struct json *object, const char *name, double value);
void json_set_bool(struct json *object, const char *name, bool value);
struct json *json_set_object(struct json *object, const char *name);
struct json *json_set_array(struct json *object, const char *name);
struct json *json_add_object(struct json *array);
void json_add_text(struct json *array, const char *value);

/* Appends it as text that is fit for a terminal: in strings, what printable.h escapes is \u00XX,
 * and each byte that is no UTF-8 becomes U+FFFD. */
void json_print(const struct json *root, struct str *out);

/* NULL if the text is no JSON. */
struct json *json_parse(const char *text, size_t len);
/* The member of an object, the string of a value; NULL where there is none. */
const struct json *json_member(const struct json *object, const char *name);
const char *json_text(const struct json *value);
double json_number(const struct json *value); /* 0 where there is none */
bool json_is_true(const struct json *value);
/* The first value of an array or object, and the one after it; NULL: there is none. */
const struct json *json_first(const struct json *list);
const struct json *json_next(const struct json *value);

#endif
