#include "io/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

enum { CONNECTIONS_MAX = 32, TIMEOUT_S = 10 };

struct admin {
    struct MHD_Daemon *daemon;
    const struct admin_page *pages;
    uint32_t page_count;
    void *context;
};

static enum MHD_Result answer(struct MHD_Connection *connection, uint32_t status,
                              const char *content_type, const char *text, size_t size)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)text, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_page(struct admin *admin, const struct admin_page *page,
                                   struct MHD_Connection *connection)
{
    char *memory = malloc(ADMIN_PAGE_MAX);
    if (!memory)
        return MHD_NO;
    struct writer w = writer_of(memory, ADMIN_PAGE_MAX);
    uint32_t status = page->write(admin->context, &w);
    enum MHD_Result result =
        w.overflow ? answer(connection, 500, "text/plain", "the page is too large\n", 22)
                   : answer(connection, status, page->content_type, w.at, w.size);
    free(memory);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request)
{
    (void)version, (void)upload, (void)upload_size, (void)request;
    struct admin *admin = context;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer(connection, 405, "text/plain", "GET only\n", 9);
    for (uint32_t i = 0; i < admin->page_count; i++)
        if (strcmp(url, admin->pages[i].path) == 0)
            return answer_page(admin, &admin->pages[i], connection);
    return answer(connection, 404, "text/plain", "no such page\n", 13);
}

/* Splits "host:port" or "[host]:port". */
static bool split(const char *address, char *host, size_t host_max, const char **port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || (size_t)(colon - address) >= host_max)
        return false;
    size_t size = (size_t)(colon - address);
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    memcpy(host, address, size);
    host[size] = '\0';
    *port = colon + 1;
    return true;
}

static int listen_on(const char *address, char why[ADMIN_WHY_SIZE])
{
    char host[256];
    const char *port = NULL;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (!split(address, host, sizeof host, &port)) {
        snprintf(why, ADMIN_WHY_SIZE, "'%s' is not host:port", address);
        return -1;
    }
    int rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (rc != 0) {
        snprintf(why, ADMIN_WHY_SIZE, "%s: %s", address, gai_strerror(rc));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 64) != 0) {
        snprintf(why, ADMIN_WHY_SIZE, "cannot listen on %s: %s", address, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

struct admin *admin_open(const char *address, const struct admin_page *pages, uint32_t page_count,
                         void *context, char why[ADMIN_WHY_SIZE])
{
    int fd = listen_on(address, why);
    if (fd < 0)
        return NULL;
    struct admin *admin = calloc(1, sizeof *admin);
    CHECK(admin != NULL);
    *admin = (struct admin){.pages = pages, .page_count = page_count, .context = context};
    admin->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, admin,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
    if (admin->daemon)
        return admin;
    snprintf(why, ADMIN_WHY_SIZE, "the admin server did not start");
    close(fd);
    free(admin);
    return NULL;
}

uint16_t admin_port(const struct admin *admin)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (!info || getsockname(info->listen_fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

void admin_close(struct admin *admin)
{
    MHD_stop_daemon(admin->daemon);
    free(admin);
}
