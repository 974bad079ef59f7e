#include "fields_help.h"

#include "unit.h"

void read_fields(struct fields *f, const char *lines)
{
    fields_init(f);
    while (*lines) {
        size_t len = strcspn(lines, "\n"), name_len = strcspn(lines, ":");

        CHECK(fields_add(f, lines, name_len, lines + name_len + 1, len - name_len - 1));
        lines += len + (lines[len] == '\n');
    }
}
