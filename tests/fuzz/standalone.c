/* Runs a fuzzer over files, for compilers without libFuzzer: fuzz-NAME corpus/NAME/… */
#include "fuzz.h"

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    size_t cap = (size_t)1 << 20, len;
    uint8_t *buf = malloc(cap), *exact;

    if (!file || !buf) {
        perror(path);
        exit(1);
    }
    len = fread(buf, 1, cap, file);
    fclose(file);
    exact = malloc(len ? len : 1);
    MUST(exact);
    memcpy(exact, buf, len);
    free(buf);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    printf("%d inputs\n", argc - 1);
    return 0;
}
