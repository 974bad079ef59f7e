#include "cmd.h"

#include "config.h"

#include <stdio.h>

#include "client/down.h"
#include "upstream/pool.h"

int cmd_version(const struct command *self, int argc, char **argv)
{
    int status = command_no_words(self, argc, argv);

    if (status)
        return status == COMMAND_HELPED ? 0 : status;
    printf("%s %s\n", PROGRAM, PACKAGE_VERSION);
    printf("libmicrohttpd %s, %s\n", down_version(), pool_version());
    return 0;
}
