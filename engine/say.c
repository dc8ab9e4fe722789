#include "say.h"

#include "domain/why.h"

const char *say_reason(const char *code)
{
    for (int i = 1; code && *code && i < REASON_COUNT; i++)
        if (strcmp(code, reason_code((enum reason)i)) == 0)
            return why_reason((enum reason)i);
    return NULL;
}

void say_zone(struct writer *w, struct bytes zone, Carillon__V1__ZoneSource source)
{
    write_literal(w, ". Its zone is ");
    write_slice(w, zone);
    write_format(w, " (%s)", why_zone(source));
}

void say_form(struct writer *w, const char *template, uint32_t segments,
              Carillon__V1__Encoding encoding)
{
    write_format(w, ". The text: %s", template);
    if (segments > 0)
        write_format(w, ", %u segment%s %s", segments, segments == 1 ? "" : "s",
                     why_encoding(encoding));
}

void say_refusal(struct writer *w, const char *code, const char *detail, uint32_t gate)
{
    const char *sentence = say_reason(code);
    write_text(w, sentence ? sentence : code);
    if (detail && *detail)
        write_format(w, ", %s", detail);
    if (gate < judge_gate_count)
        write_format(w, ". Gate %s (\"%s\") says %s", judge_gates[gate], why_gate(gate), code);
}
