/* The harness of the unit tests: nothing to install, nothing to learn.
 *
 *      TEST("a value never holds CR, LF or NUL")
 *      {
 *          CHECK(!fields_adds(&f, "a", "b\n"));
 *      }
 *
 * A test registers itself; its name is a sentence of what must always hold. CHECKs go on after a
 * failure and may be used on any thread; REQUIRE returns from the function that it stands in.
 * `run` runs all tests, `run TEXT` those whose name or file contains TEXT.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unit_test {
    const char *name;
    const char *file;
    void (*run)(void);
    struct unit_test *next;
};

void unit_register(struct unit_test *test);

#define TEST(sentence) TEST_AT_(sentence, __LINE__)
#define TEST_AT_(sentence, line) TEST_NAMED_(sentence, line)
#define TEST_NAMED_(sentence, line)                                                                \
    static void test_at_##line(void);                                                              \
    __attribute__((constructor)) static void register_at_##line(void)                              \
    {                                                                                              \
        static struct unit_test test = {                                                           \
            .name = sentence, .file = __FILE__, .run = test_at_##line};                            \
        unit_register(&test);                                                                      \
    }                                                                                              \
    static void test_at_##line(void)

#define CHECK(cond) unit_check((cond), __FILE__, __LINE__, #cond)
#define CHECK_INT(a, b)                                                                            \
    unit_check_int((long long)(a), (long long)(b), __FILE__, __LINE__, #a " is " #b)
#define CHECK_STR(a, b) unit_check_str((a), (b), __FILE__, __LINE__, #a " is " #b)
/* The text holds, or does not hold, a part; the text is shown. */
#define CHECK_HAS(text, part) unit_check_has((text), (part), true, __FILE__, __LINE__)
#define CHECK_HAS_NOT(text, part) unit_check_has((text), (part), false, __FILE__, __LINE__)
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!CHECK(cond))                                                                          \
            return;                                                                                \
    } while (0)

/* Names the row of a table in the failures that follow on this thread; NULL ends it. */
void unit_row(const char *row);

/* Each returns whether it held. Texts may be NULL. */
bool unit_check(bool held, const char *file, int line, const char *what);
bool unit_check_int(long long a, long long b, const char *file, int line, const char *what);
bool unit_check_str(const char *a, const char *b, const char *file, int line, const char *what);
bool unit_check_has(const char *text, const char *part, bool wanted, const char *file, int line);

/* Numbers that look random and are the same in every run. State: any number but 0. */
uint64_t unit_random(uint64_t *state);
size_t unit_random_up_to(uint64_t *state, size_t max); /* 0 … max */

/* A new folder, removed with what is in it at the end of the run. The caller frees the path. */
char *unit_folder(void);
/* A file with these bytes, its folders made. The caller frees the path. */
char *unit_file(const char *folder, const char *name, const void *bytes, size_t len);

/* The text of a file that stands beside the tests. The caller frees it. */
char *unit_data(const char *name);

#endif
