/* The rules (gates, channels, zones, quiet hours, texts) as one pure function over
 * (event, tenant settings, state, clock). The worker and `explain` run this very code.
 *
 * The worker judges in two scopes, because state lies in Redis: JUDGE_PLAN before (all
 * that needs no recipient or booking state: legs, zones, times, texts, segments), and
 * JUDGE_STATE at admission, on the same case, with the state filled in. `explain` has
 * all at hand and judges JUDGE_ALL, which keeps to the order of reasons of the rules.
 *
 * Everything a case points to lives in its arena or in what the caller owns; nothing
 * is allocated elsewhere, and no clock is read. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "carillon/v1/event.pb-c.h"
#include "carillon/v1/outcome.pb-c.h"
#include "carillon/v1/state.pb-c.h"
#include "domain/kinds.h"
#include "domain/template.h"
#include "domain/tenant.h"
#include "domain/zones.h"

struct default_texts;

enum { LEGS_MAX = 16 };

enum decision {
    DECISION_SEND,
    DECISION_DEFER, /* due later, or moved by quiet hours or legal hours: not_before_ms */
    DECISION_SUPPRESSED,
    DECISION_EXPIRED,
    DECISION_CANCELLED,
    DECISION_DUPLICATE,
    DECISION_DEAD,
    DECISION_COUNT
};

/* One channel and address of an event. A refusal of the event as a whole is one leg
 * with channel CHANNEL_UNSPECIFIED. */
struct leg {
    Carillon__V1__Channel channel;
    struct bytes address; /* in normal form: E.164; e-mail lower-cased; token */
    enum decision decision;
    enum reason reason;
    const char *detail; /* NULL, static, or in the case's arena */
    bool by_state;      /* refused by JUDGE_STATE, which asks it anew the next time */

    struct bytes zone; /* set when the leg reached section 7 of the rules */
    Carillon__V1__ZoneSource zone_source;
    int64_t effective_due_ms; /* due_at after quiet hours; from due_at, not from the clock */
    int64_t not_before_ms;    /* earliest permitted instant as seen from now */
    int32_t utc_offset_s;     /* of the zone at not_before_ms, for local_time */
    bool local_time_known;    /* false where guessed zones differ */
    bool moved;               /* a window or the legal table moved it */
    bool released;            /* it waits for a window's end: smeared, unless urgent (Q10) */

    struct bytes subject, text, html; /* filled; size 0 where absent */
    enum template_source template_source;
    uint32_t segments; /* 1 for e-mail and push */
    Carillon__V1__Encoding encoding;
    uint32_t refused_by; /* index into judge_gates, or JUDGE_GATE_NONE */
};

/* The order of reasons. */
enum judge_gate {
    /* clang-format off */
    JUDGE_G1, JUDGE_G2, JUDGE_G3, JUDGE_G4, JUDGE_G5, JUDGE_G6,
    JUDGE_G7, JUDGE_G8, JUDGE_G9, JUDGE_G10, JUDGE_G11, JUDGE_G12,
    JUDGE_C1, JUDGE_C2, JUDGE_C3, JUDGE_C4, JUDGE_C5,
    JUDGE_C6, JUDGE_C7, JUDGE_C8, JUDGE_C9, JUDGE_C10,
    JUDGE_T4, JUDGE_Q3, JUDGE_O3, JUDGE_O2, JUDGE_O1,
    JUDGE_GATE_COUNT,
    /* clang-format on */
};
#define JUDGE_GATE_NONE UINT32_MAX

/* Their ids, "G1" ... "O1". */
extern const char *const judge_gates[];
extern const uint32_t judge_gate_count;
/* Whether gate `index` concerns the kind (those that do not are not listed). NULL, an
 * unknown kind, concerns G1 alone. */
bool judge_gate_concerns(uint32_t index, const struct kind_row *kind);

/* Settings that the whole process shares; filled from the config. */
struct judge {
    struct zones *zones;
    struct default_texts *texts;
    const char *platform_zone; /* "UTC" */
    /* Q8: in the worker no leg starts so shortly before its hours close (a call's deadline
     * and the age that a state read may have); does not show in `explain` (JUDGE_ALL). */
    int64_t start_margin_ms;
    int64_t dedup_window_ms;                /* 72 h */
    bool sms_carries_media;                 /* the route's adapter has a media field */
    const struct named_template *templates; /* the config's; NULL where none */
    uint32_t template_count;
};

enum judge_scope { JUDGE_PLAN, JUDGE_STATE, JUDGE_ALL };

/* The documents that speak about one event; NULL: none. `tenant` ones are the tenant's
 * own, `platform` those of tenant `*`. */
struct judge_state {
    const Carillon__V1__RecipientState *sms, *email, *customer;
    const Carillon__V1__RecipientState *platform_sms, *platform_email, *platform_customer;
    const Carillon__V1__BookingState *booking;
};

struct judge_case {
    /* in */
    const Carillon__V1__Event *event;
    const char *undecoded;       /* the path that decoding stumbled over (G1); NULL: it did not */
    const struct tenant *tenant; /* never NULL: tenant_none where there are no settings */
    struct judge_state state;    /* read by JUDGE_STATE and JUDGE_ALL */
    int64_t record_ms;           /* the record's timestamp: default of created_at */
    int64_t now_ms;
    struct arena *arena; /* for texts and normal forms */

    /* out */
    const struct kind_row *kind; /* NULL where the kind is unknown */
    int64_t due_ms, created_ms, expires_ms;
    uint32_t leg_count; /* of `legs` */
    bool refused;       /* as a whole: legs[0] says why */
    /* C3 is open: the legs are candidates of which JUDGE_STATE keeps exactly one. */
    bool pick_one;
    /* A text did not fit the arena: its leg is dead for that alone, and should be judged
     * again with a larger one. */
    bool arena_full;

    /* of JUDGE_PLAN, for all legs (Q1) */
    struct bytes zone;
    Carillon__V1__ZoneSource zone_source;
    const struct zone *zone_alone; /* NULL: guessed_zones must all be open */
    struct zone_set guessed_zones;

    struct leg legs[LEGS_MAX]; /* last: most have one or two, and the others stay untouched */
};

/* Judges; idempotent for the same scope. JUDGE_STATE needs a case that JUDGE_PLAN did
 * not refuse; it may refuse legs or the event, settles pick_one, and sees to it that
 * the hours are open by now_ms. Where it refuses the event, every leg tells why. */
void judge(const struct judge *rules, enum judge_scope scope, struct judge_case *c);

/* Makes a gate that is asked outside (C9, O2, O1) refuse a leg. */
void judge_refuse(struct leg *leg, enum judge_gate gate, enum decision decision, enum reason reason,
                  const char *detail);

/* Whose documents speak about an event, each in normal form; size 0: nobody's. */
struct judge_subjects {
    struct bytes sms, email, customer, booking;
};
void judge_subjects(const Carillon__V1__Event *event, const struct tenant *tenant,
                    struct arena *arena, struct judge_subjects *out);

/* Every (channel, address in normal form) that the event could go to under any
 * settings: what a refusal asks claims for. Returns how many (at most LEGS_MAX); only
 * channel and address are filled. Business audiences: owner and devices of `tenant`. */
uint32_t judge_possible_legs(const Carillon__V1__Event *event, const struct tenant *tenant,
                             struct arena *arena, struct leg out[LEGS_MAX]);

/* The legs that C1 to C3 give, whatever else refuses the event (of C3's candidates all);
 * only channel and address are filled. `event` is of a known kind. */
uint32_t judge_legs_now(const Carillon__V1__Event *event, const struct tenant *tenant,
                        struct arena *arena, struct leg out[LEGS_MAX]);
