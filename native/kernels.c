/*
 * All kernels, compiled once for every level (-DLEVEL=…). A vector is W floats; a panel's 16 outputs
 * are 16 / W of them. Each lane is one output and adds in the order of the inner dimension, so one
 * row and many come out the same to the bit, and no sum runs across lanes. No contraction is left to
 * the compiler (-ffp-contract=off): what is fused is written `fused`.
 */
#include "kernels.h"

#include "attention.h"
#include "packing.h"
#include "products.h"
#include "reading.h"
#include "rows.h"

#define NAME2(LEVEL) lrt_kernels_##LEVEL
#define NAME(LEVEL) NAME2(LEVEL)

const lrt_kernels NAME(LEVEL) = {
    .splits = LEVEL >= 4,
    .prepare = prepare,
    .gate = gate,
    .product = product,
    .pack = pack,
    .norm = norm,
    .rotate = rotate,
    .narrow = narrow,
    .attend = attend,
    .merge = merge,
    .divide = divide,
    .summarize = summarize,
    .read = read_memory,
};
