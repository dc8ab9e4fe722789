#include "faults.h"

#include <stdlib.h>

static bool is_fault(int action)
{
    return action != SIM_OK && action != SIM_NOT_FOUND && action != SIM_REJECT;
}

bool faults_set(struct faults *f, const char *value)
{
    const char *equals = strchr(value, '=');
    if (!equals)
        return false;
    char *end = NULL;
    double rate = strtod(equals + 1, &end);
    if (end == equals + 1 || *end != '\0' || rate < 0 || rate > 1)
        return false;
    struct bytes name = {value, (size_t)(equals - value)};
    bool all = bytes_equal(name, BYTES("all"));
    int kinds = 0, found = 0;
    for (int i = 0; i < SIM_ACTION_COUNT; i++)
        kinds += is_fault(i);
    for (int i = 0; i < SIM_ACTION_COUNT; i++) {
        bool named = bytes_equal(name, bytes_of(sim_action_text((uint8_t)i)));
        if (all ? !is_fault(i) : !named || i == SIM_OK || i == SIM_NOT_FOUND)
            continue;
        f->rate[i] = all ? rate / kinds : rate;
        found++;
    }
    f->any = f->any || (found > 0 && rate > 0);
    return found > 0;
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

enum sim_action faults_draw(const struct faults *f, const char *token, uint8_t channel,
                            uint16_t attempt, uint64_t *dice)
{
    uint64_t salt = f->seed * 1000003 + ((uint64_t)channel << 16) + attempt;
    uint64_t bits = hash64(token, strlen(token), salt);
    *dice = hash64(&bits, sizeof bits, 1);
    double at = unit(bits);
    for (int i = 0; i < SIM_ACTION_COUNT; i++) {
        if (i == SIM_REFUSE)
            continue;
        if (at < f->rate[i])
            return (enum sim_action)i;
        at -= f->rate[i];
    }
    return SIM_OK;
}

bool faults_refuse(const struct faults *f, uint64_t connection)
{
    return unit(hash64(&connection, sizeof connection, f->seed ^ 77)) < f->rate[SIM_REFUSE];
}
