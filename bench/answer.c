#include "answer.h"

static bool is_twilio(const struct sim_record *record)
{
    return strncmp(record->route, "twilio", 6) == 0;
}

static bool is_sendgrid(const struct sim_record *record)
{
    return strncmp(record->route, "sendgrid", 8) == 0;
}

uint16_t answer_status(const struct sim_record *record, uint64_t dice)
{
    static const uint16_t errors[] = {500, 502, 503, 504};
    switch ((enum sim_action)record->action) {
    case SIM_OK:
    case SIM_DELAY:
    case SIM_TRUNCATE:
        return is_twilio(record) ? 201 : is_sendgrid(record) ? 202 : 200;
    case SIM_THROTTLE:
    case SIM_THROTTLE_AFTER:
        return 429;
    case SIM_ERROR:
        return errors[dice % countof(errors)];
    case SIM_UNAVAILABLE:
        return 503;
    case SIM_REJECT:
        return 400;
    case SIM_NOT_FOUND:
        return 404;
    case SIM_RESET:
    case SIM_FIN:
    case SIM_SILENCE:
    case SIM_REUSE:
    case SIM_REFUSE:
    case SIM_ACTION_COUNT:
        break;
    }
    return 0;
}

static const char *status_text(uint16_t status)
{
    switch (status) {
    case 200:
        return "200 OK";
    case 201:
        return "201 Created";
    case 202:
        return "202 Accepted";
    case 400:
        return "400 Bad Request";
    case 404:
        return "404 Not Found";
    case 429:
        return "429 Too Many Requests";
    case 500:
        return "500 Internal Server Error";
    case 502:
        return "502 Bad Gateway";
    case 503:
        return "503 Service Unavailable";
    default:
        return "504 Gateway Timeout";
    }
}

/* Twilio's resource, 251 bytes as in the measured prototype. */
static void write_message_body(struct writer *w, uint64_t id, uint64_t more)
{
    uint64_t ids[2] = {id, more};
    write_literal(w, "{\"sid\":\"SM");
    write_hex(w, ids, sizeof ids);
    write_literal(w, "\",\"status\":\"queued\",\"num_segments\":\"1\",\"error_code\":null,"
                     "\"error_message\":null,\"messaging_service_sid\":null,"
                     "\"direction\":\"outbound-api\",\"price\":null,\"price_unit\":\"EUR\","
                     "\"api_version\":\"2010-04-01\",\"num_media\":\"0\"}");
}

static void write_body(struct writer *w, const struct sim_record *record)
{
    uint64_t id = hash64(record->token, sizeof record->token, record->seq);
    bool fine = record->status < 300;
    if (fine && is_twilio(record))
        write_message_body(w, id, record->seq);
    else if (fine && is_sendgrid(record))
        return;
    else if (fine)
        write_format(w, "{\"id\":\"%016llx\"}", (unsigned long long)id);
    else if (is_twilio(record))
        write_format(w,
                     "{\"code\":%d,\"message\":\"simulated\",\"more_info\":"
                     "\"https://www.twilio.com/docs/errors\",\"status\":%u}",
                     record->status == 400   ? 21211
                     : record->status == 429 ? 20429
                                             : 20500,
                     record->status);
    else
        write_literal(w, "{\"errors\":[{\"message\":\"simulated\",\"field\":null,"
                         "\"help\":null}]}");
}

void answer_write(struct writer *w, const struct sim_record *record, bool close)
{
    char memory[512];
    struct writer body = writer_of(memory, sizeof memory);
    write_body(&body, record);
    write_literal(w, "HTTP/1.1 ");
    write_text(w, status_text(record->status));
    write_literal(w, "\r\nDate: Thu, 05 Nov 2026 10:00:00 GMT\r\n"
                     "Content-Type: application/json;charset=utf-8\r\n"
                     "Content-Length: ");
    write_u64(w, body.size);
    if (is_sendgrid(record) && record->status < 300)
        write_format(w, "\r\nX-Message-Id: sg%016llx",
                     (unsigned long long)hash64(record->token, sizeof record->token, record->seq));
    if (record->action == SIM_THROTTLE_AFTER || record->action == SIM_UNAVAILABLE)
        write_literal(w, "\r\nRetry-After: 1");
    write_literal(w, "\r\nX-Shenanigans: none\r\nStrict-Transport-Security: max-age=31536000");
    if (close)
        write_literal(w, "\r\nConnection: close\r\n\r\n");
    else
        write_literal(w, "\r\nConnection: keep-alive\r\n\r\n");
    write_slice(w, writer_bytes(&body));
}
