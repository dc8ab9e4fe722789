/* The config: one table behind defaults, bounds, print and sample; every fault has a place. */
#include "config.h"

#include "adapters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *load(const char *text, char *const *environment, struct findings *findings)
{
    *findings = (struct findings){0};
    return config_load_text(text, strlen(text), "c.yaml", "", environment, findings);
}

static char *print(const struct config *config)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    config_print(config, out);
    fclose(out);
    return text;
}

static char *sample(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    config_print_sample(out);
    fclose(out);
    return text;
}

/* Expects exactly these findings, in order: `LINE:COLUMN text`, each the beginning. */
static void assert_findings(const char *text, char *const *environment, const char *const *want,
                            uint32_t count)
{
    struct findings f;
    struct config *config = load(text, (char *const *)environment, &f);
    findings_print(&f, stderr);
    uint32_t errors = 0;
    for (uint32_t i = 0; i < f.count; i++) {
        char got[700];
        if (f.all[i].level != FINDING_ERROR)
            continue;
        assert_true(errors < count);
        snprintf(got, sizeof got, "%u:%u %s", f.all[i].line, f.all[i].column, f.all[i].text);
        if (strncmp(got, want[errors], strlen(want[errors])) != 0)
            fail_msg("\n got: %s\nwant: %s", got, want[errors]);
        errors++;
    }
    assert_int_equal(f.errors, count);
    assert_null(config);
    findings_free(&f);
}

#define EXPECT(text, ...)                                   \
    do {                                                    \
        const char *const want_[] = {__VA_ARGS__};          \
        assert_findings(text, NULL, want_, countof(want_)); \
    } while (0)

static void an_empty_file_is_all_defaults(void **state)
{
    (void)state;
    struct findings f;
    struct config *config = load("# nothing\n", NULL, &f);
    assert_non_null(config);
    assert_int_equal(config->is.schedule.horizon_ms, 60000);
    assert_int_equal(config->is.send.max_attempts, 10);
    assert_string_equal(config->is.kafka.group, "carillon");
    assert_int_equal(config->is.outcomes.format, CONFIG_OUTCOMES_JSON);
    assert_true(config->is.resend.urgent);
    assert_false(config->is.resend.marketing);
    assert_null(config->is.redis.password);
    config_free(config);
    findings_free(&f);
}

static void the_sample_is_the_file_in_deploy_and_means_the_defaults(void **state)
{
    (void)state;
    char *text = sample(), file[65536];
    FILE *in = fopen("deploy/carillon.yaml", "r");
    assert_non_null(in);
    file[fread(file, 1, sizeof file - 1, in)] = '\0';
    fclose(in);
    assert_string_equal(text, file);

    struct findings f, none;
    struct config *config = load(text, NULL, &f), *defaults = load("", NULL, &none);
    char *a = print(config), *b = print(defaults);
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(text);
    config_free(config);
    config_free(defaults);
    findings_free(&f);
    findings_free(&none);
}

/* Behind its `# ` a line that is commented out has a key, a list's dash, or help of its own. */
static bool is_commented_out(const char *line)
{
    line += strspn(line, " ");
    if (strncmp(line, "# ", 2) != 0)
        return false;
    line += 2 + strspn(line + 2, " ");
    if (*line == '-' || *line == '#')
        return true;
    size_t key = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    return key > 0 && line[key] == ':' && (line[key + 1] == ' ' || line[key + 1] == '\0');
}

static void the_sample_with_everything_uncommented_is_read(void **state)
{
    (void)state;
    char *text = sample(), whole[65536], *out = whole;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *mark = strstr(line, "# ");
        if (is_commented_out(line))
            memmove(mark, mark + 2, strlen(mark + 2) + 1);
        out += sprintf(out, "%s\n", line);
    }
    struct findings f;
    struct config *config = load(whole, NULL, &f);
    for (uint32_t i = 0; i < f.count; i++) /* only the example's secret files are missing */
        if (!strstr(f.all[i].text, "/run/secrets/"))
            fail_msg("%u: %s", f.all[i].line, f.all[i].text);
    assert_int_equal(f.errors, 5);
    assert_null(config);
    free(text);
    findings_free(&f);
}

static void a_printed_config_reads_as_the_same(void **state)
{
    (void)state;
    struct findings f, g;
    struct config *config = load("kafka:\n  topic_prefix: \"a.b\"\n"
                                 "providers:\n  - {name: p, adapter: webhook, "
                                 "limit_per_second: 3.75}\n"
                                 "routes:\n  - {name: r, provider: p, channel: email, "
                                 "countries: [FR, US]}\n"
                                 "templates:\n  - {name: t, text: \"a\\n\\\"b\\\" {{x}} \\x01\"}\n",
                                 NULL, &f);
    assert_non_null(config);
    char *a = print(config);
    struct config *again = load(a, NULL, &g);
    assert_non_null(again);
    char *b = print(again);
    assert_string_equal(a, b);
    assert_non_null(strstr(a, "limit_per_second: 3.75\n"));
    assert_non_null(strstr(a, "countries: [FR, US]\n"));
    free(a);
    free(b);
    config_free(config);
    config_free(again);
    findings_free(&f);
    findings_free(&g);
}

static void faults_are_told_with_line_column_key_value_and_bounds(void **state)
{
    (void)state;
    EXPECT("kafka:\n  bootstrap_server: x:1\n",
           "2:3 kafka.bootstrap_server: unknown key; did you mean bootstrap_servers?");
    EXPECT("kafak: {}\n", "1:1 kafak: unknown key; did you mean kafka?");
    EXPECT("log:\n  zzz: 1\n", "2:3 log.zzz: unknown key");
    EXPECT("send:\n  max_attempts: 0\n  idle_ms: 1e3\n",
           "2:3 send.max_attempts: 0 is outside 1 to 100 attempts",
           "3:3 send.idle_ms: \"1e3\" is not a whole number from 100 to 600000 ms");
    EXPECT("send: {max_attempts: 010, idle_ms: -5, answer_max: 99999999999999999999}\n",
           "1:8 send.max_attempts: \"010\"", "1:27 send.idle_ms: \"-5\"", "1:40 send.answer_max");
    EXPECT("worker: {io: uring}\n", "1:10 worker.io: \"uring\" is none of auto|io_uring|epoll");
    EXPECT("log: {level: infos}\n",
           "1:7 log.level: \"infos\" is none of debug|info|warn|error; did you mean info?");
    EXPECT("resend: {urgent: yes}\n", "1:10 resend.urgent: \"yes\" is neither true nor false");
    EXPECT("send: {max_attempts: [1]}\n", "1:8 send.max_attempts: must be one value");
    EXPECT("send: 5\n", "1:1 send: must be a mapping of keys");
    EXPECT("send:\n", "1:1 send: must be a mapping of keys");
    EXPECT("routes: 5\n", "1:1 routes: must be a list");
    EXPECT("routes: [5]\n", "1:10 routes[0]: must be a mapping");
    EXPECT("routes: [{name: ~}]\n", "1:11 routes[0].name: has no value");
    EXPECT("routes: [{name: r}]\n", "1:10 routes[0].provider: is missing");
    EXPECT("log: {level: info, level: warn}\n", "1:20 level: given twice");
    EXPECT("log: &a {level: info}\n", "1:6 anchors and tags are not used");
    EXPECT("log: !!map {level: info}\n", "1:6 anchors and tags are not used");
    EXPECT("log: *a\n", "1:6 aliases are not used");
    EXPECT("--- {}\n--- {}\n", "2:1 a second document");
    EXPECT("log: {level: \"in\\0fo\"}\n", "1:14 a text holds a NUL byte");
    EXPECT("log: [\n", "2:1 did not find expected node content");
    EXPECT("\xff\xff", "");
    EXPECT("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: 1}}}}}}}}}}}}\n",
           "1:48 nested too deep");
}

static void keys_that_do_not_go_together_are_told(void **state)
{
    (void)state;
    EXPECT("kafka:\n  session_timeout_ms: 2000\n  heartbeat_interval_ms: 700\n",
           "3:3 kafka.heartbeat_interval_ms: three heartbeats must fit into");
    EXPECT("kafka: {bootstrap_servers: \"a:1,b\"}\n",
           "1:9 kafka.bootstrap_servers: \"b\" is not host:port");
    EXPECT("redis: {address: \"localhost\"}\n", "1:9 redis.address: \"localhost\" is neither");
    EXPECT("send:\n  connect_timeout_ms: 20000\n", "2:3 send.connect_timeout_ms: longer than");
    EXPECT("rules:\n  platform_zone: Europe/Pari\n", "2:3 rules.platform_zone: \"Europe/Pari\"");
    EXPECT("providers: [{name: a, adapter: x}, {name: a, adapter: x}]\n",
           "1:37 providers[1].name: \"a\" is the name of an earlier entry");
    EXPECT("routes:\n- name: r\n  provider: nobody\n  countries: [FRA]\n",
           "3:3 routes[0].provider: \"nobody\" is none of the providers",
           "4:15 routes[0].countries[0]: \"FRA\" is not a country's two letters");
    EXPECT("templates:\n- {name: t, text: \"{{x\"}\n", "2:13 templates[0].text: ");
    EXPECT("templates:\n- {name: t, text: x, html: <p>}\n", "2:22 templates[0].html: only e-mail");
    EXPECT("worker: {name: \"a|b\"}\n", "1:10 worker.name: ");
}

static void a_ring_that_cannot_work_is_refused(void **state)
{
    (void)state;
    EXPECT("deferral: {slots: 3}\n", "1:12 deferral.slots: 3 is outside 4 to 8192 slots");
    EXPECT("deferral: {lead_ms: 1800001}\n", "1:12 deferral.lead_ms: longer than a slot");
    EXPECT("deferral: {slot_ms: 1999, lead_ms: 100, time_sample_ms: 100}\n",
           "1:12 deferral.slot_ms: the clock may be wrong by 500 ms, which is over a quarter");
    EXPECT("deferral: {slot_ms: 4000, lead_ms: 100, time_sample_ms: 1001}\n",
           "1:41 deferral.time_sample_ms: over a quarter of a slot (deferral.slot_ms, 4000 ms): at "
           "most 1000");
    EXPECT("deferral: {slots: 65, spread: 1024}\n",
           "1:23 deferral.spread: with deferral.slots makes 66560 partitions: at most 65536");
    EXPECT("deferral:\n  min_delay_ms: 3000\nschedule:\n  horizon_ms: 2999\n",
           "2:3 deferral.min_delay_ms: longer than schedule.horizon_ms (2999 ms)");
    EXPECT("deferral: {slots: 4, slot_ms: 30000, lead_ms: 100, time_sample_ms: 100}\n"
           "schedule:\n  horizon_ms: 60000\n",
           "3:3 schedule.horizon_ms: what is due later is deferred, and the ring takes what is due "
           "within (deferral.slots - 2) x deferral.slot_ms: less than 60000 ms");
    EXPECT("deferral: {backoff_least_ms: 1999}\n",
           "1:12 deferral.backoff_least_ms: shorter than deferral.min_delay_ms");
    EXPECT("deferral: {backoff_least_ms: 6000, backoff_most_ms: 5999}\n",
           "1:12 deferral.backoff_least_ms: longer than deferral.backoff_most_ms");
}

static uint32_t warnings_of(const char *text, const char *about)
{
    struct findings f;
    struct config *config = load(text, NULL, &f);
    uint32_t count = 0;
    assert_non_null(config);
    for (uint32_t i = 0; i < f.count; i++)
        count += strncmp(f.all[i].text, about, strlen(about)) == 0;
    config_free(config);
    findings_free(&f);
    return count;
}

static void a_ring_that_a_far_day_does_not_fit_into_is_warned_of(void **state)
{
    (void)state;
    const char *about = "deferral.slots: (deferral.slots - 2) x deferral.slot_ms is ";
    assert_int_equal(warnings_of("", about), 0);
    assert_int_equal(warnings_of("deferral: {slots: 94}", about), 0); /* 46 h */
    assert_int_equal(warnings_of("deferral: {slots: 93}", about), 1);
}

static void slots_of_seconds_are_fine(void **state)
{
    (void)state;
    const char *text = "deferral: {slots: 8, slot_ms: 2000, spread: 1, far_spread: 1,\n"
                       "  lead_ms: 2000, min_delay_ms: 500, time_sample_ms: 500}\n"
                       "schedule: {horizon_ms: 3000}\n";
    assert_int_equal(warnings_of(text, "deferral"), 1);
}

static void the_design_forbids_some_properties_of_librdkafka(void **state)
{
    (void)state;
    EXPECT("kafka:\n  properties:\n  - {name: enable.auto.commit, value: \"true\"}\n",
           "3:6 kafka.properties[0].name: enable.auto.commit cannot be set: offsets are");
    EXPECT("kafka:\n  properties:\n  - {name: sasl.password, value: x}\n",
           "3:6 kafka.properties[0].name: sasl.password is a secret");
    EXPECT("kafka:\n  properties:\n  - {name: socket.keepalive.enable}\n",
           "3:6 kafka.properties[0].name: socket.keepalive.enable needs either value or secret");
    EXPECT("kafka:\n  properties:\n  - {name: no.such, value: x}\n", "2:3 kafka.properties: ");
}

static void any_key_can_come_from_the_environment(void **state)
{
    (void)state;
    const char *const environment[] = {
        "HOME=/root",
        "CARILLON_KAFKA__BOOTSTRAP_SERVERS=k:9092",
        "CARILLON_SEND__MAX_ATTEMPTS=3",
        "CARILLON_RESEND__ALERT=true",
        "CARILLON_LOG__FORMAT=json",
        "CARILLON_REDIS__PASSWORD=hush",
        "CARILLON_PROVIDERS__MY_P__CREDENTIALS__AUTH_TOKEN__VALUE=hush2",
        "CARILLON_PROVIDERS__MY_P__LIMIT_PER_SECOND=2.5",
        "CARILLON_ROUTES__R__COUNTRIES=FR,BE",
        "CARILLON_SERVICE_HOST=10.0.0.1", /* Kubernetes' */
        "CARILLON_SEND__NOPE=1",
        NULL};
    struct findings f;
    struct config *config = load("send: {max_attempts: 4}\n"
                                 "providers:\n- name: my-p\n  adapter: x\n"
                                 "  credentials: [{name: auth_token, value_file: /none}]\n"
                                 "routes:\n- {name: r, provider: my-p, countries: [US]}\n",
                                 (char *const *)environment, &f);
    findings_print(&f, stderr);
    assert_non_null(config);
    assert_string_equal(config->is.kafka.bootstrap_servers, "k:9092");
    assert_int_equal(config->is.send.max_attempts, 3);
    assert_true(config->is.resend.alert);
    assert_int_equal(config->is.log.format, 1);
    assert_string_equal(config->is.redis.password, "hush");
    assert_string_equal(config->is.providers[0].credentials[0].value, "hush2");
    assert_true(config->is.providers[0].limit_per_second == 2.5);
    assert_int_equal(config->is.routes[0].countries_count, 2);
    assert_string_equal(config->is.routes[0].countries[1], "BE");
    bool told = false;
    for (uint32_t i = 0; i < f.count; i++) {
        assert_null(strstr(f.all[i].text, "SERVICE_HOST"));
        told = told || strstr(f.all[i].text, "CARILLON_SEND__NOPE: no key");
    }
    assert_true(told);
    char *text = print(config);
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "password: \"********\""));
    free(text);
    config_free(config);
    findings_free(&f);
}

static void a_bad_value_of_the_environment_is_told_by_its_name(void **state)
{
    (void)state;
    const char *const environment[] = {"CARILLON_SEND__MAX_ATTEMPTS=many", NULL};
    const char *const want[] = {"0:0 CARILLON_SEND__MAX_ATTEMPTS: \"many\" is not a whole number"};
    assert_findings("", (char *const *)environment, want, 1);
}

static void a_needed_key_may_come_from_the_environment_alone(void **state)
{
    (void)state;
    const char *const environment[] = {"CARILLON_ROUTES__R__PROVIDER=p", NULL};
    struct findings f;
    struct config *config = load("providers: [{name: p, adapter: x}]\nroutes: [{name: r}]\n",
                                 (char *const *)environment, &f);
    assert_non_null(config);
    assert_string_equal(config->is.routes[0].provider, "p");
    config_free(config);
    findings_free(&f);
}

static void write_file(const char *path, const char *text, size_t size)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fwrite(text, 1, size, out);
    fclose(out);
}

struct folder {
    char path[64], secret[96], config[96];
};

static void open_folder(struct folder *f)
{
    strcpy(f->path, "/tmp/carillon-config-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->secret, sizeof f->secret, "%s/secret", f->path);
    snprintf(f->config, sizeof f->config, "%s/c.yaml", f->path);
}

static void close_folder(const struct folder *f)
{
    unlink(f->secret);
    unlink(f->config);
    rmdir(f->path);
}

static struct config *load_file(const struct folder *folder, const char *text, struct findings *f)
{
    *f = (struct findings){0};
    write_file(folder->config, text, strlen(text));
    return config_load(folder->config, NULL, f);
}

static void a_secret_is_read_from_its_file_and_never_printed(void **state)
{
    (void)state;
    struct folder folder;
    struct findings f;
    open_folder(&folder);
    write_file(folder.secret, "pass word\n", 10);
    struct config *config = load_file(&folder, "redis: {password_file: secret}\n", &f);
    assert_non_null(config);
    assert_string_equal(config->is.redis.password, "pass word");
    char *text = print(config);
    assert_null(strstr(text, "pass word"));
    assert_non_null(strstr(text, "password_file: secret"));
    free(text);
    config_free(config);
    findings_free(&f);
    close_folder(&folder);
}

static void assert_bad_secret(struct folder *folder, const char *text, const char *want)
{
    struct findings f;
    assert_null(load_file(folder, text, &f));
    assert_int_equal(f.errors, 1);
    if (!strstr(f.all[0].text, want))
        fail_msg("\n got: %s\nwant: %s", f.all[0].text, want);
    assert_int_equal(f.all[0].line, 1);
    findings_free(&f);
}

static void a_secret_file_that_is_missing_empty_or_odd_is_told(void **state)
{
    (void)state;
    struct folder folder;
    open_folder(&folder);
    assert_bad_secret(&folder, "redis: {password_file: secret}\n",
                      "redis.password_file: cannot read the secret file");
    write_file(folder.secret, "\n", 1);
    assert_bad_secret(&folder, "redis: {password_file: secret}\n", "is empty");
    write_file(folder.secret, "a\0b", 3);
    assert_bad_secret(&folder, "redis: {password_file: secret}\n", "holds a NUL byte");
    assert_bad_secret(&folder, "redis: {password: x, password_file: secret}\n",
                      "redis.password: is given twice: keep password or password_file");
    close_folder(&folder);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct findings f = {0};
    assert_null(config_load("/no/such.yaml", NULL, &f));
    assert_string_equal(f.all[0].file, "/no/such.yaml");
    assert_string_equal(f.all[0].text, "cannot be read: No such file or directory");
    findings_free(&f);
}

static void a_reload_takes_live_keys_and_keeps_the_others(void **state)
{
    (void)state;
    struct folder folder;
    struct findings f;
    open_folder(&folder);
    struct config *old =
        load_file(&folder,
                  "providers: [{name: p, adapter: x}]\n"
                  "routes: [{name: a, provider: p, limit_per_second: 1, from: F}]\n"
                  "rules: {address_key: k}\n",
                  &f);
    assert_non_null(old);
    findings_free(&f);
    const char *text = "providers: [{name: p, adapter: y}]\n"
                       "routes: [{name: a, provider: p, limit_per_second: 2, from: G}]\n"
                       "rules: {address_key: l}\n"
                       "schedule: {smear_ms: 7, horizon_ms: 8000}\n"
                       "templates: [{name: t, text: x}]\n";
    write_file(folder.config, text, strlen(text));
    struct config *fresh = config_reload(old, NULL, &f);
    assert_non_null(fresh);
    assert_int_equal(fresh->is.schedule.smear_ms, 7);
    assert_int_equal(fresh->is.schedule.horizon_ms, 60000);
    assert_true(fresh->is.routes[0].limit_per_second == 2);
    assert_string_equal(fresh->is.routes[0].from, "F");
    assert_string_equal(fresh->is.providers[0].adapter, "x");
    assert_string_equal(fresh->is.rules.address_key, "k");
    assert_int_equal(fresh->is.templates_count, 1);
    assert_int_equal(f.warnings, 4);
    for (uint32_t i = 0; i < f.count; i++)
        assert_non_null(strstr(f.all[i].text, "counts only from the next start"));
    config_free(fresh);
    config_free(old);
    findings_free(&f);
    close_folder(&folder);
}

static void a_reload_with_another_list_keeps_the_whole_old_one(void **state)
{
    (void)state;
    struct folder folder;
    struct findings f;
    open_folder(&folder);
    struct config *old = load_file(&folder,
                                   "rules: {address_key: k}\nproviders: [{name: p, adapter: x}]\n"
                                   "routes: [{name: a, provider: p, countries: [FR]}]\n",
                                   &f);
    const char *text = "rules: {address_key: k}\nproviders: [{name: q, adapter: x}]\n"
                       "routes: [{name: b, provider: q}, {name: a, provider: q}]\n";
    write_file(folder.config, text, strlen(text));
    struct config *fresh = config_reload(old, NULL, &f);
    assert_non_null(fresh);
    assert_int_equal(f.warnings, 2);
    assert_int_equal(fresh->is.routes_count, 1);
    config_free(old); /* what was kept is a copy */
    assert_string_equal(fresh->is.routes[0].countries[0], "FR");
    assert_string_equal(fresh->is.providers[0].name, "p");
    config_free(fresh);
    findings_free(&f);
    close_folder(&folder);
}

static void a_reload_of_a_bad_file_leaves_the_old_config(void **state)
{
    (void)state;
    struct folder folder;
    struct findings f;
    open_folder(&folder);
    struct config *old = load_file(&folder, "send: {max_attempts: 3}\n", &f);
    write_file(folder.config, "send: {max_attempts: x}\n", 24);
    assert_null(config_reload(old, NULL, &f));
    assert_int_equal(f.errors, 1);
    assert_int_equal(old->is.send.max_attempts, 3);
    config_free(old);
    findings_free(&f);
    close_folder(&folder);
}

static void assert_adapters(const char *text, const char *want)
{
    struct findings f;
    struct adapters adapters;
    struct config *config = load(text, NULL, &f);
    assert_non_null(config);
    bool good = adapters_load(config, &f, &adapters);
    const struct finding *last = f.count ? &f.all[f.count - 1] : NULL;
    char got[600] = "";
    if (last)
        snprintf(got, sizeof got, "%s:%u %s", last->file, last->line, last->text);
    if (want && (!last || !strstr(got, want)))
        fail_msg("\n got: %s\nwant: %s", got, want);
    assert_int_equal(good, want == NULL);
    if (good) {
        assert_int_equal(adapters.count, 1);
        assert_int_equal(adapters.of_provider[0]->in_flight, 7);
        assert_true(adapters.of_provider[0]->per_second == 1.5);
        adapters_free(&adapters);
    }
    config_free(config);
    findings_free(&f);
}

#define ADAPTERS "rules: {address_key: k}\nworker: {adapters: deploy/providers}\n"

static void a_provider_has_its_adapter_and_what_that_needs(void **state)
{
    (void)state;
    assert_adapters(ADAPTERS "providers: [{name: p, adapter: webhook, in_flight: 7, "
                             "limit_per_second: 1.5, credentials: [{name: token, value: t}]}]\n"
                             "routes: [{name: r, provider: p, channel: push}]\n",
                    NULL);
    assert_adapters(ADAPTERS "providers: [{name: p, adapter: webhok}]\n"
                             "routes: [{name: r, provider: p}]\n",
                    "c.yaml:3 providers[0].adapter: cannot read deploy/providers/webhok.yaml");
    assert_adapters(ADAPTERS "providers: [{name: p, adapter: webhook}]\n"
                             "routes: [{name: r, provider: p}]\n",
                    "c.yaml:3 providers[0].credentials: the account does not give token");
    assert_adapters(ADAPTERS "providers: [{name: p, adapter: webhook, credentials: "
                             "[{name: token, value: t}, {name: tokn, value: t}]}]\n"
                             "routes: [{name: r, provider: p}]\n",
                    "c.yaml:3 providers[0].credentials[1].name: the adapter webhook has no");
    assert_adapters(ADAPTERS "providers:\n- name: p\n  adapter: webhook\n  base_url: \"https://\"\n"
                             "  credentials: [{name: token, value: t}]\n"
                             "routes: [{name: r, provider: p}]\n",
                    "c.yaml:6 providers[0].base_url: \"https://\" has no host");
    assert_adapters(ADAPTERS "providers: [{name: p, adapter: sendgrid, credentials: "
                             "[{name: api_key, value: t}]}]\n"
                             "routes:\n- name: r\n  provider: p\n  channel: sms\n",
                    "c.yaml:7 routes[0].channel: the adapter sendgrid does not carry it");
    assert_adapters(ADAPTERS "providers:\n- name: p\n  adapter: webhook\n  ca_file: /no.pem\n"
                             "  credentials: [{name: token, value: t}]\n"
                             "routes: [{name: r, provider: p}]\n",
                    "c.yaml:6 providers[0].ca_file: cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_is_all_defaults),
        cmocka_unit_test(the_sample_is_the_file_in_deploy_and_means_the_defaults),
        cmocka_unit_test(the_sample_with_everything_uncommented_is_read),
        cmocka_unit_test(a_printed_config_reads_as_the_same),
        cmocka_unit_test(faults_are_told_with_line_column_key_value_and_bounds),
        cmocka_unit_test(keys_that_do_not_go_together_are_told),
        cmocka_unit_test(a_ring_that_cannot_work_is_refused),
        cmocka_unit_test(a_ring_that_a_far_day_does_not_fit_into_is_warned_of),
        cmocka_unit_test(slots_of_seconds_are_fine),
        cmocka_unit_test(the_design_forbids_some_properties_of_librdkafka),
        cmocka_unit_test(any_key_can_come_from_the_environment),
        cmocka_unit_test(a_bad_value_of_the_environment_is_told_by_its_name),
        cmocka_unit_test(a_needed_key_may_come_from_the_environment_alone),
        cmocka_unit_test(a_secret_is_read_from_its_file_and_never_printed),
        cmocka_unit_test(a_secret_file_that_is_missing_empty_or_odd_is_told),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(a_reload_takes_live_keys_and_keeps_the_others),
        cmocka_unit_test(a_reload_with_another_list_keeps_the_whole_old_one),
        cmocka_unit_test(a_reload_of_a_bad_file_leaves_the_old_config),
        cmocka_unit_test(a_provider_has_its_adapter_and_what_that_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
