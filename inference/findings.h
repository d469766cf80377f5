/* SPDX-License-Identifier: Apache-2.0 */
/* What is true of the machine now, held against what was said of it: the differences are the
 * verdict's findings. Called by mw_detector_step alone. */
#ifndef MW_INFERENCE_FINDINGS_H
#define MW_INFERENCE_FINDINGS_H

#include "inference/detector.h"

/* Appends as many changes as fit the verdict and remembers them in detector->active; the others
 * are differences still when the next frame comes. */
void mw_findings_tell(struct mw_detector *detector, int64_t at_us, struct mw_verdict *verdict);

#endif
