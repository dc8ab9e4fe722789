#include "faults.h"

#include <stdlib.h>

/* The share of an action in `all`. A provider that throttles closes the whole route for a
 * second or more, so that comes more rarely; connections are far fewer than requests, so
 * refusing them comes more often. */
static double weight_of(int action)
{
    switch ((enum sim_action)action) {
    case SIM_OK:
    case SIM_NOT_FOUND:
    case SIM_REJECT:
    case SIM_ACTION_COUNT:
        return 0;
    case SIM_THROTTLE:
    case SIM_THROTTLE_AFTER:
    case SIM_UNAVAILABLE:
        return 0.025;
    case SIM_REFUSE:
    case SIM_DELAY:
    case SIM_ERROR:
    case SIM_RESET:
    case SIM_FIN:
    case SIM_SILENCE:
    case SIM_TRUNCATE:
    case SIM_REUSE:
        break;
    }
    return 1;
}

static void set_all(struct faults *f, double rate)
{
    double sum = 0;
    for (int i = 0; i < SIM_ACTION_COUNT; i++)
        sum += i == SIM_REFUSE ? 0 : weight_of(i);
    for (int i = 0; i < SIM_ACTION_COUNT; i++)
        f->rate[i] = rate * weight_of(i) / sum;
    f->rate[SIM_REFUSE] = rate; /* of connections, not of requests */
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
    bool found = bytes_equal(name, BYTES("all"));
    if (found)
        set_all(f, rate);
    for (int i = SIM_OK + 1; i < SIM_NOT_FOUND; i++) {
        if (bytes_equal(name, bytes_of(sim_action_text((uint8_t)i)))) {
            f->rate[i] = rate;
            found = true;
        }
    }
    f->any = f->any || (found && rate > 0);
    return found;
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
