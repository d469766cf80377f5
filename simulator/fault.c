/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/fault.h"

#include <math.h>

static const char *const NAMES[FAULT_KIND_COUNT] = {
    "",
    "imbalance",
    "misalignment",
    "loose_mounting",
    "bearing_wear",
    "blocked_cooling",
    "stuck_sensor",
    "drifting_sensor",
    "dead_sensor",
    "dead_slave",
};

static const char *const UNITS[FAULT_KIND_COUNT] = { "", "mm/s", "mm/s", "mm/s", "g", "%" };

const char *fault_name(enum fault_kind kind)
{
    return kind > FAULT_NONE && kind < FAULT_KIND_COUNT ? NAMES[kind] : "";
}

const char *fault_unit(enum fault_kind kind)
{
    const char *unit = kind > FAULT_NONE && kind < FAULT_KIND_COUNT ? UNITS[kind] : "";
    return unit ? unit : "";
}

bool fault_active(const struct fault *fault, int64_t clock_us)
{
    return clock_us >= fault->at_us && (fault->until_us == 0 || clock_us < fault->until_us);
}

double fault_severity(const struct fault *fault, int64_t clock_us)
{
    if (!fault_active(fault, clock_us))
        return 0.0;
    int64_t age_us = clock_us - fault->at_us;
    if (fault->law == FAULT_STEP || age_us >= fault->grow_us)
        return fault->size;
    double grown = (double)age_us / (double)fault->grow_us;
    if (fault->law == FAULT_EXPONENTIAL)
        grown = (pow(100.0, grown) - 1.0) / 99.0;
    return fault->size * grown;
}

static void add_vel(struct strain *strain, double x, double y, double z)
{
    strain->vel_mm_s[0] = hypot(strain->vel_mm_s[0], x);
    strain->vel_mm_s[1] = hypot(strain->vel_mm_s[1], y);
    strain->vel_mm_s[2] = hypot(strain->vel_mm_s[2], z);
}

static void bearing(double g, double speed, struct strain *strain)
{
    strain->acc_hf_g[0] += g * speed;
    strain->acc_hf_g[1] += 0.7 * g * speed;
    strain->acc_hf_g[2] += g * speed;
    strain->crest += 2.0 * g * speed;
    strain->kurtosis += 4.0 * g * speed;
    strain->heat_k += 8.0 * g * speed;
    strain->current_factor += 0.02 * g;
    add_vel(strain, 0.5 * g * speed, 0.5 * g * speed, 0.5 * g * speed);
}

void fault_strain(const struct fault *fault, double severity, double load, double speed,
                  double unsteady, struct strain *strain)
{
    double v = severity;
    switch (fault->kind) {
    case FAULT_IMBALANCE:
        v *= speed * speed; /* the force grows with the square of the speed */
        add_vel(strain, v, 0.2 * v, 0.8 * v);
        break;
    case FAULT_MISALIGNMENT:
        v *= speed * load;
        add_vel(strain, 0.6 * v, v, 0.5 * v);
        strain->second_mm_s = hypot(strain->second_mm_s, v);
        strain->heat_k += 2.0 * v;
        strain->current_factor += 0.015 * v;
        break;
    case FAULT_LOOSE_MOUNTING:
        v *= speed * (0.4 + 1.2 * unsteady);
        add_vel(strain, 0.4 * v, 0.2 * v, v);
        strain->crest += 0.3 * v;
        strain->kurtosis += 0.5 * v;
        break;
    case FAULT_BEARING_WEAR: bearing(severity, speed, strain); break;
    case FAULT_BLOCKED_COOLING: strain->hot_factor += severity / 100.0; break;
    case FAULT_NONE:
    case FAULT_STUCK_SENSOR:
    case FAULT_DRIFTING_SENSOR:
    case FAULT_DEAD_SENSOR:
    case FAULT_DEAD_SLAVE:
    case FAULT_KIND_COUNT: break;
    }
}

static bool between(enum quantity q, enum quantity first, enum quantity last)
{
    return q >= first && q <= last;
}

static bool is_vibration(enum quantity q)
{
    return between(q, QUANTITY_VEL_RMS_X, QUANTITY_ACC_PEAK_Z) ||
           between(q, QUANTITY_DISP_X, QUANTITY_DISP_Z);
}

static bool is_impact(enum quantity q)
{
    return between(q, QUANTITY_KURTOSIS_X, QUANTITY_CREST_Z);
}

bool fault_moves(enum fault_kind kind, enum quantity q)
{
    bool warmth = q == QUANTITY_TEMP;
    bool effort = q == QUANTITY_CURRENT || q == QUANTITY_POWER;
    switch (kind) {
    case FAULT_IMBALANCE: return is_vibration(q);
    case FAULT_MISALIGNMENT:
        return is_vibration(q) || warmth || effort || between(q, QUANTITY_FREQ_X, QUANTITY_FREQ_Z);
    case FAULT_LOOSE_MOUNTING: return is_vibration(q) || is_impact(q);
    case FAULT_BEARING_WEAR:
        return is_vibration(q) || is_impact(q) || warmth || effort ||
               between(q, QUANTITY_ACC_HF_RMS_X, QUANTITY_ACC_HF_RMS_Z);
    case FAULT_BLOCKED_COOLING: return warmth || q == QUANTITY_WINDING_TEMP;
    case FAULT_STUCK_SENSOR:
    case FAULT_DRIFTING_SENSOR:
    case FAULT_DEAD_SENSOR:
    case FAULT_DEAD_SLAVE: return true; /* of its slave; the caller knows which are meant */
    case FAULT_NONE:
    case FAULT_KIND_COUNT: break;
    }
    return false;
}
