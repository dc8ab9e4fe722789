/* An adapter file of any bytes compiles or is refused; what it renders has no control byte in
 * a header, and a JSON body is JSON. */
#include "adapters.h"
#include "domain/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct http_request *r)
{
    bool json_body = false;
    for (uint32_t i = 0; i < r->header_count; i++) {
        struct bytes v = r->headers[i].value;
        json_body = json_body || bytes_equal(v, BYTES("application/json"));
        for (size_t k = 0; k < v.size; k++)
            if ((unsigned char)v.at[k] < 0x20 && v.at[k] != '\t')
                abort();
    }
    if (r->path.size == 0 || r->path.at[0] != '/')
        abort();
    for (size_t k = 0; k < r->path.size; k++)
        if ((unsigned char)r->path.at[k] <= 0x20)
            abort();
    struct json_value value;
    if (json_body && r->body.size > 0 && r->body.at[0] == '{' &&
        json_find(r->body, BYTES(""), &value) == ERR_INVALID)
        abort();
}

static void render(const struct adapter *adapter, size_t memory_size)
{
    char *memory = malloc(memory_size + 1);
    struct arena arena = arena_of(memory, memory_size);
    struct adapter_values values = {.now_ms = 1, .expires_ms = 90000, .media_count = 2};
    for (uint32_t i = 0; i < VALUE_COUNT; i++)
        values.at[i] = i % 3 == 0 ? BYTES("") : BYTES("+1 \"\\\xc3\xa9\xff/&=");
    values.at[VALUE_TEXT] = BYTES("a\r\nb\x01");
    values.media[0] = values.media[1] = BYTES("https://m/\"\n");
    struct http_request request;
    const char *field;
    if (adapter_render(adapter, &values, &arena, &request, &field) == ERR_OK)
        check_request(&request);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct adapter_credential credentials[] = {
        {"account_sid", "AC"}, {"auth_token", "t"}, {"api_key", "k/\"&"}, {"token", "x y"}};
    const struct adapter_account account = {NULL, credentials, countof(credentials)};
    struct findings findings = {0};
    struct adapter *adapter = adapter_read((const char *)data, size, "fuzz", &account, &findings);
    if ((adapter == NULL) != (findings.errors > 0))
        abort();
    if (adapter) {
        render(adapter, 16384);
        render(adapter, size % 512);
    }
    adapter_free(adapter);
    findings_free(&findings);
    return 0;
}
