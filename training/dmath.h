/* SPDX-License-Identifier: Apache-2.0 */
/* The few functions of a real number that training needs, from + - * / alone, so that a model has
 * the same bytes on every processor and with every C library. */
#ifndef TRAINING_DMATH_H
#define TRAINING_DMATH_H

/* Natural logarithm of a positive normal number; relative error below 3e-16 away from 1, absolute
 * error below 3e-16 everywhere near it. Method: x = m 2^k, log m = 2 atanh((m - 1) / (m + 1)). */
double dmath_log(double x);

/* cos(2 pi turns), absolute error below 3e-16; |turns| at most 2^20. Working in turns makes the
 * reduction to an eighth exact. */
double dmath_cos_turns(double turns);

/* Square root of 0 or a positive normal number, relative error below 3e-16. */
double dmath_sqrt(double x);

#endif
