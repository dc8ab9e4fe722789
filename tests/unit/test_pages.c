/* The page of metrics as Prometheus's own checker reads it, and the alerts on it. */
#include "pages.h"

#include "domain/adapter.h"
#include "version.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SHARDS = 3 };

static void name_labels(struct metric_names *names)
{
    static const char *const words[] = {"one", "two", NULL, "four"};
    for (int i = 0; i < LABEL_COUNT; i++) {
        names->of[i].names = words;
        names->of[i].count = countof(words);
    }
}

static void fill(struct metrics *m, uint32_t shard)
{
    metric_add(m, METRIC_OUTCOMES, 1, 3, 7 + shard);
    metric_set(m, METRIC_BOOKS_IMBALANCE, 0, (uint64_t)-1);
    metric_set(m, METRIC_LAST_TURN, 0, 1795521600042);
    for (uint32_t i = 0; i < 1000; i++)
        metric_observe_us(m, METRIC_END_TO_END, 1, i * i * (shard + 1));
}

/* A forecast that is made up: longer and longer releases. */
int64_t outlook_read(struct outlook *outlook, struct outlook_window out[OUTLOOK_WINDOWS])
{
    assert_non_null(outlook);
    static const char *const names[OUTLOOK_WINDOWS] = {"1h", "6h", "12h", "24h", "48h"};
    for (uint32_t i = 0; i < OUTLOOK_WINDOWS; i++)
        out[i] = (struct outlook_window){.name = names[i], .clear_s = 40 * i, .miss = 3 * i};
    return 1795521600042;
}

/* All that /metrics shows; to be freed. */
static char *page(void)
{
    char outlook; /* asked for nothing but what is made up */
    struct metric_names names;
    struct shard *shards = calloc(SHARDS, sizeof *shards);
    struct pages pages = {.shards = shards,
                          .shard_count = SHARDS,
                          .outlook = (struct outlook *)&outlook,
                          .started = true,
                          .started_ms = 1795521600007,
                          .backend = "epoll",
                          .backend_why = "epoll: the kernel forbids io_uring"};
    name_labels(&names);
    char *text = malloc(ADMIN_PAGE_MAX);
    assert_non_null(text);
    for (uint32_t i = 0; i < SHARDS; i++) {
        assert_true(metrics_open(&shards[i].metrics, &names));
        fill(&shards[i].metrics, i);
    }
    struct writer w = writer_of(text, ADMIN_PAGE_MAX - 1);
    for (uint32_t i = 0; i < pages_count; i++)
        if (strcmp(pages_all[i].path, "/metrics") == 0)
            assert_int_equal(pages_all[i].write(&pages, &w), 200);
    assert_true(w.size > 0 && !w.overflow);
    text[w.size] = '\0';
    for (uint32_t i = 0; i < SHARDS; i++)
        metrics_close(&shards[i].metrics);
    free(shards);
    return text;
}

static void promtool_finds_nothing_wrong_with_the_page(void **state)
{
    (void)state;
    char *text = page();
    char path[] = "/tmp/carillon-metrics-XXXXXX", command[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    snprintf(command, sizeof command, "promtool check metrics <%s 2>&1", path);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    char words[4096] = "";
    size_t size = fread(words, 1, sizeof words - 1, said);
    int exit_code = pclose(said);
    unlink(path);
    free(text);
    if (exit_code != 0 || size > 0)
        fail_msg("promtool: %s", words);
}

static void the_page_says_what_runs_here(void **state)
{
    (void)state;
    char *text = page();
    assert_non_null(strstr(text, "\ncarillon_build_info{version=\"" CARILLON_VERSION "\","));
    free(text);
}

/* The series that a metric of this name has, without a histogram's endings. */
static bool is_on(const char *text, const char *name, size_t size)
{
    static const char *const endings[] = {"", "_bucket", "_sum", "_count"};
    for (size_t i = 0; i < countof(endings); i++) {
        char line[160];
        size_t ending = strlen(endings[i]);
        if (size < ending || memcmp(name + size - ending, endings[i], ending) != 0)
            continue;
        snprintf(line, sizeof line, "# TYPE %.*s ", (int)(size - ending), name);
        if (strstr(text, line))
            return true;
    }
    return false;
}

static void every_metric_that_an_alert_asks_for_exists(void **state)
{
    (void)state;
    char *text = page();
    static char alerts[64 * 1024];
    FILE *f = fopen("deploy/alerts.yaml", "r");
    assert_non_null(f);
    assert_true(fread(alerts, 1, sizeof alerts - 1, f) > 0);
    fclose(f);
    uint32_t found = 0;
    for (const char *at = strstr(alerts, "carillon_"); at; at = strstr(at + 1, "carillon_")) {
        size_t size = 0;
        while (isalnum((unsigned char)at[size]) || at[size] == '_')
            size++;
        if (!is_on(text, at, size))
            fail_msg("no metric %.*s", (int)size, at);
        found++;
    }
    assert_true(found > 10);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promtool_finds_nothing_wrong_with_the_page),
        cmocka_unit_test(the_page_says_what_runs_here),
        cmocka_unit_test(every_metric_that_an_alert_asks_for_exists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
