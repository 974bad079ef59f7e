/* sse: however a stream is split, it says the same. The first byte seeds the splits. */
#include "api/sse.h"

#include "fuzz.h"

static void note_event(void *arg, const struct sse_event *event)
{
    struct str *seen = arg;

    MUST(strlen(event->type) > 0 && strlen(event->type) <= SSE_TYPE_MAX);
    MUST(event->data_len <= SSE_WHOLE_MAX && event->data[event->data_len] == '\0');
    str_add(seen, event->data, event->data_len);
    str_addf(seen, " %s %zu %d ", event->type, event->data_len, event->in_pieces);
}

static void note_piece(void *arg, const char *bytes, size_t len)
{
    MUST(len > 0);
    str_add(arg, bytes, len);
}

static const struct sse_ops ops = {note_event, note_piece};

/* In pieces of 1 to `most` bytes, each on the heap by itself. */
static void read_in_pieces(const uint8_t *data, size_t size, size_t most, unsigned seed,
                           struct str *seen)
{
    struct sse sse;

    sse_init(&sse, &ops, seen);
    for (size_t at = 0, n; at < size; at += n) {
        char *piece;

        seed = seed * 1103515245U + 12345U;
        n = 1 + (seed >> 16) % most;
        if (n > size - at || most == size)
            n = size - at;
        piece = malloc(n);
        MUST(piece);
        memcpy(piece, data + at, n);
        sse_feed(&sse, piece, n);
        free(piece);
    }
    sse_release(&sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str whole = STR_INIT, pieces = STR_INIT;

    if (size < 2)
        return 0;
    read_in_pieces(data + 1, size - 1, size - 1, 0, &whole);
    for (size_t most = 1; most <= 16; most *= 4) {
        str_clear(&pieces);
        read_in_pieces(data + 1, size - 1, most, data[0], &pieces);
        MUST(pieces.len == whole.len && memcmp(pieces.text, whole.text, whole.len) == 0);
    }
    str_release(&whole);
    str_release(&pieces);
    return 0;
}
