/* NO_PROXY: which hosts are reached without the proxy that the environment names, as curl reads it
 * (curl(1), since 7.86). Pure. */
#ifndef BASE_NO_PROXY_H
#define BASE_NO_PROXY_H

#include <stdbool.h>

/* list: names, addresses and address ranges, divided by commas or blanks; "*" alone is all hosts. A
 * name covers itself and all names below it, with or without a dot in front; an address is compared
 * as one, a range is CIDR ("10.0.0.0/8", "fd00::/8"). host: without brackets. NULL or "" covers
 * nothing. */
bool no_proxy_covers(const char *list, const char *host);

#endif
