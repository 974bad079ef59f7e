/* The functions that the client side calls: the server's part of an exchange.
 *
 * The client side (down.h) knows connections, bytes and replies, and no request's meaning. It calls
 * these functions, always on the worker's thread, in this order:
 *
 *   new          the request line is there
 *   take_line    its method and version; then add_field for each field
 *   begin        the head is whole
 *   run          a body is announced
 *   take_body    0 or more times: bytes of the body
 *   end_body     the body is whole: in place of the next run
 *   run          again whenever the connection was parked and woken (down_wake)
 *   reply        when one of these answered CLIENT_REPLY; then read, if its body is to be read
 *   finish       the exchange is over, however it ended; frees the request
 */
#ifndef CLIENT_CLIENT_OPS_H
#define CLIENT_CLIENT_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct conn;
struct down;
struct field;
struct object;
struct reply;
struct req; /* the server's */

enum client_next {
    CLIENT_MORE,  /* go on receiving the body */
    CLIENT_PARK,  /* nothing until the connection is woken */
    CLIENT_REPLY, /* the reply is ready */
    CLIENT_CLOSE  /* end the connection without an answer */
};

/* As libmicrohttpd's reader: > 0 bytes, 0 park, or one of these. */
#define CLIENT_READ_END (-1)
#define CLIENT_READ_BROKEN (-2)

struct client_ops {
    /* target: raw; "" where the head was refused unread */
    struct req *(*new)(struct conn *conn, const char *target);
    void (*take_line)(struct req *req, const char *method, const char *version);
    void (*add_field)(struct req *req, const struct field *field);
    void (*begin)(struct req *req);
    enum client_next (*run)(struct req *req);
    /* How many of the bytes it took; fewer than given: park until it is woken. */
    size_t (*take_body)(struct req *req, const char *bytes, size_t len);
    enum client_next (*end_body)(struct req *req);
    struct reply *(*reply)(struct req *req);
    ssize_t (*read)(struct req *req, char *buf, size_t max);
    /* The answer's head, of so many bytes, is too long to be sent: another reply takes its place.
     */
    void (*replace_reply)(struct req *req, size_t head_size);
    /* What comes is no valid request, which conn->framing.fault tells: ends what was begun, and
     * refuses it. CLIENT_REPLY, or CLIENT_CLOSE where it had its answer. */
    enum client_next (*abort)(struct req *req);
    /* Is it refused already, so that run() answers it? */
    bool (*is_refused)(const struct req *req);
    /* has_answer: the answer's head went down; is_complete: and all of its body. */
    void (*finish)(struct req *req, bool has_answer, bool is_complete);
    /* An object has a ready-made answer now, of so many bytes. */
    void (*charge)(struct conn *conn, struct object *object, size_t bytes);
    /* Do connections end after their answer, because the server stops or others wait for room? */
    bool (*wants_room)(struct down *down);
    void (*on_tls)(struct down *down);    /* a client spoke TLS to the plain port */
    void (*on_due)(struct down *down);    /* it wants down_run() */
    void (*on_closed)(struct down *down); /* one connection less */
};

#endif
