/* The versions of the libraries behind the doors, for `goproxyai version`. */
#ifndef PROXY_VERSIONS_H
#define PROXY_VERSIONS_H

const char *versions_down(void); /* down.c */
const char *versions_up(void);   /* up_pool.c: libcurl and what it was built with */

#endif
