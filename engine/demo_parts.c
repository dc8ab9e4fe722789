#include "demo_parts.h"

#include "base/clock.h"
#include "io/redis.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SOCKET_PATH_MAX = 100, /* sun_path has 108 */
    START_MS = 10 * 1000,  /* patience with a child that starts */
    END_MS = 3000,         /* and with one that ends */
    NO_PROGRAM = 127,      /* exit code of a child that could not become the program */
    LINE_MAX_SIZE = 1024,
};

static bool fail(char why[PARTS_WHY_SIZE], const char *what, const char *more)
{
    snprintf(why, PARTS_WHY_SIZE, "%.250s: %.250s", what, more);
    return false;
}

static bool join(char out[PARTS_PATH_SIZE], const char *folder, const char *name)
{
    return snprintf(out, PARTS_PATH_SIZE, "%s/%s", folder, name) < PARTS_PATH_SIZE;
}

/* In the child: nothing of ours but the three descriptors, and an end with the parent. */
static _Noreturn void become(const char *const *argv, int out, int log, pid_t parent)
{
    sigset_t none;
    setpgid(0, 0); /* Ctrl-C is for us alone: we end the children when the work is done */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY);
    if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
        dup2(out, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0) {
        close_range(STDERR_FILENO + 1, ~0U, 0);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    }
    _exit(NO_PROGRAM);
}

/* `out` is the child's standard output; -1: the log in the folder, like its errors. */
static pid_t start(struct parts *parts, const char *const *argv, int out, const char *log_name)
{
    char path[PARTS_PATH_SIZE];
    int log = join(path, parts->folder, log_name)
                  ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                  : -1;
    if (log < 0)
        return 0;
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(argv, out < 0 ? log : out, log, parent);
    close(log);
    return pid < 0 ? 0 : pid;
}

static bool has_ended(pid_t *pid, int *status)
{
    if (*pid == 0 || waitpid(*pid, status, WNOHANG) != *pid)
        return false;
    *pid = 0;
    return true;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void end(pid_t *pid)
{
    int status;
    if (*pid == 0)
        return;
    kill(*pid, SIGTERM);
    for (int waited = 0; waited < END_MS && *pid != 0; waited += 10)
        if (!has_ended(pid, &status))
            pause_ms(10);
    if (*pid == 0)
        return;
    kill(*pid, SIGKILL);
    waitpid(*pid, &status, 0);
    *pid = 0;
}

static bool open_folder(struct parts *parts, char why[PARTS_WHY_SIZE])
{
    const char *base = getenv("TMPDIR");
    char path[PARTS_PATH_SIZE];
    if (!base || base[0] != '/')
        base = "/tmp";
    if (!join(path, base, "carillon-demo-XXXXXX") || strlen(path) > SOCKET_PATH_MAX - 12)
        return fail(why, base, "too long a path for a socket: set TMPDIR to a shorter one");
    if (!mkdtemp(path))
        return fail(why, path, strerror(errno));
    memcpy(parts->folder, path, sizeof path);
    return join(parts->redis_socket, parts->folder, "redis.sock");
}

static bool answers(const char *socket)
{
    char why[REDIS_WHY_SIZE];
    const struct redis_options options = {.host = socket, .connect_ms = 500, .command_ms = 500};
    struct redis_sync *redis = redis_sync_open(&options, why);
    if (redis)
        redis_sync_close(redis);
    return redis != NULL;
}

static bool open_redis(struct parts *parts, char why[PARTS_WHY_SIZE])
{
    const char *const argv[] = {"redis-server",
                                "--port",
                                "0",
                                "--unixsocket",
                                parts->redis_socket,
                                "--save",
                                "",
                                "--appendonly",
                                "no",
                                "--dir",
                                parts->folder,
                                NULL};
    parts->redis = start(parts, argv, -1, "redis.log");
    if (parts->redis == 0)
        return fail(why, "redis-server cannot be started", strerror(errno));
    for (uint64_t until_ns = clock_mono_ns() + START_MS * NS_PER_MS; clock_mono_ns() < until_ns;) {
        int status = 0;
        if (has_ended(&parts->redis, &status))
            return WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM
                       ? fail(why, "redis-server is not installed", "run deploy/deps.sh build")
                       : fail(why, "redis-server ended at once", "is it Redis 7?");
        if (access(parts->redis_socket, F_OK) == 0 && answers(parts->redis_socket))
            return true;
        pause_ms(10);
    }
    return fail(why, "redis-server", "does not answer");
}

/* One line, or what came until `ms` had passed. */
static bool read_line(int fd, char line[LINE_MAX_SIZE], uint64_t ms)
{
    size_t size = 0;
    for (uint64_t until_ns = clock_mono_ns() + ms * NS_PER_MS; size < LINE_MAX_SIZE - 1;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (clock_mono_ns() >= until_ns || poll(&ready, 1, 50) < 0)
            break;
        if (ready.revents == 0)
            continue;
        if (read(fd, line + size, 1) != 1 || line[size] == '\n')
            break;
        size++;
    }
    line[size] = '\0';
    return size > 0;
}

static bool number_in(const char *line, const char *key, uint64_t *out)
{
    const char *at = strstr(line, key);
    if (at)
        *out = strtoull(at + strlen(key), NULL, 10);
    return at != NULL;
}

static bool open_provider(struct parts *parts, const char *folder, char why[PARTS_WHY_SIZE])
{
    char program[PARTS_PATH_SIZE], line[LINE_MAX_SIZE];
    int pipes[2];
    uint64_t port = 0;
    if (!join(program, folder, "carillon-bench") || access(program, X_OK) != 0)
        return fail(why, program, "is missing: run `make`");
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return fail(why, "pipe", strerror(errno));
    const char *const argv[] = {program, "provider", "--port",    "0", "--latency",
                                "5",     "--fault",  "429=0.001", NULL};
    parts->provider = start(parts, argv, pipes[1], "provider.log");
    close(pipes[1]);
    parts->provider_out = pipes[0];
    if (parts->provider == 0 || !read_line(pipes[0], line, START_MS) ||
        !number_in(line, "\"plain\":", &port) || port == 0 || port > UINT16_MAX)
        return fail(why, program, "does not start");
    parts->provider_port = (uint16_t)port;
    return true;
}

/* The folder that this program is in: the simulator is beside it, the adapters are near. */
static bool find_files(struct parts *parts, char folder[PARTS_PATH_SIZE], char why[PARTS_WHY_SIZE])
{
    char up[PARTS_PATH_SIZE];
    ssize_t size = readlink("/proc/self/exe", folder, PARTS_PATH_SIZE - 1);
    folder[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return fail(why, "/proc/self/exe", "cannot be read");
    *slash = '\0';
    static const char *const near[] = {"../deploy/providers", "../../deploy/providers"};
    for (size_t i = 0; i < countof(near); i++) {
        char *real = join(up, folder, near[i]) ? realpath(up, NULL) : NULL;
        int written = snprintf(parts->adapters, sizeof parts->adapters, "%s", real ? real : "");
        free(real);
        if (written > 0 && written < PARTS_PATH_SIZE)
            return true;
    }
    return fail(why, up, "the adapters' files are missing: run it from its build folder");
}

bool parts_open(struct parts *parts, char why[PARTS_WHY_SIZE])
{
    char folder[PARTS_PATH_SIZE];
    *parts = (struct parts){.provider_out = -1};
    return find_files(parts, folder, why) && open_folder(parts, why) && open_redis(parts, why) &&
           open_provider(parts, folder, why);
}

bool parts_alive(struct parts *parts, char why[PARTS_WHY_SIZE])
{
    int status;
    if (has_ended(&parts->redis, &status))
        return fail(why, "redis-server", "ended");
    if (has_ended(&parts->provider, &status))
        return fail(why, "the provider simulator", "ended");
    return true;
}

bool parts_accepted(struct parts *parts, uint64_t *accepted)
{
    char line[LINE_MAX_SIZE];
    if (parts->provider != 0)
        kill(parts->provider, SIGTERM);
    return parts->provider_out >= 0 && read_line(parts->provider_out, line, END_MS) &&
           number_in(line, "\"accepted\":", accepted);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)stat, (void)type, (void)where;
    return remove(path);
}

void parts_close(struct parts *parts)
{
    end(&parts->provider);
    end(&parts->redis);
    if (parts->provider_out >= 0)
        close(parts->provider_out);
    parts->provider_out = -1;
    if (parts->folder[0])
        nftw(parts->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    parts->folder[0] = '\0';
}
