/* canon: a canonical form is its own, is strict JSON, is no longer than the text, and holds none of
 * the members that were to be left out. */
#include "api/canon.h"

#include "api/scan.h"
#include "fuzz.h"

static char name[] = "user";
static char *const ignored[] = {name, NULL};

static void must_be_canonical(struct canon *canon, const struct str *form)
{
    struct str again = STR_INIT;

    MUST(canon_write(canon, form->text, form->len, NULL, &again));
    MUST(again.len == form->len && memcmp(again.text, form->text, form->len) == 0);
    MUST(scan_document(form->text, form->len, NULL, NULL, 0));
    MUST(!memchr(form->text, '\n', form->len) && !memchr(form->text, '\0', form->len));
    str_release(&again);
}

/* Leaving out of the text and leaving out of its form are the same. */
static void leave_out(struct canon *canon, const char *text, size_t len, const struct str *form)
{
    struct scan_member user = {.name = name};
    struct str without = STR_INIT, again = STR_INIT;

    MUST(canon_write(canon, text, len, ignored, &without));
    must_be_canonical(canon, &without);
    MUST(scan_document(without.text, without.len, NULL, &user, 1));
    MUST(user.value.kind == SCAN_MISSING);
    MUST(canon_write(canon, form->text, form->len, ignored, &again));
    MUST(again.len == without.len && memcmp(again.text, without.text, again.len) == 0);
    MUST(scan_document(text, len, NULL, &user, 1));
    MUST((user.value.kind == SCAN_MISSING) == (form->len == without.len));
    str_release(&without);
    str_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct canon *canon = canon_new();
    struct str form = STR_INIT;
    const char *text = (const char *)data;

    if (canon_write(canon, text, size, NULL, &form)) {
        MUST(form.len <= size);
        MUST(scan_document(text, size, NULL, NULL, 0));
        must_be_canonical(canon, &form);
        leave_out(canon, text, size, &form);
    } else {
        MUST(form.len == 0);
        MUST(!canon_write(canon, text, size, ignored, &form));
    }
    canon_free(canon);
    str_release(&form);
    return 0;
}
