/* SPDX-License-Identifier: Apache-2.0 */
/* A model on a board: load, run, print. docs/ENGINE-quickstart.md goes through it. */
#include "board.h"
#include "millwright_engine.h"

/* model.S: the .tflite file and one input. */
extern const uint8_t model_file[], model_file_end[], model_input[], model_input_end[];

#define MEMORY_BYTES 2048 /* what mw_model_measure says, on this processor */
#define MAX_ITEMS    640  /* of the model's input and output */

/* What the core has beyond the compiler's -mcpu need not be said: kernels for it are in. */
#define CPU (MW_CPU_ROWS | MW_CPU_DSP)

static void print_number(int32_t number)
{
    char text[12], *at = text + sizeof text - 1;
    uint32_t rest = number < 0 ? 0 - (uint32_t)number : (uint32_t)number;
    *at = 0;
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        *--at = '-';
    board_print(at);
}

static int fail(int result, const struct mw_model_fault *why)
{
    board_print("refused, ");
    print_number(result);
    board_print(" ");
    board_print(why->text); /* empty with MW_ENGINE_NO_WORDS */
    board_print("\n");
    return 1;
}

int main(void)
{
    static _Alignas(8) uint8_t memory[MEMORY_BYTES];
    static int8_t x[MAX_ITEMS], y[MAX_ITEMS];
    static struct mw_model model;
    struct mw_model_fault why = { "" };
    const size_t n_file = (size_t)(model_file_end - model_file);
    const size_t n_input = (size_t)(model_input_end - model_input);

    int result =
        mw_model_init(&model, model_file, n_file, MW_ROUNDING_DOUBLE, memory, sizeof memory, &why);
    if (result != MW_OK)
        return fail(result, &why);
    if (model.in_type != MW_INT8 || model.out_type != MW_INT8 || model.n_in > MAX_ITEMS ||
        model.n_out > MAX_ITEMS || n_input < model.n_in)
        return fail(MW_ERR_UNSUPPORTED, &why);
    mw_model_accelerate(&model, CPU, NULL, 0);

    /* A real input is quantised first: mw_quantize_s8(&model.in, values, x, model.n_in). */
    for (uint32_t i = 0; i < model.n_in; i++)
        x[i] = (int8_t)model_input[i];
    mw_model_run(&model, x, y);

    board_print("y");
    for (uint32_t i = 0; i < model.n_out; i++) {
        board_print(" ");
        print_number(y[i]);
    }
    board_print("\n");
    return 0;
}
