/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator's file can ask for and the engine does not do: refused at load, by name. */
#include "unit/inference/graphs.h"

static int32_t unused[4];

/* A pair of tensors of one shape and an operator between them. */
static struct trial unary(uint8_t code, uint8_t options, float out_scale, int32_t out_zero)
{
    const uint32_t dims[] = { 1, 2, 3, 2 };
    struct trial t = { 0 };
    int32_t in = activation(&t, 4, dims, 0.5f, 3);
    connect(&t, code, 1, &in, activation(&t, 4, dims, out_scale, out_zero), options);
    /* connect keeps numbers only; the scales move with the struct and are set anew in refuse. */
    return t;
}

static void refuse(struct trial *t, const char *words)
{
    int8_t x[64] = { 0 }, y[64];
    for (uint32_t i = 0; i < t->n_tensors; i++)
        if (t->tensors[i].n_scales == 1)
            t->tensors[i].scales = &t->scales[i];
    struct graph graph = graph_of(t);
    run_graph(&graph, MW_ROUNDING_DOUBLE, x, y, words);
}

START_TEST(quantisation_that_an_operator_does_not_give)
{
    struct trial t = unary(14, 0, 0.5f, -128);
    refuse(&t, "operator 0 (LOGISTIC): tensor 1 has not the scale and zero point");
    t = unary(28, 0, 0x1p-7f, 1);
    refuse(&t, "operator 0 (TANH): tensor 1 has not the scale and zero point");
    t = unary(25, 9, 0x1p-8f, 0);
    option(&t, 0, 4, 0x3f800000);
    refuse(&t, "operator 0 (SOFTMAX): tensor 1 has not scale 1/256");
    t = unary(25, 9, 0x1p-8f, -128);
    refuse(&t, "operator 0 (SOFTMAX): beta is not above 0");
    t = unary(21, 0, 0.25f, 3);
    refuse(&t, "operator 0 (RELU6): tensors 0 and 1 are not quantised alike");
    t = unary(22, 17, 0.25f, 3);
    refuse(&t, "operator 0 (RESHAPE): tensors 0 and 1 are not quantised alike");
    t = unary(19, 0, 1e-20f, 3);
    refuse(&t, "operator 0 (RELU): values are scaled up by 2^30 or more");
    t = unary(98, 75, 0.5f, 3);
    option(&t, 0, 4, 0xbf800000); /* -1 */
    refuse(&t, "operator 0 (LEAKY_RELU): alpha is not 0 or above");
    t = unary(98, 75, 0.5f, 3);
    option(&t, 0, 4, 0x7fc00000); /* not a number */
    refuse(&t, "operator 0 (LEAKY_RELU): alpha is not 0 or above");
}
END_TEST

START_TEST(options_that_are_not_supported)
{
    struct trial t = unary(1, 5, 0.5f, 3);
    const uint32_t right[] = { 0, 1, 1, 1, 1, 0 };
    refuse(&t, "operator 0 (AVERAGE_POOL_2D): a stride, dilation or filter of 0");
    for (uint16_t i = 0; i < 6; i++)
        option(&t, i, i == 0 || i == 5 ? 1 : 4, right[i]);
    t.op.options[5].value = 4;
    refuse(&t, "operator 0 (AVERAGE_POOL_2D): fused activation 4 is not supported");
    t.op.options[5].value = 0;
    t.op.options[0].value = 2;
    refuse(&t, "padding 2 is not supported");
    t.op.options[0].value = 0;
    t.op.options[1].value = 2;
    refuse(&t, "the output is not 2 x 2");
    t.op.options_type = 8;
    refuse(&t, "operator 0 (AVERAGE_POOL_2D): options of type 8");
    t.op.options_type = 5;
    t.op.version = 4;
    refuse(&t, "operator 0 (AVERAGE_POOL_2D): version 4 is not supported");
    t = unary(17, 5, 0.5f, 4);
    for (uint16_t i = 0; i < 6; i++)
        option(&t, i, i == 0 || i == 5 ? 1 : 4, right[i]);
    refuse(&t, "operator 0 (MAX_POOL_2D): tensors 0 and 1 are not quantised alike");
    t = unary(2, 10, 0.5f, 3);
    option(&t, 0, 4, 4);
    refuse(&t, "operator 0 (CONCATENATION): no such axis");
    t = unary(19, 0, 0.5f, 3);
    t.op.n_ins = 2;
    t.op.ins[1] = 0;
    refuse(&t, "operator 0 (RELU): not its number of ends");
}
END_TEST

START_TEST(types_that_are_not_supported)
{
    struct trial t = unary(19, 0, 0.5f, 3);
    t.tensors[0].type = GRAPH_INT16;
    refuse(&t, "operator 0 (RELU): tensor 0 is of type 7, only int8 (9)");
    t = unary(114, 89, 0.5f, 3);
    t.tensors[0].type = t.tensors[1].type = GRAPH_INT16;
    refuse(&t, "operator 0 (QUANTIZE): from type 7 to type 7");
    t = unary(6, 38, 0.5f, 3);
    refuse(&t, "operator 0 (DEQUANTIZE): from type 9 to type 9");
    t = unary(22, 17, 0.5f, 3);
    t.tensors[0].type = t.tensors[1].type = GRAPH_INT32;
    refuse(&t, "the graph's input is of type 2, not int8, int16 or float32");
}
END_TEST

START_TEST(graphs_that_are_none)
{
    struct trial t = unary(19, 0, 0.5f, 3);
    t.op.outs[0] = 0; /* written twice: by the caller and by the operator */
    struct graph graph = graph_of(&t);
    graph.output = 1;
    int8_t x[64] = { 0 }, y[64];
    for (uint32_t i = 0; i < 2; i++)
        t.tensors[i].scales = &t.scales[i];
    run_graph(&graph, MW_ROUNDING_DOUBLE, x, y, "operator 0: tensor 0 is written twice");
    t = unary(19, 0, 0.5f, 3);
    t.op.ins[0] = 1; /* a cycle */
    refuse(&t, "operator 0: tensor 1 is read before it is written");
    t = unary(19, 0, 0.5f, 3);
    t.op.ins[0] = 7;
    refuse(&t, "operator 0: tensor 7 does not exist, there are 2");
    t = unary(22, 17, 0.5f, 3);
    t.tensors[0].dims[2] = t.tensors[1].dims[2] = 20000;
    refuse(&t, "has 80000 items");
    t = unary(22, 17, 0.5f, 3);
    for (int d = 0; d < 4; d++)
        t.tensors[0].dims[d] = t.tensors[1].dims[d] = 60000; /* their product is beyond int64 */
    refuse(&t, "a dimension of 60000 is impossible");
}
END_TEST

START_TEST(constants_that_must_be)
{
    const uint32_t dims[] = { 2, 3 };
    struct trial t = { 0 };
    int32_t ins[2] = { activation(&t, 2, dims, 0.5f, 3) };
    ins[1] = shape_constant(&t, unused, 2);
    connect(&t, 39, 2, ins, activation(&t, 2, dims, 0.5f, 3), 26);
    refuse(&t, "operator 0 (TRANSPOSE): dimension 1 of the output is not 0");
    t.op.ins[1] = 0;
    refuse(&t, "operator 0 (TRANSPOSE): tensor 0 is not an int32 constant");
}
END_TEST

MW_SUITE("inference/refused", quantisation_that_an_operator_does_not_give,
         options_that_are_not_supported, types_that_are_not_supported, graphs_that_are_none,
         constants_that_must_be)
