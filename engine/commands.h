/* The subcommands, by the file that has them. */
#pragma once

enum { EXIT_DONE = 0, EXIT_USAGE = 64, EXIT_DATA = 65, EXIT_AWAY = 69, EXIT_CONFIG = 78 };

int bookings_main(int argc, char **argv);
int check_main(int argc, char **argv);
int deferred_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int export_main(int argc, char **argv);
int run_main(int argc, char **argv);
int setup_main(int argc, char **argv);
int suppress_main(int argc, char **argv);
int suppress_import_main(int argc, char **argv); /* argv[0] is the verb, as below */
int suppress_list_main(int argc, char **argv);
int tenants_main(int argc, char **argv);
int version_main(int argc, char **argv);
int why_main(int argc, char **argv);
