/* The functions that the client side calls: the server's part of an exchange.
 *
 * The client side (down.h) knows connections, bytes and replies, but not the meaning of a request.
 * It calls these functions on the worker's thread, in this order:
 *
 *   new          the request line has arrived
 *   take_line    its method and version; then add_field for each field
 *   begin        the head is complete
 *   run          if a body is announced
 *   take_body    0 or more times: bytes of the body
 *   end_body     the body is complete: in place of the next run
 *   run          again whenever the connection was parked and woken (down_wake)
 *   reply        after CLIENT_REPLY; then read, if its body is read in pieces
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
struct req; /* the server's, opaque here */

enum client_next {
    CLIENT_MORE,  /* continue receiving the body */
    CLIENT_PARK,  /* wait until down_wake() */
    CLIENT_REPLY, /* the reply is ready */
    CLIENT_CLOSE  /* end the connection without an answer */
};

/* Results of read: > 0 bytes, 0 park, or one of these. */
#define CLIENT_READ_END (-1)
#define CLIENT_READ_BROKEN (-2)

struct client_ops {
    /* target: raw; "" if the head was refused unread. The client side owns the result until finish.
     */
    struct req *(*new)(struct conn *conn, const char *target);
    void (*take_line)(struct req *req, const char *method, const char *version);
    void (*add_field)(struct req *req, const struct field *field);
    void (*begin)(struct req *req);
    enum client_next (*run)(struct req *req);
    /* Returns the number of bytes taken; fewer than len: park until down_wake(). */
    size_t (*take_body)(struct req *req, const char *bytes, size_t len);
    enum client_next (*end_body)(struct req *req);
    struct reply *(*reply)(struct req *req); /* the request's, valid until finish */
    ssize_t (*read)(struct req *req, char *buf, size_t max);
    /* The answer's head (head_size bytes) is too long: replace the reply by an error. */
    void (*replace_reply)(struct req *req, size_t head_size);
    /* The request is malformed, as conn->framing.fault tells: refuse it and end what was begun.
     * CLIENT_REPLY, or CLIENT_CLOSE if it already has an answer. */
    enum client_next (*abort)(struct req *req);
    /* True if the request is already refused: run() will answer it. */
    bool (*is_refused)(const struct req *req);
    /* has_answer: the answer's head was sent; is_complete: and all of its body. */
    void (*finish)(struct req *req, bool has_answer, bool is_complete);
    /* The object now has a ready-made answer, which takes that many bytes of memory. */
    void (*charge)(struct conn *conn, struct object *object, size_t bytes);
    /* True: connections end after their answer, because the server stops or others wait for room.
     */
    bool (*wants_room)(struct down *down);
    void (*on_tls)(struct down *down);    /* a client spoke TLS to the plain port */
    void (*on_due)(struct down *down);    /* down_run() is wanted */
    void (*on_closed)(struct down *down); /* a connection has been closed */
};

#endif
