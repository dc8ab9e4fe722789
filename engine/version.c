#include "commands.h"

#include <stdio.h>

#ifndef CARILLON_COMMIT
#define CARILLON_COMMIT "unknown"
#endif

int version_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("carillon 0.1.0 (%s)\n", CARILLON_COMMIT);
    return EXIT_DONE;
}
