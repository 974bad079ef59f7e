#include "base/no_proxy.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

struct verdict {
    const char *list, *host;
    bool covers;
};

static void check_all(const struct verdict *rows, size_t count)
{
    char row[400];

    for (size_t i = 0; i < count; i++) {
        snprintf(row, sizeof(row), "%s of %s", rows[i].host, rows[i].list);
        unit_row(row);
        CHECK(no_proxy_covers(rows[i].list, rows[i].host) == rows[i].covers);
    }
    unit_row(NULL);
}

TEST("a list that is empty, and a host that is none, are covered by nothing; * alone covers all")
{
    static const struct verdict rows[] = {
        {"", "a.test", false},    {" , ,\t", "a.test", false},
        {"*", "a.test", true},    {"*", "10.0.0.1", true},
        {"*", "::1", true},       {"*", "", false},
        {"a.test", "", false},    {"*,b.test", "a.test", false}, /* one of many is no wildcard */
        {" *", "a.test", false},  {"*.test", "a.test", false},
        {"a.*", "a.test", false}, {"*", "10.0.0.1.test", true}};

    check_all(rows, countof(rows));
    CHECK(!no_proxy_covers(NULL, "a.test"));
    CHECK(!no_proxy_covers(NULL, "10.0.0.1"));
}

TEST("a name covers itself and what is below it, at a dot, whatever its case")
{
    static const struct verdict rows[] = {
        {"example.com", "example.com", true},
        {"example.com", "www.example.com", true},
        {"example.com", "a.b.example.com", true},
        {"example.com", "notexample.com", false},
        {"example.com", "example.com.org", false},
        {"example.com", "example", false},
        {"example.com", "com", false},
        {"ample.com", "example.com", false},
        {"www.example.com", "example.com", false},
        {"Example.COM", "www.eXAMPLE.com", true},
        {"com", "example.com", true},
        {"localhost", "localhost", true},
        {"localhost", "a.localhost", true},
        {"example.com:80", "example.com", false}, /* a port is no part of a name */
        {"http://example.com", "example.com", false},
        {"example.com/8", "example.com", false},
    };

    check_all(rows, countof(rows));
}

TEST("one dot in front of a name, and one behind a name or the host, do not count")
{
    static const struct verdict rows[] = {
        {".example.com", "example.com", true},
        {".example.com", "www.example.com", true},
        {".example.com", "notexample.com", false},
        {"example.com.", "example.com", true},
        {"example.com.", "example.com.", true},
        {"example.com", "www.example.com.", true},
        {".example.com.", "example.com", true},
        {"..example.com", "example.com", false},
        {"..example.com", "www.example.com", false},
        {".", "example.com", false},
        {".", "example.com.", false},
        {"..", "example.com", false},
        {"example.com..", "example.com", false},
    };

    check_all(rows, countof(rows));
}

TEST("items are divided by commas and blanks, any number of them")
{
    static const struct verdict rows[] = {
        {"a.test,b.test", "b.test", true},
        {"a.test, b.test", "b.test", true},
        {"a.test b.test", "b.test", true},
        {"a.test\tb.test", "b.test", true},
        {" , a.test ,\t,b.test , ", "b.test", true},
        {",b.test", "b.test", true},
        {"a.test,b.test", "a.test", true},
        {"a.test;b.test", "b.test", false},
        {"a.test,b.test", "test", false},
        {"a.test\nb.test", "b.test", false},
        {"10.0.0.1 10.0.0.2,10.0.0.3", "10.0.0.2", true},
        {"10.0.0.1 10.0.0.2,10.0.0.3", "10.0.0.3", true},
    };

    check_all(rows, countof(rows));
}

TEST("an IPv4 address is covered by itself and by its range, and by no name")
{
    static const struct verdict rows[] = {
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.30", false},
        {"10.1.2.3", "10.1.2.3.test", false},
        {"2.3", "10.1.2.3", false}, /* not "what is below it" */
        {".2.3", "10.1.2.3", false},
        {"10.1.2.3.", "10.1.2.3", false},
        {"10.1.2.3:80", "10.1.2.3", false},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.9.9.9/8", "10.1.2.3", true}, /* the bits behind the range do not count */
        {"192.168.1.192/26", "192.168.1.200", true},
        {"192.168.1.192/26", "192.168.1.128", false},
        {"127.0.0.0/9", "127.127.255.255", true},
        {"127.0.0.0/9", "127.128.0.0", false},
        {"128.0.0.0/1", "255.0.0.1", true},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"10.1.2.3/31", "10.1.2.2", true},
        {"10.1.2.3/32", "10.1.2.3", true},
        {"10.1.2.3/32", "10.1.2.2", false},
        {"10.0.0.0/8", "host.test", false},
        {"fd00::/8", "10.1.2.3", false},
        {"::ffff:10.1.2.3", "10.1.2.3", false},
        {"10.1.2.3", "10.1.2.3.", true}, /* a host with a dot behind it is a name, … */
        {"10.0.0.0/8", "10.1.2.3.", false},
    };

    check_all(rows, countof(rows));
}

TEST("a range without a sound number of bits is read as curl reads it")
{
    static const struct verdict rows[] = {
        {"0.0.0.0/0", "10.1.2.3", false}, /* no bits: all of them */
        {"0.0.0.0/0", "0.0.0.0", true},      {"10.1.2.3/0", "10.1.2.3", true},
        {"10.1.2.3/", "10.1.2.3", true},     {"10.1.2.3/x", "10.1.2.3", true},
        {"10.0.0.0/x", "10.1.2.3", false},   {"10.0.0.0/8x", "10.1.2.3", true},
        {"10.0.0.0/8/16", "10.1.2.3", true}, {"10.1.2.3/33", "10.1.2.3", false},
        {"10.1.2.3/-8", "10.1.2.3", false},  {"10.1.2.3/99999999999999999999", "10.1.2.3", false},
        {"/8", "10.1.2.3", false},           {"10.1/8", "10.1.2.3", false}, /* no address */
        {"::1/129", "::1", false},           {"::/0", "fd00::1", false},
        {"fd00::1/0", "fd00::1", true},
    };

    check_all(rows, countof(rows));
}

TEST("an IPv6 address is compared as one, whatever its spelling, and has ranges")
{
    static const struct verdict rows[] = {
        {"::1", "::1", true},
        {"0:0:0:0:0:0:0:1", "::1", true},
        {"2001:DB8::1", "2001:db8:0:0::1", true},
        {"::1", "::2", false},
        {"[::1]", "::1", false}, /* without brackets, says CURLOPT_NOPROXY(3) */
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fc00::1", false},
        {"fc00::/7", "fd00::1", true},
        {"fc00::/7", "fe00::1", false},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::8000:0/113", "2001:db8::8000:1", true},
        {"2001:db8::8000:0/113", "2001:db8::8000:8000", false},
        {"::1/128", "::1", true},
        {"::1/127", "::", true},
        {"10.0.0.0/8", "::ffff:10.1.2.3", false},
    };

    check_all(rows, countof(rows));
}

TEST("an item of any length is read, and one that is no address covers none")
{
    char list[4000], host[400];

    for (size_t len = 1; len < 300; len++) {
        int n = snprintf(host, sizeof(host), "%0*d.test", (int)len, 7);

        CHECK_INT(n, len + 5);
        snprintf(list, sizeof(list), "x,%s", host);
        CHECK(no_proxy_covers(list, host));
        snprintf(list, sizeof(list), "10.1.2.3/%0*d,y", (int)len, 8);
        CHECK(no_proxy_covers(list, "10.9.9.9") == (len < 128 - strlen("10.1.2.3/")));
    }
}
