/* Where the fields of an Event lie and how large they may be, by the comments in
 * event.proto: for the hot path's reader, and for the check of what came another way. */
#pragma once

#include "domain/pb_plain.h"
#include "domain/pbjson.h"

extern const struct pb_shape event_shape;
extern const struct pb_limit event_limits[];
extern const uint32_t event_limit_count;
