/* framing: a connection is read as a simple parser of the whole text reads it, however it is
 * split. The first byte seeds the splits. */
#include "base/framing.h"

#include "fuzz.h"
#include "tests/unit/framing_reference.h"

/* In pieces of 1 to `most` bytes, each on the heap by itself. */
static size_t take_in_pieces(struct framing *f, const uint8_t *data, size_t size, size_t most,
                             unsigned seed)
{
    size_t at = 0, n, taken;
    char *piece;

    framing_init(f);
    for (; at < size; at += n) {
        seed = seed * 1103515245U + 12345U;
        n = 1 + (seed >> 16) % most;
        if (n > size - at || most == size)
            n = size - at;
        piece = malloc(n);
        MUST(piece);
        memcpy(piece, data + at, n);
        taken = framing_take(f, piece, n);
        MUST(taken <= n && (taken < n) == (f->fault != NULL));
        MUST(!f->fault || framing_take(f, piece, n) == 0);
        free(piece);
        if (f->fault)
            return at + taken;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct framing_verdict wanted;
    const char *fault = NULL;
    struct framing f;
    size_t most;

    if (size < 2)
        return 0;
    wanted = framing_reference((const char *)data + 1, size - 1);
    for (most = 1; most <= 4096; most *= 8) {
        MUST(take_in_pieces(&f, data + 1, size - 1, most, data[0]) == wanted.taken);
        MUST((f.fault != NULL) == wanted.fault && f.tls == wanted.tls);
        MUST(f.fault || framing_in_body(&f) == wanted.in_body);
        MUST(f.fault || framing_at_start(&f) == wanted.at_start);
        MUST(most == 1 || f.fault == fault);
        fault = f.fault;
    }
    return 0;
}
