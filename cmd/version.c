#include "cmd.h"

#include "config.h"

#include <stdio.h>

#include "proxy/versions.h"

int cmd_version(const struct command *self, int argc, char **argv)
{
    struct err err;

    if (argc > 0 && (argv[0][0] != '-' || argv[0][1] != '-' || argv[0][2] != 'h')) {
        err_set(&err, ERR_USAGE, "version takes no argument such as '%s'", argv[0]);
        return command_fail(&err);
    }
    if (argc > 0) {
        command_print_help(self);
        return 0;
    }
    printf("%s %s\n", PROGRAM, PACKAGE_VERSION);
    printf("libmicrohttpd %s, %s\n", versions_down(), versions_up());
    return 0;
}
