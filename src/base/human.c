#include "base/human.h"

#include "base/mem.h"

static void add_tenths(struct str *out, uint64_t tenths)
{
    str_add_number(out, tenths / 10);
    str_addc(out, '.');
    str_addc(out, (char)('0' + tenths % 10));
}

void human_add_size(struct str *out, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    unsigned unit = 0, shift = 0;

    while (unit + 1 < countof(units) && bytes >> shift >= 1024) {
        unit++;
        shift += 10;
    }
    if (shift && bytes >> shift < 100) {
        uint64_t rest = bytes & ((UINT64_C(1) << shift) - 1);

        /* The bits below do not make a tenth: without them the product fits. */
        add_tenths(out, (bytes >> shift) * 10 + ((rest >> (shift - 10)) * 10 >> 10));
    } else {
        str_add_number(out, bytes >> shift);
    }
    str_adds(out, units[unit]);
}

void human_add_duration(struct str *out, uint64_t us)
{
    if (us < 10000) {
        add_tenths(out, us / 100);
        str_adds(out, " ms");
    } else if (us < 10000000) {
        str_add_number(out, us / 1000);
        str_adds(out, " ms");
    } else {
        add_tenths(out, us / 100000);
        str_adds(out, " s");
    }
}

void human_add_age(struct str *out, int64_t ms)
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = {{86400, " d"}, {3600, " h"}, {60, " min"}, {1, " s"}};
    uint64_t s = ms > 0 ? (uint64_t)ms / 1000 : 0;
    size_t i = 0;

    while (i + 1 < countof(units) && s < units[i].seconds)
        i++;
    str_add_number(out, s / units[i].seconds);
    str_adds(out, units[i].name);
}
