#include "upstream/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "upstream/answer.h"

/* Defensive: no known version of libcurl reports a proxy failure without a proxy. */
static const char *proxy_name(const struct endpoint *e)
{
    return e->proxy_label ? e->proxy_label : "that libcurl chose";
}

/* The variable or option in which the user can change the proxy. */
static const char *proxy_setting(const struct endpoint *e)
{
    return e->proxy_variable ? e->proxy_variable : "--proxy";
}

static void explain_proxy(struct err *err, const struct trouble_facts *f, const struct endpoint *e)
{
    if (f->proxy_status == 407)
        err_set(err, ERR_UP_PROXY_AUTH,
                "The upstream proxy %s wants authentication (407): put a valid user:password "
                "into %s.",
                proxy_name(e), proxy_setting(e));
    else if (f->proxy_status)
        err_set(err, ERR_UP_PROXY,
                "The upstream proxy %s answered %ld instead of connecting to %s: see its rules "
                "and its log.",
                proxy_name(e), f->proxy_status, e->root);
    else
        err_set(err, ERR_UP_PROXY,
                "The upstream proxy %s did not carry the connection to %s (%s): see its log, or "
                "%s.",
                proxy_name(e), e->root, f->detail, proxy_setting(e));
}

static void explain_connect(struct err *err, const struct trouble_facts *f,
                            const struct endpoint *e)
{
    /* With a proxy we connect only to that proxy. */
    if (e->proxy_from == ENDPOINT_PROXY_GIVEN)
        err_set(err, ERR_UP_CONNECT,
                "No connection to the upstream proxy %s (%s): is it running, and is %s right?",
                proxy_name(e), f->detail, proxy_setting(e));
    else if (f->trouble == TROUBLE_CONNECT_TIME)
        err_set(err, ERR_UP_CONNECT,
                "No connection to the upstream %s in time (%s): check the network, or whether a "
                "proxy is needed (--proxy), or raise --connect-timeout.",
                e->root, f->detail);
    else
        err_set(err, ERR_UP_CONNECT,
                "No connection to the upstream %s (%s): is it running, is --upstream right, is a "
                "proxy needed (--proxy)?",
                e->root, f->detail);
}

static void explain_tls(struct err *err, const struct trouble_facts *f, const struct endpoint *e)
{
    bool at_proxy = e->proxy && strncasecmp(e->proxy, STR_LIT("https:")) == 0 &&
                    f->proxy_status == 0;

    err_set(err, ERR_UP_TLS,
            "TLS with the upstream%s %s failed (%s): if its certificate is from a company's or "
            "a test's own CA, name that with --ca-file.",
            at_proxy ? " proxy" : "", at_proxy ? proxy_name(e) : e->root, f->detail);
}

static void explain_trouble(struct err *err, const struct trouble_facts *f,
                            const struct endpoint *e)
{
    enum trouble trouble = f->trouble;

    if (f->proxy_status && f->proxy_status / 100 != 2)
        trouble = TROUBLE_PROXY;
    if ((trouble == TROUBLE_CUT || trouble == TROUBLE_ANSWER) && !f->in_tunnel &&
        e->proxy_from == ENDPOINT_PROXY_GIVEN && !e->plain_http_proxy)
        trouble = TROUBLE_PROXY;
    if (str_starts(f->detail, "Too large response headers")) /* libcurl 7.88 has no code for it */
        trouble = TROUBLE_HEAD;
    switch (trouble) {
    case TROUBLE_NAME:
        err_set(err, ERR_UP_NAME,
                "The upstream's name %s could not be looked up: check the network and DNS, "
                "--upstream, and whether a proxy is needed (--proxy).",
                e->base.host);
        break;
    case TROUBLE_PROXY_NAME:
        err_set(err, ERR_UP_NAME,
                "The name of the upstream proxy %s could not be looked up: check %s and DNS.",
                proxy_name(e), proxy_setting(e));
        break;
    case TROUBLE_CONNECT:
    case TROUBLE_CONNECT_TIME:
        explain_connect(err, f, e);
        break;
    case TROUBLE_DESCRIPTORS:
        err_set(err, ERR_DESCRIPTORS,
                "This proxy has no descriptor left for a connection to %s: raise the limit of open "
                "files (ulimit -n) where it is started.",
                e->root);
        break;
    case TROUBLE_PROXY:
        explain_proxy(err, f, e);
        break;
    case TROUBLE_TLS:
        explain_tls(err, f, e);
        break;
    case TROUBLE_CUT:
        err_set(err, ERR_UP_BROKEN,
                "The upstream %s closed the connection before its answer was whole (%s): try "
                "again.",
                e->root, f->detail);
        break;
    case TROUBLE_HEAD:
        err_set(err, ERR_UP_ANSWER, "%s", ANSWER_HEAD_TOO_LARGE);
        break;
    case TROUBLE_ANSWER:
        err_set(err, ERR_UP_ANSWER,
                "The upstream %s answered something that is no HTTP (%s): is --upstream right?",
                e->root, f->detail);
        break;
    }
}

void explain(struct err *err, const struct trouble_facts *f, const struct endpoint *e)
{
    struct trouble_facts masked = *f;
    char detail[256];

    /* libcurl's message may quote the proxy's URL with its password. */
    snprintf(detail, sizeof(detail), "%s", f->detail);
    url_mask_all(detail);
    masked.detail = detail;
    explain_trouble(err, &masked, e);
}

void explain_silent(struct err *err, int64_t ms)
{
    err_set(err, ERR_UP_SILENT,
            "The upstream was silent for %g s: try again, or raise --request-timeout.",
            (double)ms / 1000);
}

void explain_slow(struct err *err, int64_t ms)
{
    err_set(err, ERR_UP_SILENT,
            "The upstream's answer took longer than %g s: raise --total-timeout.",
            (double)ms / 1000);
}
