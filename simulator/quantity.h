/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulated machine can be measured by. Names and units are those of scenario files. */
#ifndef MW_SIMULATOR_QUANTITY_H
#define MW_SIMULATOR_QUANTITY_H

/* Quantities of three axes stand together, x first: QUANTITY_VEL_RMS_X + axis. x is radial and
 * horizontal, y axial, z radial and vertical. */
enum quantity {
    QUANTITY_NONE = 0,
    QUANTITY_RUNNING, /* 1 while the shaft turns */
    QUANTITY_LOAD,    /* % of rated */
    QUANTITY_SPEED,   /* rpm */
    QUANTITY_CURRENT, /* A */
    QUANTITY_POWER,   /* kW */
    QUANTITY_TEMP,    /* degC, of the bearing housing */
    QUANTITY_WINDING_TEMP,
    QUANTITY_AMBIENT,
    QUANTITY_PRESSURE, /* bar */
    QUANTITY_FLOW,     /* m3/h */
    QUANTITY_VEL_RMS_X,
    QUANTITY_VEL_RMS_Y,
    QUANTITY_VEL_RMS_Z,
    QUANTITY_VEL_PEAK_X,
    QUANTITY_VEL_PEAK_Y,
    QUANTITY_VEL_PEAK_Z,
    QUANTITY_ACC_RMS_X,
    QUANTITY_ACC_RMS_Y,
    QUANTITY_ACC_RMS_Z,
    QUANTITY_ACC_PEAK_X,
    QUANTITY_ACC_PEAK_Y,
    QUANTITY_ACC_PEAK_Z,
    QUANTITY_ACC_HF_RMS_X, /* g, above 1 kHz, where bearings speak first */
    QUANTITY_ACC_HF_RMS_Y,
    QUANTITY_ACC_HF_RMS_Z,
    QUANTITY_KURTOSIS_X,
    QUANTITY_KURTOSIS_Y,
    QUANTITY_KURTOSIS_Z,
    QUANTITY_CREST_X,
    QUANTITY_CREST_Y,
    QUANTITY_CREST_Z,
    QUANTITY_DISP_X, /* um, peak to peak */
    QUANTITY_DISP_Y,
    QUANTITY_DISP_Z,
    QUANTITY_FREQ_X, /* Hz, of the strongest component */
    QUANTITY_FREQ_Y,
    QUANTITY_FREQ_Z,
    QUANTITY_ACC_X, /* g, momentary, with gravity on z */
    QUANTITY_ACC_Y,
    QUANTITY_ACC_Z,
    QUANTITY_COUNT
};

/* "vel_rms_x"; "" for QUANTITY_NONE and outside the enum. */
const char *quantity_name(enum quantity q);

/* "mm/s"; "" where there is none. */
const char *quantity_unit(enum quantity q);

/* QUANTITY_NONE where no quantity has this name. */
enum quantity quantity_find(const char *name);

/* Standard deviation of a sensor's noise at this true value, in the quantity's unit. The momentary
 * accelerations have none of their own: their sensor sees the vibration itself. */
double quantity_noise(enum quantity q, double truth);

#endif
