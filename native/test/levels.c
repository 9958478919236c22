/* With AMX emulated on AVX2 there is nothing in between: see amx.h. */
#include "../kernels.h"

void lrt_kernels_2(lrt_kernels *kernels) { lrt_kernels_1(kernels); }

void lrt_kernels_3(lrt_kernels *kernels) { (void)kernels; }

void lrt_kernels_4(lrt_kernels *kernels) { (void)kernels; }
