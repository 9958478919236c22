/*
 * All kernels, compiled for every level (-DLEVEL=…): whole for levels 0, 1 and 2, and of levels 3 to
 * 5 what they do in another way than level 2 (on aarch64, 3 than 0), of level 6 than 1. A vector is W floats; a panel's 16 outputs
 * are 16 / W of them. Each lane is one output and adds in the order of the inner dimension, so one row and many come
 * out the same to the bit, and no sum runs across lanes. No contraction is left to the compiler
 * (-ffp-contract=off): what is fused is written `fused`.
 */
#include "kernels.h"

#include "products.h"
#if LEVEL == 2 || LEVEL == 4
#include "folded.h"
#endif
#if LEVEL == 2
#include "folding.h"
#endif
#if LEVEL == 5
#include "amx.h"
#endif
#if LEVEL == 1 || LEVEL == 6
#include "runs.h"
#endif
#if LEVEL <= 2
#include "attention.h"
#include "packing.h"
#include "reading.h"
#include "rows.h"
#endif
#if !ONLY_BYTES
#include "inputs.h"
#endif

#define NAME2(LEVEL) lrt_kernels_##LEVEL
#define NAME(LEVEL) NAME2(LEVEL)

void NAME(LEVEL)(lrt_kernels *kernels) {
#if LEVEL <= 2
  *kernels = (lrt_kernels){
      .prepare = prepare,
      .put = put,
      .gate = gate,
      .product =
          {
              [LRT_DTYPE_F32] = product_f32,
              [LRT_DTYPE_F16] = product_f16,
              [LRT_DTYPE_BF16] = product_bf16,
              [LRT_DTYPE_BF16_ROUNDED] = product_bf16, /* rounding would gain nothing */
#if LEVEL != 2
              [LRT_DTYPE_Q8] = product_q8,
              [LRT_DTYPE_Q4] = product_q4,
#endif
#if LEVEL == 2
              [LRT_DTYPE_FOLDED] = product_folded,
              [LRT_DTYPE_FOLDED_ROUNDED] = product_folded,
#endif
          },
#if LEVEL == 1
      .few_rows = {[LRT_DTYPE_Q8] = {runs_q8, LRT_MOST_RUNS, RUN_ROWS}, [LRT_DTYPE_Q4] = {runs_q4, LRT_MOST_RUNS, RUN_ROWS}},
#endif
#if LEVEL == 2
      .few_rows = {[LRT_DTYPE_FOLDED] = {runs_folded, LRT_RUNS, RUN_ROWS},
                   [LRT_DTYPE_FOLDED_ROUNDED] = {runs_folded, LRT_RUNS, RUN_ROWS}},
      .fold = fold,
#endif
      .pack = pack,
      .norm = norm,
      .rotate = rotate,
      .narrow = narrow,
      .few = SQUARES ? MOST_FEW : 0,
      .attend = attend,
      .merge = merge,
      .divide = divide,
      .summarize = summarize,
      .read = read_memory,
  };
#elif ONLY_BYTES
  kernels->product[LRT_DTYPE_Q8] = product_q8;
  kernels->product[LRT_DTYPE_Q4] = product_q4;
#if W >= 8
  kernels->few_rows[LRT_DTYPE_Q8] = (lrt_few_rows){runs_q8, W == 16 ? LRT_RUNS : LRT_MOST_RUNS, RUN_ROWS};
  kernels->few_rows[LRT_DTYPE_Q4] = (lrt_few_rows){runs_q4, W == 16 ? 1 : LRT_MOST_RUNS, RUN_ROWS};
#endif
#else
  kernels->splits = 1;
  kernels->prepare = prepare;
  kernels->put = put;
  kernels->gate = gate;
#if LEVEL == 4
  kernels->product[LRT_DTYPE_BF16] = product_bf16;
  kernels->product[LRT_DTYPE_BF16_ROUNDED] = product_rounded;
  kernels->product[LRT_DTYPE_FOLDED] = product_folded;
  kernels->product[LRT_DTYPE_FOLDED_ROUNDED] = product_folded_rounded;
  kernels->few_rows[LRT_DTYPE_FOLDED] = (lrt_few_rows){runs_folded, LRT_RUNS, RUN_ROWS};
  kernels->few_rows[LRT_DTYPE_FOLDED_ROUNDED] = (lrt_few_rows){runs_folded_rounded, LRT_RUNS, RUN_ROWS};
#else
  kernels->large_tasks = 1;
  kernels->product[LRT_DTYPE_BF16] = amx_bf16;
  kernels->product[LRT_DTYPE_BF16_ROUNDED] = amx_rounded;
#if W == 16
  kernels->product[LRT_DTYPE_FOLDED] = amx_folded;
  kernels->product[LRT_DTYPE_FOLDED_ROUNDED] = amx_folded_rounded;
  kernels->few_rows[LRT_DTYPE_FOLDED] = (lrt_few_rows){runs_folded, LRT_MOST_RUNS, 1};
  kernels->few_rows[LRT_DTYPE_FOLDED_ROUNDED] = (lrt_few_rows){runs_folded_rounded, LRT_MOST_RUNS, 1};
#endif
  kernels->product[LRT_DTYPE_Q8] = amx_q8;
  kernels->product[LRT_DTYPE_Q4] = amx_q4;
#endif
#endif
}
