/* NO_PROXY: which hosts are reached without the proxy that the environment names, as curl reads it
 * (curl(1) --noproxy, 7.86 and later). Pure. */
#ifndef BASE_NO_PROXY_H
#define BASE_NO_PROXY_H

#include <stdbool.h>

/* list: names, addresses and address ranges, divided by commas or blanks; "*" alone is all hosts. A
 * name covers itself and all names below it, with or without a dot in front; an address is compared
 * as one and is written without brackets, a range is CIDR ("10.0.0.0/8", "fd00::/8"; "/0" is no
 * range: all bits are compared). host: without brackets; "" is covered by nothing. A list that is
 * NULL or "" covers nothing. */
bool no_proxy_covers(const char *list, const char *host);

#endif
