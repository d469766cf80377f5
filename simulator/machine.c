/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/machine.h"

#include "simulator/draw.h"

#include <assert.h>
#include <math.h>

#define TWO_PI          6.283185307179586
#define MM_S2_PER_G     9806.65
#define SECOND_US       1000000
#define MINUTE_US       (60 * (int64_t)SECOND_US)
#define VEL_FLOOR_MM_S  0.05
#define ACC_FLOOR_G     0.003
#define HF_FLOOR_G      0.002
#define TURNING         0.02     /* of rated speed; below it the shaft counts as stopped */
#define KW_PER_A        0.588897 /* sqrt(3) * 400 V * 0.85 / 1000 */
#define VEL_CREST       1.8
#define ACC_CREST       3.2
#define NORMAL_KURTOSIS 3.0

/* Streams of randomness, so that no two uses share a number. */
enum { STREAM_LOAD = 1, STREAM_TIME, STREAM_WANDER };

static const char *const KINDS[MACHINE_KIND_COUNT] = { "",    "pump",     "motor",
                                                       "fan", "conveyor", "compressor" };

const char *machine_kind_name(enum machine_kind kind)
{
    return kind > MACHINE_NONE && kind < MACHINE_KIND_COUNT ? KINDS[kind] : "";
}

/* Of the size found on the machines of a small hall, 5 to 20 kW; zone A or B of ISO 10816-3. */
static const struct machine_plan TYPICAL[MACHINE_KIND_COUNT] = {
    [MACHINE_PUMP] = { .speed_rpm = 2940,
                       .slip_pct = 2,
                       .current_a = 14,
                       .idle_pct = 35,
                       .vel_x_mm_s = 1.4,
                       .vel_y_mm_s = 0.7,
                       .vel_z_mm_s = 1.1,
                       .temp_rise_k = 28,
                       .winding_rise_k = 55,
                       .pressure_bar = 4,
                       .flow_m3_h = 40 },
    [MACHINE_MOTOR] = { .speed_rpm = 1470,
                        .slip_pct = 2,
                        .current_a = 22,
                        .idle_pct = 40,
                        .vel_x_mm_s = 1.0,
                        .vel_y_mm_s = 0.5,
                        .vel_z_mm_s = 0.9,
                        .temp_rise_k = 32,
                        .winding_rise_k = 65 },
    [MACHINE_FAN] = { .speed_rpm = 980,
                      .slip_pct = 2,
                      .current_a = 11,
                      .idle_pct = 30,
                      .vel_x_mm_s = 1.8,
                      .vel_y_mm_s = 0.9,
                      .vel_z_mm_s = 1.3,
                      .temp_rise_k = 18,
                      .winding_rise_k = 45,
                      .pressure_bar = 0.02,
                      .flow_m3_h = 9000 },
    [MACHINE_CONVEYOR] = { .speed_rpm = 1440,
                           .slip_pct = 4,
                           .current_a = 6,
                           .idle_pct = 45,
                           .vel_x_mm_s = 0.9,
                           .vel_y_mm_s = 0.6,
                           .vel_z_mm_s = 1.2,
                           .temp_rise_k = 20,
                           .winding_rise_k = 40 },
    [MACHINE_COMPRESSOR] = { .speed_rpm = 2950,
                             .slip_pct = 2,
                             .current_a = 32,
                             .idle_pct = 45,
                             .vel_x_mm_s = 2.2,
                             .vel_y_mm_s = 1.1,
                             .vel_z_mm_s = 1.9,
                             .temp_rise_k = 42,
                             .winding_rise_k = 70,
                             .pressure_bar = 8,
                             .flow_m3_h = 180 },
};

void machine_defaults(struct machine_plan *ret_plan, enum machine_kind kind)
{
    assert(kind > MACHINE_NONE && kind < MACHINE_KIND_COUNT);
    *ret_plan = TYPICAL[kind];
    ret_plan->kind = kind;
    ret_plan->temp_inertia_us = 10 * MINUTE_US;
    ret_plan->winding_inertia_us = 5 * MINUTE_US;
    ret_plan->load_jitter_pct = 3;
    ret_plan->time_jitter_pct = 5;
    ret_plan->wander_pct = 1;
    ret_plan->wander_us = MINUTE_US / 3;
    ret_plan->steps[0] = (struct load_step){ 80, 100, 2 * MINUTE_US, 10 * SECOND_US };
    ret_plan->steps[1] = (struct load_step){ 50, 100, 1 * MINUTE_US, 10 * SECOND_US };
    ret_plan->n_steps = 2;
}

static double heat(double load, double speed)
{
    return speed * (0.25 + 0.75 * load * load);
}

static double average_heat(const struct machine_plan *plan)
{
    double sum = 0, hold = 0;
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        const struct load_step *s = &plan->steps[i];
        sum += heat(s->load_pct / 100, s->speed_pct / 100) * (double)s->hold_us;
        hold += (double)s->hold_us;
    }
    return sum / hold;
}

/* The n_steps-th step with its own load and length. */
static void enter_step(struct machine *m)
{
    const struct machine_plan *plan = m->plan;
    const struct load_step *s = &plan->steps[m->n_steps % plan->n_steps];
    double off = 2 * draw_uniform(m->seed, STREAM_LOAD, m->n_steps) - 1;
    double stretch = 2 * draw_uniform(m->seed, STREAM_TIME, m->n_steps) - 1;

    m->from_load = m->to_load;
    m->from_speed = m->to_speed;
    m->to_speed = s->speed_pct / 100;
    m->to_load = s->load_pct > 0 ? (s->load_pct + off * plan->load_jitter_pct) / 100 : 0;
    m->step_hold_us = (int64_t)((double)s->hold_us * (1 + stretch * plan->time_jitter_pct / 100));
    m->n_steps++;
}

static double keep(int64_t tick_us, int64_t inertia_us)
{
    return inertia_us > 0 ? exp(-(double)tick_us / (double)inertia_us) : 0.0;
}

void machine_init(struct machine *m, const struct machine_plan *plan, uint64_t seed,
                  int64_t tick_us, double ambient_degc)
{
    assert(plan->n_steps > 0 && tick_us > 0);
    double warm = average_heat(plan);
    *m = (struct machine){
        .plan = plan,
        .seed = seed,
        .tick_us = tick_us,
        .ambient_degc = ambient_degc,
        .temp_degc = ambient_degc + warm * plan->temp_rise_k,
        .winding_degc = ambient_degc + warm * plan->winding_rise_k,
        .keep_temp = keep(tick_us, plan->temp_inertia_us),
        .keep_winding = keep(tick_us, plan->winding_inertia_us),
        .keep_wander = keep(tick_us, plan->wander_us),
    };
    enter_step(m);
    m->load = m->from_load = m->to_load;
    m->speed = m->from_speed = m->to_speed;
    m->wander = plan->wander_pct / 100 * draw_normal(seed, STREAM_WANDER, 0);
}

static void follow_programme(struct machine *m)
{
    m->step_age_us += m->tick_us;
    while (m->step_age_us >= m->step_hold_us) {
        m->step_age_us -= m->step_hold_us;
        enter_step(m);
    }
    const struct load_step *s = &m->plan->steps[(m->n_steps - 1) % m->plan->n_steps];
    double done = s->ramp_us > 0 && m->step_age_us < s->ramp_us
                      ? (double)m->step_age_us / (double)s->ramp_us
                      : 1.0;
    double fresh = sqrt(1 - m->keep_wander * m->keep_wander) * m->plan->wander_pct / 100;
    m->wander =
        m->keep_wander * m->wander + fresh * draw_normal(m->seed, STREAM_WANDER, m->n_ticks);
    m->speed = m->from_speed + done * (m->to_speed - m->from_speed);
    m->load = m->from_load + done * (m->to_load - m->from_load);
    if (m->load > 0)
        m->load = fmax(0, m->load + m->wander);
}

void machine_step(struct machine *m, double ambient_degc, const struct strain *strain)
{
    m->n_ticks++;
    follow_programme(m);
    m->strain = *strain;
    m->ambient_degc = ambient_degc;

    double hot = heat(m->load, m->speed) * (1 + strain->hot_factor);
    double housing = ambient_degc + hot * m->plan->temp_rise_k + strain->heat_k;
    double winding = ambient_degc + hot * m->plan->winding_rise_k;
    m->temp_degc = housing + m->keep_temp * (m->temp_degc - housing);
    m->winding_degc = winding + m->keep_winding * (m->winding_degc - winding);
}

static bool turning(const struct machine *m)
{
    return m->speed > TURNING;
}

static double rpm(const struct machine *m)
{
    return m->plan->speed_rpm * m->speed * (1 - m->plan->slip_pct / 100 * (m->load - 1));
}

static double healthy_vel(const struct machine *m, int axis)
{
    const double rated[3] = { m->plan->vel_x_mm_s, m->plan->vel_y_mm_s, m->plan->vel_z_mm_s };
    return rated[axis] * m->speed * m->speed * (0.5 + 0.5 * m->load);
}

static double vel(const struct machine *m, int axis)
{
    double strained = turning(m) ? m->strain.vel_mm_s[axis] : 0.0;
    return hypot(hypot(healthy_vel(m, axis), strained), VEL_FLOOR_MM_S);
}

static double acc(const struct machine *m, int axis)
{
    double omega = TWO_PI * 6 * m->plan->speed_rpm / 60;
    double from_vel = vel(m, axis) * omega / MM_S2_PER_G;
    return hypot(hypot(from_vel, 0.5 * m->strain.acc_hf_g[axis]), ACC_FLOOR_G);
}

static double acc_hf(const struct machine *m, int axis)
{
    double omega = TWO_PI * 6 * m->plan->speed_rpm / 60;
    return 0.3 * healthy_vel(m, axis) * omega / MM_S2_PER_G + m->strain.acc_hf_g[axis] + HF_FLOOR_G;
}

/* Of the strongest component: the shaft, or twice the shaft where the misalignment outgrew it. */
static double freq(const struct machine *m, int axis)
{
    if (!turning(m))
        return 0.0;
    double shaft = rpm(m) / 60;
    return m->strain.second_mm_s > healthy_vel(m, axis) ? 2 * shaft : shaft;
}

static double disp(const struct machine *m, int axis)
{
    double hz = freq(m, axis);
    return hz > 0 ? 2 * sqrt(2.0) * vel(m, axis) / (TWO_PI * hz) * 1000 : 0.0;
}

static double current(const struct machine *m)
{
    double idle = m->plan->idle_pct / 100;
    return m->plan->current_a * m->speed * (idle + (1 - idle) * m->load) *
           (1 + (turning(m) ? m->strain.current_factor : 0));
}

static double of_axes(const struct machine *m, enum quantity q)
{
    int axis = (int)(q - QUANTITY_VEL_RMS_X) % 3;
    double crest = ACC_CREST + m->strain.crest;
    switch ((int)(q - (enum quantity)axis)) {
    case QUANTITY_VEL_RMS_X: return vel(m, axis);
    case QUANTITY_VEL_PEAK_X: return VEL_CREST * vel(m, axis);
    case QUANTITY_ACC_RMS_X: return acc(m, axis);
    case QUANTITY_ACC_PEAK_X: return crest * acc(m, axis);
    case QUANTITY_ACC_HF_RMS_X: return acc_hf(m, axis);
    case QUANTITY_KURTOSIS_X: return NORMAL_KURTOSIS + m->strain.kurtosis;
    case QUANTITY_CREST_X: return crest;
    case QUANTITY_DISP_X: return disp(m, axis);
    case QUANTITY_FREQ_X: return freq(m, axis);
    case QUANTITY_ACC_X: return axis == 2 ? 1.0 : 0.0;
    default: return 0.0;
    }
}

static double flow(const struct machine *m)
{
    return m->plan->flow_m3_h * m->speed * m->load;
}

static double pressure(const struct machine *m)
{
    return m->plan->pressure_bar * m->speed * m->speed * (1.2 - 0.2 * m->load * m->load);
}

double machine_truth(const struct machine *m, enum quantity q)
{
    if (q >= QUANTITY_VEL_RMS_X && q < QUANTITY_COUNT)
        return of_axes(m, q);
    switch ((int)q) {
    case QUANTITY_RUNNING: return turning(m) ? 1.0 : 0.0;
    case QUANTITY_LOAD: return 100 * m->load;
    case QUANTITY_SPEED: return rpm(m);
    case QUANTITY_CURRENT: return current(m);
    case QUANTITY_POWER: return KW_PER_A * current(m);
    case QUANTITY_TEMP: return m->temp_degc;
    case QUANTITY_WINDING_TEMP: return m->winding_degc;
    case QUANTITY_AMBIENT: return m->ambient_degc;
    case QUANTITY_PRESSURE: return pressure(m);
    case QUANTITY_FLOW: return flow(m);
    default: return 0.0;
    }
}

bool machine_has(const struct machine_plan *plan, enum quantity q)
{
    if (q == QUANTITY_PRESSURE)
        return plan->pressure_bar > 0;
    if (q == QUANTITY_FLOW)
        return plan->flow_m3_h > 0;
    return q > QUANTITY_NONE && q < QUANTITY_COUNT;
}
