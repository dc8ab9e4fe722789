/* `carillon run`: a worker until SIGTERM. It exits by itself only with 78 (a config or a
 * set-up that is wrong) or when its own state is broken; brokers and Redis that are away
 * are waited for. */
#include "commands.h"

#include "base/log.h"
#include "worker.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

struct run {
    const char *path;
    struct config *config;
    struct worker *worker;
    sigset_t signals;
    enum worker_start result;
    struct findings findings;
    char why[WORKER_WHY_SIZE];
    pthread_t starter;
};

static void usage(FILE *out)
{
    fprintf(out, "usage: carillon run --config FILE [--io auto|io_uring|epoll]\n"
                 "SIGTERM drains (a second one exits at once), SIGHUP reads the config again.\n");
}

static bool parse(struct run *run, int argc, char **argv, int *exit_code)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"io", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    *exit_code = EXIT_USAGE;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            run->path = optarg;
            break;
        case 'i': /* a flag wins over the environment, which wins over the file */
            setenv("CARILLON_WORKER__IO", optarg, 1);
            break;
        case 'h':
            usage(stdout);
            *exit_code = EXIT_DONE;
            return false;
        default:
            usage(stderr);
            return false;
        }
    }
    if (run->path && optind == argc)
        return true;
    usage(stderr);
    return false;
}

/* In a thread of its own: it may wait for Kafka and Redis as long as they are away. */
static void *start_worker(void *context)
{
    struct run *run = context;
    run->result = worker_start(run->worker, &run->findings, run->why);
    if (run->result != WORKER_STARTED)
        kill(getpid(), SIGTERM); /* wakes the main thread, which asks why */
    return NULL;
}

static void reload(struct run *run)
{
    struct findings findings = {0};
    struct config *config = config_reload(run->config, environ, &findings);
    bool good = config && worker_reload(run->worker, config, &findings);
    findings_print(&findings, stderr);
    findings_free(&findings);
    if (!good) {
        log_event(LOG_ERROR, "reload_refused",
                  "file=\"%s\" remedy=\"the old config stays in force\"", run->path);
        return;
    }
    log_init((enum log_level)config->is.log.level, config->is.log.format == 1);
    run->config = config; /* the old one stays: names in use point into it */
    log_event(LOG_INFO, "reloaded", "file=\"%s\"", run->path);
}

static void *exit_on_second(void *context)
{
    const sigset_t *signals = context;
    int signal;
    do
        sigwait(signals, &signal);
    while (signal == SIGHUP);
    log_event(LOG_WARN, "exit_now", "signal=%d", signal);
    _exit(EXIT_DONE);
}

/* Records in hand that do not end in time are read again by others: exiting is safe. */
static void drain(struct run *run)
{
    pthread_t second;
    log_event(LOG_INFO, "draining", "deadline_ms=%u", (unsigned)run->config->is.worker.drain_ms);
    pthread_create(&second, NULL, exit_on_second, &run->signals);
    worker_stop(run->worker);
    bool drained = worker_wait(run->worker, (uint32_t)run->config->is.worker.drain_ms);
    log_event(drained ? LOG_INFO : LOG_WARN, "stopped", "drained=%s", drained ? "true" : "false");
}

static int run_until_signal(struct run *run)
{
    for (;;) {
        int signal = 0;
        sigwait(&run->signals, &signal);
        if (signal == SIGHUP && run->result == WORKER_STARTED)
            reload(run);
        else if (signal != SIGHUP)
            break;
    }
    worker_stop(run->worker); /* a start that still waits gives up */
    pthread_join(run->starter, NULL);
    switch (run->result) {
    case WORKER_STARTED:
        drain(run);
        return EXIT_DONE;
    case WORKER_STOPPED:
        return EXIT_DONE;
    case WORKER_BAD_CONFIG:
        findings_print(&run->findings, stderr);
        return EXIT_CONFIG;
    case WORKER_BAD_SETUP:
        fprintf(stderr, "carillon run: %s\n", run->why);
        return EXIT_CONFIG;
    case WORKER_BROKEN:
        fprintf(stderr, "carillon run: %s\n", run->why);
        return EXIT_CONFIG;
    }
    return EXIT_CONFIG;
}

int run_main(int argc, char **argv)
{
    struct run run = {.result = WORKER_STOPPED};
    int exit_code;
    if (!parse(&run, argc, argv, &exit_code))
        return exit_code;
    run.config = config_load(run.path, environ, &run.findings);
    findings_print(&run.findings, stderr);
    if (!run.config)
        return EXIT_CONFIG;
    findings_free(&run.findings);
    log_init((enum log_level)run.config->is.log.level, run.config->is.log.format == 1);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&run.signals);
    sigaddset(&run.signals, SIGTERM);
    sigaddset(&run.signals, SIGINT);
    sigaddset(&run.signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &run.signals, NULL); /* before any thread: they inherit it */

    run.worker = worker_new(run.config);
    if (pthread_create(&run.starter, NULL, start_worker, &run) != 0) {
        fprintf(stderr, "carillon run: %s\n", strerror(errno));
        return EXIT_CONFIG;
    }
    exit_code = run_until_signal(&run);
    fflush(NULL);
    _exit(exit_code); /* libraries' threads are not waited for: kill -9 is the tested path */
}
