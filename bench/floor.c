#include "bench.h"
int floor_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return EXIT_USAGE;
}
