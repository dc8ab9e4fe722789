/* A tenant's settings in compiled form: what the judge and the render stage ask, ready
 * to be read without a search. One block of memory, never changed once it is made;
 * counted by its holders, who are of one thread. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "carillon/v1/tenant.pb-c.h"
#include "domain/kinds.h"

enum {
    TENANT_DEVICES_MAX = 14,
    TENANT_SEGMENTS_DEFAULT = 10,
    TENANT_CAP_COUNT_MAX = 1000,
    TENANT_CAP_PERIOD_MAX_S = 31 * 24 * 3600,
    KIND_COUNT = CARILLON__V1__KIND__KIND_ONE_TIME_CODE + 1,
    CLASS_COUNT = CARILLON__V1__CLASS__CLASS_ALERT + 1,
};

struct hours_window;   /* domain/hours.h */
struct named_template; /* domain/template.h */

struct tenant_device {
    struct bytes token, platform;
    bool may_message; /* its role is owner, full_access or one of messaging_roles */
};

struct tenant_cap { /* C9 */
    Carillon__V1__Class class;
    uint32_t count; /* never 0 */
    int64_t period_ms;
};

struct tenant_sender {
    Carillon__V1__Channel channel;
    struct bytes from, name, reply_to;
};

struct tenant_windows {
    const struct hours_window *at;
    uint32_t count;
};

struct tenant {
    uint32_t holders;
    const Carillon__V1__Tenant *settings; /* as given; NULL in tenant_none */
    uint64_t version;
    struct bytes id;
    bool verified;
    struct bytes zone;  /* size 0 where none is given */
    bool location_zone; /* zone_mode = location: what the customer chose at booking is not asked */
    struct bytes locale;
    uint32_t custom_channels;         /* where custom_content lets the tenant's texts through */
    uint8_t channels_off[KIND_COUNT]; /* switched off, by kind */
    struct tenant_windows quiet[CLASS_COUNT]; /* the defaults included */
    const struct named_template *templates;
    uint32_t template_count;
    bool do_not_disturb;
    struct bytes do_not_disturb_text;
    struct bytes owner_email;                         /* lower-cased */
    struct tenant_device devices[TENANT_DEVICES_MAX]; /* without empty tokens and repetitions */
    uint32_t device_count;
    const struct bytes *messaging_roles;
    uint32_t messaging_role_count;
    Carillon__V1__FeedbackAlerts__Mode alerts; /* never unspecified */
    const struct bytes *alert_locations;       /* none: every location */
    uint32_t alert_location_count;
    const struct tenant_cap *caps;
    uint32_t cap_count;
    uint32_t max_segments;
    const struct tenant_sender *senders;
    uint32_t sender_count;
};

/* What holds where a tenant has no settings. Not to be retained or released. */
extern const struct tenant tenant_none;

/* One holder. Never refuses a message for its contents (what is wrong counts as absent:
 * tenant_check says so to whoever writes it). NULL where memory is short. */
struct tenant *tenant_compile(const Carillon__V1__Tenant *settings);
/* From protobuf bytes. ERR_INVALID: they are none. */
MUST_USE enum err tenant_decode(struct bytes wire, struct tenant **out);
void tenant_retain(struct tenant *tenant);
void tenant_release(struct tenant *tenant);

/* The channels of the kind's audience that are switched on (G11). */
uint32_t tenant_channels(const struct tenant *tenant, const struct kind_row *kind);
/* Whether a role may message customers (G7, C5). */
bool tenant_role_may_message(const struct tenant *tenant, struct bytes role);
/* NULL: the tenant has none for the channel. */
const struct tenant_sender *tenant_sender_of(const struct tenant *tenant,
                                             Carillon__V1__Channel channel);

/* What `tenants put` and `check` find: `refuse` for what is wrong, else a warning. `path`
 * as in "quiet_hours[1].start"; both texts live until `found` returns. */
struct tenant_finder {
    void (*found)(struct tenant_finder *self, bool refuse, const char *path, const char *what);
};
struct zones;
/* `zones` may be NULL: then zone names are not looked up. Returns whether nothing was refused. */
bool tenant_check(const Carillon__V1__Tenant *settings, struct zones *zones,
                  struct tenant_finder *finder);
