/* Converts the configuration into the plain values that other folders' constructors take.
 *
 * Those constructors never see the configuration: a row of a database can supply the same values.
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
