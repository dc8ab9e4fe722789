/* An answer of any bytes gets a verdict; code and id are texts without control bytes. The
 * first byte chooses the adapter, the next two the status, a line the headers' value. */
#include "adapters.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
    "name: t\nchannels: [sms]\nbase_url: https://x\npath: /\nid: /sid\ncode: /code\nverdicts:\n"
    "- {codes: [\"21211\", \"*\"], status: 400-499, verdict: bad_recipient}\n"
    "- {status: 200-299, verdict: accepted}\n",
    "name: s\nchannels: [sms]\nbase_url: https://x\npath: /\nid: header:X-Id\n"
    "code: header:X-Code\nverdicts:\n- {codes: [\"7\"], verdict: blocked}\n"
    "- {status: \"202\", verdict: accepted}\n- {status: 400-599, verdict: temporary}\n",
    "name: w\nchannels: [sms]\nbase_url: https://x\npath: /\nid: /messages/0/id\n"
    "code: /errors/0/code\nretry_after: header:X-Reset\nverdicts:\n"
    "- {codes: [a], verdict: opted_out}\n- {status: 200-399, verdict: accepted}\n",
};

static void check_text(const char *text, size_t max)
{
    struct bytes all = {text, strlen(text)};
    if (all.size > max || utf8_valid_size(all) != all.size)
        abort();
    for (size_t i = 0; i < all.size; i++)
        if ((unsigned char)text[i] < 0x20 && text[i] != '\t')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct adapter *adapters[countof(files)];
    if (size < 4)
        return 0;
    size_t which = data[0] % countof(files);
    if (!adapters[which]) {
        struct findings findings = {0};
        adapters[which] = adapter_read(files[which], strlen(files[which]), "f",
                                       &(struct adapter_account){0}, &findings);
        CHECK(adapters[which] != NULL);
    }
    const char *text = (const char *)data + 4, *line = memchr(text, '\n', size - 4);
    size_t head = line ? (size_t)(line - text) : 0, skip = line ? head + 1 : 0;
    struct http_response response = {.status = (uint16_t)(100 + (data[1] * 256 + data[2]) % 500),
                                     .body_cut = data[3] & 1,
                                     .body = {text + skip, size - 4 - skip},
                                     .header_count = 4,
                                     .headers = {{BYTES("x-id"), {text, head}},
                                                 {BYTES("x-code"), {text, head}},
                                                 {BYTES("Retry-After"), {text, head}},
                                                 {BYTES("X-Reset"), {text, head}}}};
    struct adapter_answer answer;
    adapter_verdict(adapters[which], &response, 1700000000000, &answer);
    check_text(answer.code, ADAPTER_CODE_MAX);
    check_text(answer.id, ADAPTER_ID_MAX);
    if (answer.verdict >= VERDICT_COUNT || answer.retry_after_ms < -1 ||
        answer.retry_after_ms > 86400000)
        abort();
    return 0;
}
