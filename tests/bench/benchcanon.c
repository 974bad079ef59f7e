/*
 * benchcanon [-t MILLISECONDS]: how fast request bodies are made canonical, and answers scanned,
 * on one core. Prints one line for each kind of text
 *   NAME bytes=… mb_s=… ns=…
 * (MB/s of 10^6 bytes, ns a text): canon-100k canon-1k scan-100k scan-1k.
 */
#include "bench.h"

#include "api/canon.h"
#include "api/scan.h"

static const char words[] = "Each of the four witnesses said: \\\"it was there "
                            "before\\\".\\nNobody had asked them, and the "
                            "reason, as na\xc3\xafve as it sounds \xe2\x80\x93 they had been busy "
                            "with other things on that "
                            "day \xe2\x80\x93 was not one that the court could accept without "
                            "looking into it further.\\n\\n";

/* A conversation of about `size` bytes, in messages of a few hundred to a few thousand. */
static void make_chat(struct str *s, size_t size)
{
    str_adds(s, "{\"model\":\"gpt-4o\",\"temperature\":0.7,\"stream\":true,\"messages\":[");
    for (unsigned i = 0; s->len < size; i++) {
        str_addf(s, "%s{\"role\":\"%s\",\"content\":\"", i ? "," : "",
                 i % 2 ? "assistant" : "user");
        for (unsigned n = 1 + i * 5 % 7; n > 0 && s->len < size; n--)
            str_adds(s, words);
        str_adds(s, "\"}");
    }
    str_adds(s, "],\"max_tokens\":1024,\"user\":\"u-1\"}");
}

/* What the API answers: laid out, 1.2 KB. */
static void make_answer(struct str *s)
{
    str_adds(s, "{\n  \"id\": \"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\n"
                "  \"object\": \"chat.completion\",\n  \"created\": 1741569952,\n"
                "  \"model\": \"gpt-4o-2024-08-06\",\n  \"choices\": [\n    {\n"
                "      \"index\": 0,\n      \"message\": {\n        \"role\": \"assistant\",\n"
                "        \"content\": \"");
    str_adds(s, words);
    str_adds(s, words);
    str_adds(s, "\",\n        \"refusal\": null,\n        \"annotations\": []\n      },\n"
                "      \"logprobs\": null,\n      \"finish_reason\": \"stop\"\n    }\n  ],\n"
                "  \"usage\": {\n    \"prompt_tokens\": 19,\n    \"completion_tokens\": 10,\n"
                "    \"total_tokens\": 29,\n    \"prompt_tokens_details\": {\n"
                "      \"cached_tokens\": 0,\n      \"audio_tokens\": 0\n    }\n  },\n"
                "  \"service_tier\": \"default\",\n  \"system_fingerprint\": \"fp_1\"\n}\n");
}

static struct canon *canon;
static struct str form;

static bool run_canon(const struct str *text)
{
    str_clear(&form);
    return canon_write(canon, text->text, text->len, NULL, &form);
}

static bool run_scan(const struct str *text)
{
    struct scan_member members[] = {
        {.name = "status"}, {.name = "usage"}, {.name = "model"}, {.name = "choices"}};

    return scan_document(text->text, text->len, NULL, members, 4);
}

static void measure(const char *name, bool (*run)(const struct str *), const struct str *text,
                    uint64_t limit_ns)
{
    const uint64_t start = now_ns();
    uint64_t count = 0, ns;

    do {
        for (int i = 0; i < 16; i++, count++)
            if (!run(text))
                die("benchcanon: %s: no JSON", name);
        ns = now_ns() - start;
    } while (ns < limit_ns);
    printf("%s bytes=%zu mb_s=%llu ns=%llu\n", name, text->len,
           (unsigned long long)(text->len * count * 1000 / ns), (unsigned long long)(ns / count));
}

int main(int argc, char **argv)
{
    struct str large = STR_INIT, small = STR_INIT, answer = STR_INIT;
    uint64_t limit_ns = 500000000;
    int option;

    while ((option = getopt(argc, argv, "t:")) != -1) {
        if (option != 't')
            die("usage: benchcanon [-t MILLISECONDS]");
        limit_ns = number(optarg, 60000) * (uint64_t)1000000;
    }
    canon = canon_new();
    str_init(&form);
    make_chat(&large, 100000);
    make_chat(&small, 900);
    make_answer(&answer);
    measure("canon-100k", run_canon, &large, limit_ns);
    measure("canon-1k", run_canon, &small, limit_ns);
    measure("scan-100k", run_scan, &large, limit_ns);
    measure("scan-1k", run_scan, &answer, limit_ns);
    canon_free(canon);
    str_release(&form);
    str_release(&large);
    str_release(&small);
    str_release(&answer);
    return 0;
}
