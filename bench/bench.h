/* The subcommands; each takes the arguments after its name and gives the exit code. */
#pragma once

#include "base/base.h"

enum { EXIT_OK = 0, EXIT_FOUND = 1, EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_SOFTWARE = 70 };

int provider_command(int argc, char **argv);
int rules_command(int argc, char **argv);
int floor_command(int argc, char **argv);
int verify_command(int argc, char **argv);
int show_command(int argc, char **argv);
int produce_command(int argc, char **argv);
int dump_command(int argc, char **argv);
int lag_command(int argc, char **argv);
int load_command(int argc, char **argv);
int fill_command(int argc, char **argv);
