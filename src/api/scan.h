/* Looking into a JSON document without making a tree of it: strict, in one pass, no allocation.
 *
 * Strict is RFC 8259 with valid UTF-8 and at most SCAN_DEPTH_MAX levels. (Duplicate names are no
 * fault here: the last one counts, as in most readers.)
 */
#ifndef API_SCAN_H
#define API_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define SCAN_DEPTH_MAX 128

enum scan_kind {
    SCAN_MISSING,
    SCAN_NULL,
    SCAN_FALSE,
    SCAN_TRUE,
    SCAN_NUMBER,
    SCAN_STRING,
    SCAN_ARRAY,
    SCAN_OBJECT
};

struct scan_value {
    enum scan_kind kind;
    const char *at; /* the value's text, a string's quotes included */
    size_t len;
};

struct scan_member {
    const char *name; /* what is looked for, in plain ASCII; names in the text may be escaped */
    struct scan_value value;
    bool repeated; /* the name comes more than once: the value is the last one's */
    const struct scan_inside *inside; /* what is looked for within the value, or NULL */
};

/* What is looked for within a member's value, in the same pass: with on_element the members of
 * each object in an array, without it those of an object; other values are not looked into.
 * on_element is called after each element of the array, with `members` as they are in it (all
 * missing where it is no object), before the document has been read to its end, and so also for
 * the first elements of what turns out to be no document. Of a name that comes twice the inner
 * members are those of the second value; on_element is called for the elements of both. */
struct scan_inside {
    struct scan_member *members;
    size_t count;
    void (*on_element)(void *arg);
    void *arg;
};

/* Is it one strict JSON document? Then *whole (if not NULL) is it, without blanks around, and of
 * an outermost object the members looked for are filled in, and those within them. All else
 * becomes SCAN_MISSING: what is not there, and everything if it is no such document. */
bool scan_document(const char *json, size_t len, struct scan_value *whole,
                   struct scan_member *members, size_t count);

/* For scan_push.h: makes the members missing, and those within them; the same of one whose name
 * comes again; finds the first one with that name (as it is written, quotes included), or NULL;
 * what a value is that begins like this. */
void scan_forget_members(struct scan_member *members, size_t count);
void scan_repeat_member(struct scan_member *member); /* its name comes again */
struct scan_member *scan_find_member(const struct scan_inside *inside, const char *name,
                                     size_t len);
enum scan_kind scan_kind_of(char first);

/* Is the value the string `text` (plain ASCII; its spelling in the document may be escaped)? */
bool scan_is_text(const struct scan_value *value, const char *text);
/* Copies a string, unescaped, cut at a character's end to fit (size is 1 at least); "" and false
 * if it is none. A U+0000 becomes a NUL, which ends the text for C. */
bool scan_copy_text(const struct scan_value *value, char *buf, size_t size);
/* Neither missing, null, false, 0 nor "": what JavaScript would call true. */
bool scan_is_truthy(const struct scan_value *value);
/* A string with a character, an array with an element, an object with a member. */
bool scan_is_filled(const struct scan_value *value);

#endif
