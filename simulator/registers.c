/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator/registers.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define MM_PER_INCH 25.4

/* One holding register of a sensor. */
#define CELL(name_, quantity_, address_, type_, scale_, offset_)                            \
    {                                                                                       \
        .name = name_, .quantity = QUANTITY_##quantity_, .table = TABLE_HOLDING,            \
        .address = (address_), .type = CELL_##type_, .scale = (scale_), .offset = (offset_) \
    }

/* Banner QM30VT2, alias block 45201 to 45222; only the temperatures are signed. Source: register
 * list of the open QM30VT2 driver of golioth/reference-design-modbus-vibration-monitor. */
static const struct cell QM30VT2[] = {
    CELL("vel_rms_z_ips", VEL_RMS_Z, 5200, UINT16, 0.0001 * MM_PER_INCH, 0),
    CELL("vel_rms_z", VEL_RMS_Z, 5201, UINT16, 0.001, 0),
    CELL("temp_f", TEMP, 5202, INT16, 0.01 / 1.8, -32 / 1.8),
    CELL("temp", TEMP, 5203, INT16, 0.01, 0),
    CELL("vel_rms_x_ips", VEL_RMS_X, 5204, UINT16, 0.0001 * MM_PER_INCH, 0),
    CELL("vel_rms_x", VEL_RMS_X, 5205, UINT16, 0.001, 0),
    CELL("acc_peak_z", ACC_PEAK_Z, 5206, UINT16, 0.001, 0),
    CELL("acc_peak_x", ACC_PEAK_X, 5207, UINT16, 0.001, 0),
    CELL("freq_z", FREQ_Z, 5208, UINT16, 0.1, 0),
    CELL("freq_x", FREQ_X, 5209, UINT16, 0.1, 0),
    CELL("acc_rms_z", ACC_RMS_Z, 5210, UINT16, 0.001, 0),
    CELL("acc_rms_x", ACC_RMS_X, 5211, UINT16, 0.001, 0),
    CELL("kurtosis_z", KURTOSIS_Z, 5212, UINT16, 0.001, 0),
    CELL("kurtosis_x", KURTOSIS_X, 5213, UINT16, 0.001, 0),
    CELL("crest_z", CREST_Z, 5214, UINT16, 0.001, 0),
    CELL("crest_x", CREST_X, 5215, UINT16, 0.001, 0),
    CELL("vel_peak_z_ips", VEL_PEAK_Z, 5216, UINT16, 0.0001 * MM_PER_INCH, 0),
    CELL("vel_peak_z", VEL_PEAK_Z, 5217, UINT16, 0.001, 0),
    CELL("vel_peak_x_ips", VEL_PEAK_X, 5218, UINT16, 0.0001 * MM_PER_INCH, 0),
    CELL("vel_peak_x", VEL_PEAK_X, 5219, UINT16, 0.001, 0),
    CELL("acc_hf_rms_z", ACC_HF_RMS_Z, 5220, UINT16, 0.001, 0),
    CELL("acc_hf_rms_x", ACC_HF_RMS_X, 5221, UINT16, 0.001, 0),
};

/* WitMotion WTVB01-485, registers 0x34 to 0x46. Source: its user manual; velocity in 1/100 mm/s as
 * in manual 10.4.6 and its drivers (edition v25-05-06 says whole mm/s). */
static const struct cell WTVB01[] = {
    CELL("acc_x", ACC_X, 52, INT16, 16.0 / 32768, 0),
    CELL("acc_y", ACC_Y, 53, INT16, 16.0 / 32768, 0),
    CELL("acc_z", ACC_Z, 54, INT16, 16.0 / 32768, 0),
    CELL("vel_x", VEL_RMS_X, 58, UINT16, 0.01, 0),
    CELL("vel_y", VEL_RMS_Y, 59, UINT16, 0.01, 0),
    CELL("vel_z", VEL_RMS_Z, 60, UINT16, 0.01, 0),
    CELL("temp", TEMP, 64, INT16, 0.01, 0),
    CELL("disp_x", DISP_X, 65, UINT16, 1, 0),
    CELL("disp_y", DISP_Y, 66, UINT16, 1, 0),
    CELL("disp_z", DISP_Z, 67, UINT16, 1, 0),
    CELL("freq_x", FREQ_X, 68, UINT16, 0.1, 0),
    CELL("freq_y", FREQ_Y, 69, UINT16, 0.1, 0),
    CELL("freq_z", FREQ_Z, 70, UINT16, 0.1, 0),
};

static const char *const MAPS[MAP_COUNT] = { "", "qm30vt2", "wtvb01", "list" };

const char *map_name(enum register_map map)
{
    return map > MAP_NONE && map < MAP_COUNT ? MAPS[map] : "";
}

const struct cell *map_cells(enum register_map map, size_t *ret_n_cells)
{
    if (map == MAP_QM30VT2) {
        *ret_n_cells = sizeof QM30VT2 / sizeof QM30VT2[0];
        return QM30VT2;
    }
    if (map == MAP_WTVB01) {
        *ret_n_cells = sizeof WTVB01 / sizeof WTVB01[0];
        return WTVB01;
    }
    *ret_n_cells = 0;
    return NULL;
}

uint16_t cell_width(enum cell_type type)
{
    return type == CELL_INT32 || type == CELL_UINT32 || type == CELL_FLOAT32 ? 2 : 1;
}

static int64_t whole(double raw, double low, double high)
{
    return (int64_t)fmin(fmax(round(raw), low), high);
}

/* The raw bits; 32 of them for two registers, else the lower 16. */
static uint32_t raw_bits(enum cell_type type, double raw)
{
    uint32_t bits = 0;
    float f = (float)raw;
    switch (type) {
    case CELL_INT16: return (uint32_t)whole(raw, INT16_MIN, INT16_MAX);
    case CELL_UINT16: return (uint32_t)whole(raw, 0, UINT16_MAX);
    case CELL_INT32: return (uint32_t)whole(raw, INT32_MIN, INT32_MAX);
    case CELL_UINT32: return (uint32_t)whole(raw, 0, UINT32_MAX);
    case CELL_BIT: return raw >= 0.5;
    case CELL_FLOAT32: memcpy(&bits, &f, sizeof bits); return bits;
    }
    return bits;
}

static uint16_t swapped(uint16_t word)
{
    return (uint16_t)(word << 8 | word >> 8);
}

void cell_encode(const struct cell *cell, double value, uint16_t *ret_words)
{
    uint32_t bits = raw_bits(cell->type, (value - cell->offset) / cell->scale);
    uint16_t high = (uint16_t)(bits >> 16), low = (uint16_t)bits;
    if (cell_width(cell->type) == 1) {
        ret_words[0] = low;
        return;
    }
    bool low_first = cell->order == CELL_CDAB || cell->order == CELL_DCBA;
    bool swap = cell->order == CELL_BADC || cell->order == CELL_DCBA;
    uint16_t first = low_first ? low : high, second = low_first ? high : low;
    ret_words[0] = swap ? swapped(first) : first;
    ret_words[1] = swap ? swapped(second) : second;
}
