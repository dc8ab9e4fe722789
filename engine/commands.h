/* The subcommands, by the file that has them. */
#pragma once

enum { EXIT_DONE = 0, EXIT_USAGE = 64, EXIT_DATA = 65, EXIT_AWAY = 69, EXIT_CONFIG = 78 };

int check_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int run_main(int argc, char **argv);
int setup_main(int argc, char **argv);
int suppress_main(int argc, char **argv);
int tenants_main(int argc, char **argv);
int version_main(int argc, char **argv);
