/* What the configuration asks for, in terms of the parts that are made of it.
 *
 * The only file of this folder's, besides those that make the server, that reads the configuration
 * for a part of another folder: a part is made of plain values, so that a row of a database can
 * make one as well.
 */
#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include "conf/conf.h"
#include "upstream/endpoint.h"

/* The endpoint that nobody named. *spec is good as long as conf and certs (or NULL) are. */
void settings_endpoint(const struct conf *conf, const struct crypto_certs *certs,
                       struct endpoint_spec *spec);

/* --ca-file, into *certs: NULL where it is not set. The caller frees them. */
int settings_certs(const struct conf *conf, struct crypto_certs **certs, struct err *err);

#endif
