/* Adapters: the shipped files, byte by byte, and what their compiler and judge refuse. */
#include "adapters.h"
#include "domain/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct desk {
    struct adapter *adapter;
    struct findings findings;
    char memory[65536];
    struct arena arena;
    struct adapter_values values;
    struct http_request request;
    const char *field;
};

static char *read_text(const char *path, size_t *size)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 65536);
    *size = fread(text, 1, 65535, f);
    fclose(f);
    return text;
}

static const struct adapter_credential credentials[] = {
    {"account_sid", "AC1"}, {"auth_token", "secret"}, {"api_key", "SG.x"}, {"token", "t0"}};
static const struct adapter_account account = {NULL, credentials, countof(credentials)};

static void open_file(struct desk *d, const char *path)
{
    size_t size;
    char *text = read_text(path, &size);
    *d = (struct desk){0};
    d->arena = arena_of(d->memory, sizeof d->memory);
    d->adapter = adapter_read(text, size, path, &account, &d->findings);
    findings_print(&d->findings, stderr);
    assert_non_null(d->adapter);
    free(text);
}

static void open_text(struct desk *d, const char *text, const struct adapter_account *a)
{
    *d = (struct desk){0};
    d->arena = arena_of(d->memory, sizeof d->memory);
    d->adapter = adapter_read(text, strlen(text), "x.yaml", a, &d->findings);
}

static void close_desk(struct desk *d)
{
    adapter_free(d->adapter);
    findings_free(&d->findings);
}

static enum err render(struct desk *d)
{
    return adapter_render(d->adapter, &d->values, &d->arena, &d->request, &d->field);
}

static void assert_bytes(struct bytes got, const char *want)
{
    if (!bytes_equal(got, bytes_of(want)))
        fail_msg("\n got: %.*s\nwant: %s", (int)got.size, got.at, want);
}

static void assert_header(const struct desk *d, const char *name, const char *want)
{
    for (uint32_t i = 0; i < d->request.header_count; i++) {
        if (bytes_equal_nocase(d->request.headers[i].name, bytes_of(name))) {
            assert_non_null(want);
            assert_bytes(d->request.headers[i].value, want);
            return;
        }
    }
    assert_null(want);
}

static void set(struct desk *d, enum adapter_value value, const char *text)
{
    d->values.at[value] = bytes_of(text);
}

static void twilio_is_asked_as_its_documentation_says(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/twilio.yaml");
    set(&d, VALUE_TO, "+15558675310");
    set(&d, VALUE_FROM, "+33600000001");
    set(&d, VALUE_TEXT, "Hi & bye = 100 % \xc3\xa9\r\n~");
    d.values.media[0] = BYTES("https://cdn/a.jpg");
    d.values.media[1] = BYTES("https://cdn/b.png");
    d.values.media_count = 2;
    d.values.now_ms = 1000;
    d.values.expires_ms = 3601999;
    assert_int_equal(render(&d), ERR_OK);
    assert_bytes(d.request.method, "POST");
    assert_bytes(d.request.path, "/2010-04-01/Accounts/AC1/Messages.json");
    assert_header(&d, "Authorization", "Basic QUMxOnNlY3JldA==");
    assert_header(&d, "Content-Type", "application/x-www-form-urlencoded");
    assert_bytes(d.request.body, "To=%2B15558675310&From=%2B33600000001"
                                 "&Body=Hi+%26+bye+%3D+100+%25+%C3%A9%0D%0A~"
                                 "&MediaUrl=https%3A%2F%2Fcdn%2Fa.jpg"
                                 "&MediaUrl=https%3A%2F%2Fcdn%2Fb.png&ValidityPeriod=3600");
    assert_true(d.adapter->tls && d.adapter->carries_media);
    assert_string_equal(d.adapter->host, "api.twilio.com");
    assert_int_equal(d.adapter->port, 443);
    assert_int_equal(d.adapter->channels, ADAPTER_SMS);
    d.values.expires_ms = 100000000;
    assert_int_equal(render(&d), ERR_OK);
    assert_non_null(strstr(d.request.body.at, "&ValidityPeriod=36000"));
    close_desk(&d);
}

static void an_option_of_the_account_appears_where_it_is_given(void **state)
{
    (void)state;
    struct desk d;
    size_t size;
    char *text = read_text("deploy/providers/twilio.yaml", &size);
    const struct adapter_credential more[] = {
        {"account_sid", "AC/1"}, {"auth_token", "x"}, {"messaging_service_sid", "MG 1"}};
    open_text(&d, text, &(struct adapter_account){"http://[::1]:8080/eu/", more, 3});
    assert_non_null(d.adapter);
    set(&d, VALUE_TO, "15558675310");
    set(&d, VALUE_TEXT, "x");
    assert_int_equal(render(&d), ERR_OK);
    assert_bytes(d.request.path, "/eu/2010-04-01/Accounts/AC%2F1/Messages.json");
    assert_bytes(d.request.body, "To=%2B15558675310&MessagingServiceSid=MG+1&Body=x");
    assert_string_equal(d.adapter->host, "::1");
    assert_int_equal(d.adapter->port, 8080);
    assert_false(d.adapter->tls);
    close_desk(&d);
    free(text);
}

static void sendgrid_is_asked_as_its_documentation_says(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/sendgrid.yaml");
    set(&d, VALUE_TO, "a@b.example");
    set(&d, VALUE_TO_NAME, "A \"quote\"");
    set(&d, VALUE_FROM, "no-reply@acme.example");
    set(&d, VALUE_LEG, "01HX");
    set(&d, VALUE_SUBJECT, "Hi");
    set(&d, VALUE_TEXT, "line\r\nnext\x01");
    set(&d, VALUE_HTML, "<p>\\</p>");
    set(&d, VALUE_KIND, "campaign");
    set(&d, VALUE_UNSUBSCRIBE_URL, "https://u/x");
    assert_int_equal(render(&d), ERR_OK);
    assert_bytes(d.request.path, "/v3/mail/send");
    assert_header(&d, "Authorization", "Bearer SG.x");
    assert_header(&d, "Content-Type", "application/json");
    assert_bytes(
        d.request.body,
        "{\"personalizations\":[{\"to\":[{\"email\":\"a@b.example\",\"name\":\"A \\\"quote\\\"\"}],"
        "\"custom_args\":{\"leg\":\"01HX\"},"
        "\"headers\":{\"List-Unsubscribe\":\"<https://u/x>\","
        "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\"}}],"
        "\"from\":{\"email\":\"no-reply@acme.example\"},\"subject\":\"Hi\","
        "\"content\":[{\"type\":\"text/plain\",\"value\":\"line\\r\\nnext\\u0001\"},"
        "{\"type\":\"text/html\",\"value\":\"<p>\\\\</p>\"}],\"categories\":[\"campaign\"]}");
    close_desk(&d);
}

static void what_is_empty_is_left_out_with_its_containers(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/sendgrid.yaml");
    set(&d, VALUE_TO, "a@b.example");
    set(&d, VALUE_FROM, "c@d.example");
    set(&d, VALUE_SUBJECT, "Hi");
    set(&d, VALUE_HTML, "<b>");
    assert_int_equal(render(&d), ERR_OK);
    assert_bytes(d.request.body, "{\"personalizations\":[{\"to\":[{\"email\":\"a@b.example\"}]}],"
                                 "\"from\":{\"email\":\"c@d.example\"},\"subject\":\"Hi\","
                                 "\"content\":[{\"type\":\"text/html\",\"value\":\"<b>\"}]}");
    close_desk(&d);
}

static void the_webhook_carries_media_and_the_idempotency_key(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/webhook.yaml");
    set(&d, VALUE_LEG, "leg1");
    set(&d, VALUE_TO, "token");
    set(&d, VALUE_CHANNEL, "push");
    d.values.media[0] = BYTES("https://a");
    d.values.media[1] = BYTES("https://b");
    d.values.media_count = 2;
    d.values.expires_ms = 1700000000123;
    assert_int_equal(render(&d), ERR_OK);
    assert_header(&d, "Idempotency-Key", "leg1");
    assert_header(&d, "traceparent", NULL);
    assert_bytes(d.request.body,
                 "{\"leg\":\"leg1\",\"channel\":\"push\",\"to\":{\"address\":\"token\"},"
                 "\"media\":[\"https://a\",\"https://b\"],"
                 "\"expires_at\":\"2023-11-14T22:13:20.123Z\"}");
    assert_int_equal(d.adapter->idempotency_window_ms, 86400000);
    assert_int_equal(d.adapter->channels, ADAPTER_SMS | ADAPTER_EMAIL | ADAPTER_PUSH);
    close_desk(&d);
}

static void a_line_break_never_reaches_a_header_or_subject(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/webhook.yaml");
    set(&d, VALUE_TO, "x");
    set(&d, VALUE_LEG, "a\r\nX-Evil: 1");
    assert_int_equal(render(&d), ERR_INVALID);
    assert_string_equal(d.field, "headers[0].value");
    set(&d, VALUE_LEG, "a");
    set(&d, VALUE_SUBJECT, "a\nb");
    assert_int_equal(render(&d), ERR_INVALID);
    assert_string_equal(d.field, "content.subject");
    set(&d, VALUE_SUBJECT, "a");
    set(&d, VALUE_TO_NAME, "A\x7f");
    assert_int_equal(render(&d), ERR_INVALID);
    assert_string_equal(d.field, "recipient.name");
    set(&d, VALUE_TO_NAME, "A");
    set(&d, VALUE_TEXT, "a\r\nb");
    assert_int_equal(render(&d), ERR_OK);
    close_desk(&d);
}

static void a_request_that_does_not_fit_is_refused_at_every_size(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/sendgrid.yaml");
    set(&d, VALUE_TO, "a@b.example");
    set(&d, VALUE_TEXT, "text \xc3\xa9 \"");
    set(&d, VALUE_UNSUBSCRIBE_URL, "https://u/x");
    assert_int_equal(render(&d), ERR_OK);
    size_t needed = d.arena.used;
    for (size_t max = 0; max < needed; max++) {
        char *exact = malloc(max + 1);
        d.arena = arena_of(exact, max);
        assert_int_equal(render(&d), ERR_NO_MEMORY);
        free(exact);
    }
    close_desk(&d);
}

#define MINIMAL(more)                                           \
    "name: x\nchannels: [sms]\nbase_url: https://x\npath: /p\n" \
    "credentials: [key]\noptions: [opt]\nverdicts: [{status: 200-299, verdict: accepted}]\n" more

static const struct adapter_credential one_key[] = {{"key", "k"}};
static const struct adapter_account key_account = {NULL, one_key, 1};

static void filters_change_what_is_written(void **state)
{
    (void)state;
    struct desk d;
    open_text(&d,
              MINIMAL("body:\n  kind: form\n  fields:\n"
                      "  - {at: a, value: \"${to|e164_noplus}\"}\n"
                      "  - {at: b, value: \"${text|base64}\"}\n"
                      "  - {at: c, value: \"${text|json_string}\"}\n"
                      "  - {at: d, value: \"${media|join:;}\"}\n"
                      "  - {at: e, value: \"${encoding|map:gsm7=text,ucs2=unicode}\"}\n"
                      "  - {at: f, value: \"${expires_unix_s}\"}\n"
                      "  - {at: g, value: \"${ttl_minutes}/${ttl_ms}\"}\n"
                      "  - {at: h, value: \"${opt}\"}\n"
                      "  - {at: i, value: \"$5 ${key}\"}\n"),
              &key_account);
    findings_print(&d.findings, stderr);
    assert_non_null(d.adapter);
    set(&d, VALUE_TO, "+123");
    set(&d, VALUE_TEXT, "a\"?");
    set(&d, VALUE_ENCODING, "ucs2");
    d.values.media[0] = d.values.media[1] = BYTES("m");
    d.values.media_count = 2;
    d.values.now_ms = 0;
    d.values.expires_ms = 125000;
    assert_int_equal(render(&d), ERR_OK);
    assert_bytes(d.request.body, "a=123&b=YSI%2F&c=%22a%5C%22%3F%22&d=m%3Bm&e=unicode&f=125"
                                 "&g=2%2F125000&i=%245+k");
    close_desk(&d);
}

static void a_number_in_json_is_a_number(void **state)
{
    (void)state;
    struct desk d;
    open_text(&d,
              MINIMAL("body:\n  kind: json\n  fields:\n"
                      "  - {at: /n, value: \"${expires_unix_s}\", as: number}\n"
                      "  - {at: /b, value: \"true\", as: bool}\n"
                      "  - {at: /t, value: \"${text}\", as: number}\n"),
              &key_account);
    assert_non_null(d.adapter);
    d.values.expires_ms = 5000;
    assert_int_equal(render(&d), ERR_OK);
    assert_bytes(d.request.body, "{\"n\":5,\"b\":true}");
    set(&d, VALUE_TEXT, "-1.50");
    assert_int_equal(render(&d), ERR_OK);
    assert_bytes(d.request.body, "{\"n\":5,\"b\":true,\"t\":-1.50}");
    static const char *const bad[] = {"1,\"x\":2", "01", "1.", "-", "1e5", " 1"};
    for (size_t i = 0; i < countof(bad); i++) {
        set(&d, VALUE_TEXT, bad[i]);
        assert_int_equal(render(&d), ERR_INVALID);
        assert_string_equal(d.field, "body.fields[2].value");
    }
    close_desk(&d);
}

struct mistake {
    const char *text, *finding;
};

static void assert_mistake(const struct mistake *m)
{
    struct desk d;
    open_text(&d, m->text, &key_account);
    assert_null(d.adapter);
    assert_int_equal(d.findings.errors, 1);
    char got[600];
    snprintf(got, sizeof got, "%u:%u %s", d.findings.all[0].line, d.findings.all[0].column,
             d.findings.all[0].text);
    if (!strstr(got, m->finding))
        fail_msg("\n got: %s\nwant: %s", got, m->finding);
    close_desk(&d);
}

static void mistakes_are_told_with_their_place(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${tto}\"}]}"),
         "8:37 body.fields[0].value: ${tto} is neither a value"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${to\"}]}"),
         "8:37 body.fields[0].value: \"${\" without"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${to|upper}\"}]}"),
         "\"|upper\" does not fit here"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${to|most:3}\"}]}"),
         "\"|most:3\" does not fit here"},
        {MINIMAL("body: {kind: json, fields: [{at: a, value: x}]}"),
         "8:30 body.fields[0].at: a path in the JSON tree begins with /"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/0, value: x}, {at: /a/2, value: x}]}"),
         "body.fields[1].at: the entries of an array are numbered from 0, in order"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/0, value: x}, {at: /a/b, value: x}]}"),
         "body.fields[1].at: \"b\" is no key of its array"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/b, value: x}, {at: /c, value: x}, "
                 "{at: /a/d, value: x}]}"),
         "body.fields[2].at: /a stands twice, or not together"},
        {MINIMAL("body: {kind: json, fields: [{at: /a, value: x}, {at: /a, value: x}]}"),
         "body.fields[1].at: /a stands twice"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/b, value: x}, {at: /a, value: x}]}"),
         "body.fields[1].at: /a stands twice"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/-, value: x}]}"),
         "${media} and a path that ends in /- belong together"},
        {MINIMAL("body: {kind: json, fields: [{at: /a, value: \"${media}\"}]}"),
         "${media} and a path that ends in /- belong together"},
        {MINIMAL("headers: [{name: \"a b\", value: x}]"), "8:12 headers[0].name: \"a b\""},
        {MINIMAL("headers: [{name: Host, value: x}]"), "headers[0].name: \"Host\" is no header"},
        {MINIMAL("auth: {kind: bearer, token: \"${to}\"}"), "8:22 auth.token: must be given"},
        {MINIMAL("auth: {kind: bearer}"), "auth.token: must be given"},
        {MINIMAL("auth: {kind: digest}"), "8:8 auth.kind: \"digest\" is none of none|basic"},
        {MINIMAL("id: sid"), "8:1 id: \"sid\" is not /a/json/path or header:NAME"},
        {MINIMAL("verdict: []"), "8:1 verdict: unknown key; did you mean verdicts?"},
        {"name: x\nchannels: [fax]\nbase_url: https://x\npath: /\n",
         "2:1 channels: \"fax\" is none of sms, email, push"},
        {"name: x\nchannels: [sms]\nbase_url: ftp://x\npath: /\n", "3:1 base_url: \"ftp://x\""},
        {"name: x\nchannels: [sms]\nbase_url: https://x:0\npath: /\n", "a port is 1 to 65535"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: p\n", "4:1 path: begins with /"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: /\n",
         "verdicts: no answer is accepted"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: /\n"
         "verdicts: [{status: 2xx, verdict: accepted}]",
         "5:13 verdicts[0].status: \"2xx\" is neither a status"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: /\n"
         "verdicts: [{codes: [a], verdict: accepted}]",
         "5:13 verdicts[0].codes: `code` does not say where"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: /\ncredentials: [token]\n",
         "5:1 credentials: the account does not give token"},
        {"channels: [sms]\nbase_url: https://x\npath: /\n", "1:1 name: is missing"},
        {"name: X y\nchannels: [sms]\nbase_url: https://x\npath: /\n", "1:1 name"},
        {"name: \"\"\nchannels: [sms]\nbase_url: https://x\npath: /\n", "1:1 name"},
        {"name: x\nchannels: [sms]\nbase_url: \"https://x y\"\npath: /\n", "3:1 base_url"},
        {"name: x\nchannels: [sms]\nbase_url: https://\npath: /\n", "3:1 base_url"},
        {"name: x\nchannels: [sms]\nbase_url: https://a@x\npath: /\n", "3:1 base_url"},
        {"name: x\nchannels: [sms]\nbase_url: \"https://x:\"\npath: /\n", "a port is 1 to 65535"},
        {"name: x\nchannels: [sms]\nbase_url: https://x:70000\npath: /\n", "a port is 1 to 65535"},
        {"name: x\nchannels: [sms]\nbase_url: https://x?a\npath: /\n", "3:1 base_url"},
        {"name: x\nchannels: [sms]\nbase_url: \"https://[::1]a\"\npath: /\n", "3:1 base_url"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: \"/a#b\"\n", "4:1 path"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: \"/a b\"\n", "4:1 path"},
        {"name: x\nchannels: [sms]\nbase_url: https://x\npath: \"${media}\"\n", "path"},
        {MINIMAL("headers: [{name: \"\", value: x}]"), "headers[0].name"},
        {MINIMAL("headers: [{name: a, value: \"${media}\"}]"), "headers[0].value"},
        {MINIMAL("headers: [{name: a, value: \"x\\ny\"}]"), "headers[0].value"},
        {MINIMAL("auth: {kind: header, name: \"a b\", value: x}"), "auth.name"},
        {MINIMAL("body: {fields: [{at: a, value: x}]}"), "body"},
        {MINIMAL("body: {kind: json}"), "body"},
        {MINIMAL("body: {kind: json, fields: [{at: /a, value: x, as: bool}]}"), "fields[0]"},
        {MINIMAL("body: {kind: form, fields: [{at: \"\", value: x}]}"), "fields[0].at"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: x, as: number}]}"), "fields[0].as"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: x, when: sid}]}"),
         "is no value that can be empty"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${ttl_s|most:0}\"}]}"),
         "needs a number above 0"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${ttl_s|most}\"}]}"),
         "does not fit here"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${to|base64:x}\"}]}"),
         "does not fit here"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${to|join:,}\"}]}"),
         "does not fit here"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${media|map:a}\"}]}"),
         "does not fit here"},
        {MINIMAL("body: {kind: form, fields: [{at: a, value: \"${expires_iso8601|most:1}\"}]}"),
         "does not fit here"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/b/0, value: x}, {at: /a/b/c, value: x}]}"),
         "is no key of its array"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/0/b, value: x}, {at: /a/0001, value: x}]}"),
         "fields[1].at"},
        {MINIMAL("body: {kind: json, fields: [{at: /a/b, value: x}, {at: /a/0, value: x}]}"),
         "is no key of its object"},
    };
    for (size_t i = 0; i < countof(mistakes); i++)
        assert_mistake(&mistakes[i]);
}

/* So many of one thing; `each` may name its number. */
static const char *many(const char *before, const char *each, uint32_t count, const char *after)
{
    static char text[65536];
    struct writer w = writer_of(text, sizeof text - 1);
    write_text(&w, before);
    for (uint32_t i = 0; i < count; i++)
        for (const char *at = each; *at; at++)
            if (*at == '#')
                write_u64(&w, i);
            else
                write_char(&w, *at);
    write_text(&w, after);
    assert_false(w.overflow);
    text[w.size] = '\0';
    return text;
}

static void more_than_there_is_room_for_is_told(void **state)
{
    (void)state;
    const struct mistake mistakes[] = {
        {many(MINIMAL("headers: ["), "{name: H#, value: x}, ", 40, "]\n"), "headers"},
    };
    assert_mistake(&mistakes[0]);
    static const char form[] = MINIMAL("body: {kind: form, fields: [");
    static const char tree[] = MINIMAL("body: {kind: json, fields: [");
    assert_mistake(&(struct mistake){many(form, "{at: a#, value: x}, ", 300, "]}\n"), "body"});
    assert_mistake(&(struct mistake){many(tree, "{at: /a#, value: x}, ", 300, "]}\n"), "body"});
    assert_mistake(&(struct mistake){many(tree, "{at: /a#/b, value: x}, ", 150, "]}\n"), "body"});
    assert_mistake(&(struct mistake){
        many(MINIMAL("body: {kind: json, fields: [{at: "), "/a", 20, ", value: x}]}\n"),
        "body.fields[0]"});
    assert_mistake(&(struct mistake){
        many(MINIMAL("body: {kind: form, fields: [{at: a, value: \""), "${to}", 40, "\"}]}\n"),
        "names more than 32 values"});
    assert_mistake(&(struct mistake){many(MINIMAL("body: {kind: form, fields: [{at: a, value: \""),
                                          "0123456789", 500, "\"}]}\n"),
                                     "is longer than 4096 bytes"});
    assert_mistake(&(struct mistake){
        many(MINIMAL("auth: {kind: bearer, token: \""), "0123456789", 300, "\"}\n"),
        "auth: is too long"});
    assert_mistake(&(struct mistake){
        many(MINIMAL("auth: {kind: basic, user: \""), "0123456789", 150, "\", password: x}\n"),
        "auth: is too long"});
    assert_mistake(&(struct mistake){
        many("name: x\nchannels: [sms]\nbase_url: https://x\npath: /", "0123456789", 500, "\n"),
        "is shorter than 4096 bytes"});
    assert_mistake(&(struct mistake){
        many("name: x\nchannels: [sms]\nbase_url: https://", "0123456789", 40, "\npath: /\n"),
        "3:1 base_url"});
    assert_mistake(&(struct mistake){
        many("name: ", "0123456789", 10, "\nchannels: [sms]\nbase_url: https://x\npath: /\n"),
        "name"});
}

static void a_credential_cannot_break_a_header(void **state)
{
    (void)state;
    struct desk d;
    const struct adapter_credential evil[] = {{"key", "a\r\nX: y"}};
    open_text(&d, MINIMAL("auth: {kind: bearer, token: \"${key}\"}"),
              &(struct adapter_account){NULL, evil, 1});
    assert_null(d.adapter);
    assert_non_null(strstr(d.findings.all[0].text, "the credential key holds a control character"));
    assert_null(strstr(d.findings.all[0].text, "X: y"));
    close_desk(&d);
}

/* ---- verdicts ---- */

static struct adapter_answer judge(const struct desk *d, uint16_t status, const char *body,
                                   const char *header, const char *value)
{
    struct http_response r = {.status = status, .body = bytes_of(body)};
    if (header)
        r.headers[r.header_count++] = (struct http_header){bytes_of(header), bytes_of(value)};
    struct adapter_answer answer;
    adapter_verdict(d->adapter, &r, 784111777000, &answer);
    return answer;
}

static void twilios_codes_decide_before_its_statuses(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/twilio.yaml");
    static const struct {
        uint16_t status;
        const char *body;
        enum verdict verdict;
        const char *code;
    } rows[] = {
        {201, "{\"sid\":\"SM1\",\"error_code\":null}", VERDICT_ACCEPTED, ""},
        {201, "{\"sid\":", VERDICT_ACCEPTED, ""},
        {400, "{\"code\":21211,\"message\":\"m\",\"status\":400}", VERDICT_BAD_RECIPIENT, "21211"},
        {400, "{\"code\":\"21610\"}", VERDICT_OPTED_OUT, "21610"},
        {400, "{\"code\":99999}", VERDICT_BAD_REQUEST, "99999"},
        {400, "{\"code\":21211", VERDICT_BAD_REQUEST, ""}, /* truncated */
        {400, "<html>21211</html>", VERDICT_BAD_REQUEST, ""},
        {401, "{\"code\":20003}", VERDICT_AUTH_FAILED, "20003"},
        {401, "", VERDICT_AUTH_FAILED, ""},
        {429, "{\"code\":20429}", VERDICT_THROTTLED, "20429"},
        {429, "", VERDICT_THROTTLED, ""},
        {400, "{\"code\":21611}", VERDICT_THROTTLED, "21611"},
        {500, "{\"code\":21211}", VERDICT_AMBIGUOUS, "21211"},
        {503, "", VERDICT_AMBIGUOUS, ""},
        {301, "", VERDICT_BAD_REQUEST, ""},
        {100, "", VERDICT_AMBIGUOUS, ""},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        struct adapter_answer a = judge(&d, rows[i].status, rows[i].body, NULL, NULL);
        if (a.verdict != rows[i].verdict || strcmp(a.code, rows[i].code) != 0)
            fail_msg("row %zu: %s, code %s", i, verdict_text(a.verdict), a.code);
    }
    assert_string_equal(judge(&d, 201, "{\"sid\":\"SM1\"}", NULL, NULL).id, "SM1");
    close_desk(&d);
}

static void sendgrids_id_is_a_header_and_its_errors_may_be_html(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/sendgrid.yaml");
    struct adapter_answer a = judge(&d, 202, "", "x-message-id", "abc.123");
    assert_int_equal(a.verdict, VERDICT_ACCEPTED);
    assert_string_equal(a.id, "abc.123");
    a = judge(&d, 413, "<html><h1>413 Request Entity Too Large</h1></html>", NULL, NULL);
    assert_int_equal(a.verdict, VERDICT_BAD_REQUEST);
    assert_int_equal(judge(&d, 500, "", NULL, NULL).verdict, VERDICT_AMBIGUOUS);
    assert_string_equal(judge(&d, 202, "", "X-Message-Id", "a\x01z").id, "");
    assert_string_equal(judge(&d, 202, "", "X-Message-Id", "a\xffz").id, "");
    close_desk(&d);
}

static void ids_are_kept_as_text_however_large(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/webhook.yaml");
    assert_string_equal(judge(&d, 200, "{\"id\":123456789012345678901234}", NULL, NULL).id,
                        "123456789012345678901234");
    assert_string_equal(judge(&d, 200, "{\"id\":1.0}", NULL, NULL).id, "1.0");
    assert_string_equal(judge(&d, 200, "{\"id\":\"\\u00e9\"}", NULL, NULL).id, "\xc3\xa9");
    assert_string_equal(judge(&d, 200, "{\"id\":{\"a\":1}}", NULL, NULL).id, "");
    assert_string_equal(judge(&d, 200, "{\"id\":null}", NULL, NULL).id, "");
    char body[700] = "{\"id\":\"";
    for (size_t i = 7; i < 607; i += 2)
        memcpy(body + i, "\xc3\xa9", 2);
    strcpy(body + 607, "\"}");
    assert_int_equal(strlen(judge(&d, 200, body, NULL, NULL).id), 254); /* whole characters */
    close_desk(&d);
}

static void an_engine_rule_stands_between_exact_statuses_and_ranges(void **state)
{
    (void)state;
    struct desk d;
    open_text(&d,
              "name: x\nchannels: [sms]\nbase_url: https://x\npath: /\ncode: /c\nverdicts:\n"
              "- {status: 200-299, verdict: accepted}\n"
              "- {status: 400-599, verdict: temporary}\n"
              "- {status: \"502\", verdict: bad_request}\n"
              "- {codes: [\"7\"], status: \"429\", verdict: blocked}\n"
              "- {codes: [\"*\"], status: 404-404, verdict: no_credit}\n",
              &key_account);
    assert_non_null(d.adapter);
    assert_int_equal(judge(&d, 429, "", NULL, NULL).verdict, VERDICT_THROTTLED);
    assert_int_equal(judge(&d, 429, "{\"c\":7}", NULL, NULL).verdict, VERDICT_BLOCKED);
    assert_int_equal(judge(&d, 404, "{\"c\":\"any\"}", NULL, NULL).verdict, VERDICT_NO_CREDIT);
    assert_int_equal(judge(&d, 404, "{\"d\":7}", NULL, NULL).verdict, VERDICT_TEMPORARY);
    assert_int_equal(judge(&d, 502, "", NULL, NULL).verdict, VERDICT_BAD_REQUEST);
    assert_int_equal(judge(&d, 503, "", NULL, NULL).verdict, VERDICT_TEMPORARY);
    assert_int_equal(judge(&d, 503, "", "Retry-After", "3").verdict, VERDICT_THROTTLED);
    assert_int_equal(judge(&d, 302, "", NULL, NULL).verdict, VERDICT_BAD_REQUEST);
    close_desk(&d);
}

static void a_wait_may_be_seconds_a_date_or_a_time(void **state)
{
    (void)state;
    struct desk d;
    open_file(&d, "deploy/providers/twilio.yaml");
    static const struct {
        const char *value;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"7", 7000},
        {"1.5", 2000},
        {"Sun, 06 Nov 1994 08:49:39 GMT", 2000},
        {"Sun, 06 Nov 1994 08:49:30 GMT", 0},
        {"99999999999", 86400000},
        {"Sun, 06 Foo 1994 08:49:39 GMT", -1},
        {"Sun, 06 anF 1994 08:49:39 GMT", -1},
        {"", -1},
        {"soon", -1},
        {"-5", -1},
        {"5s", -1},
    };
    for (size_t i = 0; i < countof(rows); i++) {
        int64_t got = judge(&d, 429, "", "retry-after", rows[i].value).retry_after_ms;
        if (got != rows[i].ms)
            fail_msg("%s: %lld", rows[i].value, (long long)got);
    }
    assert_int_equal(judge(&d, 429, "", NULL, NULL).retry_after_ms, -1);
    close_desk(&d);
}

static void another_header_goes_before_retry_after(void **state)
{
    (void)state;
    struct desk d;
    open_text(&d,
              "name: x\nchannels: [sms]\nbase_url: https://x\npath: /\n"
              "retry_after: header:X-RateLimit-Reset\n"
              "verdicts: [{status: 200-299, verdict: accepted}]\n",
              &key_account);
    assert_non_null(d.adapter);
    assert_int_equal(judge(&d, 429, "", "x-ratelimit-reset", "5").retry_after_ms, 5000);
    assert_int_equal(judge(&d, 503, "", "Retry-After", "6").retry_after_ms, 6000);
    assert_int_equal(judge(&d, 200, "", "Retry-After", "6").retry_after_ms, -1);
    close_desk(&d);
}

static void verdict_words_stand_in_the_same_order_in_files_and_in_c(void **state)
{
    (void)state;
    for (int v = 0; v < VERDICT_COUNT; v++) {
        char text[400];
        snprintf(text, sizeof text,
                 "name: x\nchannels: [sms]\nbase_url: https://x\npath: /\nverdicts:\n"
                 "- {status: \"299\", verdict: accepted}\n- {status: \"418\", verdict: %s}\n",
                 verdict_text((enum verdict)v));
        struct desk d;
        open_text(&d, text, &key_account);
        assert_non_null(d.adapter);
        assert_int_equal(judge(&d, 418, "", NULL, NULL).verdict, v);
        close_desk(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twilio_is_asked_as_its_documentation_says),
        cmocka_unit_test(an_option_of_the_account_appears_where_it_is_given),
        cmocka_unit_test(sendgrid_is_asked_as_its_documentation_says),
        cmocka_unit_test(what_is_empty_is_left_out_with_its_containers),
        cmocka_unit_test(the_webhook_carries_media_and_the_idempotency_key),
        cmocka_unit_test(a_line_break_never_reaches_a_header_or_subject),
        cmocka_unit_test(a_request_that_does_not_fit_is_refused_at_every_size),
        cmocka_unit_test(filters_change_what_is_written),
        cmocka_unit_test(a_number_in_json_is_a_number),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(more_than_there_is_room_for_is_told),
        cmocka_unit_test(a_credential_cannot_break_a_header),
        cmocka_unit_test(twilios_codes_decide_before_its_statuses),
        cmocka_unit_test(sendgrids_id_is_a_header_and_its_errors_may_be_html),
        cmocka_unit_test(ids_are_kept_as_text_however_large),
        cmocka_unit_test(an_engine_rule_stands_between_exact_statuses_and_ranges),
        cmocka_unit_test(a_wait_may_be_seconds_a_date_or_a_time),
        cmocka_unit_test(another_header_goes_before_retry_after),
        cmocka_unit_test(verdict_words_stand_in_the_same_order_in_files_and_in_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
