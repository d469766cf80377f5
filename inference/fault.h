/* SPDX-License-Identifier: Apache-2.0 */
/* Words for struct mw_model_fault, built without printf. Called where a model or its card is
 * refused; a fault that does not fit its text is cut off, never overrun.
 *
 * With MW_ENGINE_NO_WORDS the engine holds no text: a refusal is its result alone, and the text
 * that comes with it is empty. For firmware that counts its kilobytes. */
#ifndef MW_INFERENCE_FAULT_H
#define MW_INFERENCE_FAULT_H

#include "inference/model.h"
#include "inference/profile.h"

#include <stddef.h>
#include <stdint.h>

/* An empty text; NULL where there are no words, so that no memory is taken for them. */
static inline struct mw_model_fault *mw_fault_empty(struct mw_model_fault *fault)
{
#ifdef MW_ENGINE_NO_WORDS
    (void)fault;
    return NULL;
#else
    fault->text[0] = 0;
    return fault;
#endif
}

#ifdef MW_ENGINE_NO_WORDS
static inline int mw_fault_silent(struct mw_model_fault *ret_why, int result, int64_t a, int64_t b)
{
    (void)ret_why;
    (void)a;
    (void)b;
    return result;
}

#define mw_fault(why, result, words, a, b) mw_fault_silent(why, result, a, b)
#define mw_fault_named(why, result, words, name, a, b) \
    ((void)(name), mw_fault_silent(why, result, a, b))
#define mw_fault_append(why, result, words) mw_fault_silent(why, result, 0, 0)
#else
/* Fills ret_why (may be NULL) with the words, in which the first # stands for a and the second
 * for b, and returns result, so that a check reads as one line. */
int mw_fault(struct mw_model_fault *ret_why, int result, const char *words, int64_t a, int64_t b);

/* As mw_fault; $ stands for name. */
int mw_fault_named(struct mw_model_fault *ret_why, int result, const char *words, const char *name,
                   int64_t a, int64_t b);

/* Adds words to those that ret_why has. */
int mw_fault_append(struct mw_model_fault *ret_why, int result, const char *words);
#endif

#endif
