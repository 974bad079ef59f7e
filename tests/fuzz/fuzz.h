/* What the fuzzers share. Each is one function over bytes; what must always hold is MUST(…).
 *
 *      clang -std=gnu17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *          -fno-sanitize-recover=undefined -I. -Isrc $(pkg-config --cflags libcjson) -pthread \
 *          -o fuzz-route tests/fuzz/fuzz-route.c \
 *          src/base/{err,fields,framing,json,mem,str,url,zip}.c src/conf/conf_type.c \
 *          src/api/{canon,directive,lex,policy_answer,policy_request,route,scan,sse}.c \
 *          src/cache/{body,flight}.c src/proxy/guard.c src/base/header.c src/upstream/answer.c \
 *          $(pkg-config --libs libcjson zlib)
 *      mkdir -p found && ./fuzz-route -max_total_time=60 found tests/fuzz/corpus/route
 *
 * Without libFuzzer: any compiler, and standalone.c beside the fuzzer, over the files of its
 * corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #cond);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A text of exactly that size, so that ASan sees a step beyond it. The caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    MUST(text);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
