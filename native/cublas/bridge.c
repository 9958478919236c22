/* libcublas.so.12 for machines that have libcublas.so.13: JCublas 12.6 is linked with the former, and what lrt4j calls of it
   is the same in both. Loaded before JCublas, after libcublas.so.13. What cannot be forwarded is "not supported". */
#include <dlfcn.h>
#include <stddef.h>

enum { NOT_SUPPORTED = 15 };

static void *find(const char *name) {
  void *library = dlopen("libcublas.so.13", RTLD_LAZY | RTLD_LOCAL); /* there already, and stays */
  return library == NULL ? NULL : dlsym(library, name);
}

/* Found by all threads alike: the same address is stored, whoever is first. */
#define FORWARD(name, parameters, arguments)                                                                          \
  __attribute__((visibility("default"))) int name parameters {                                                        \
    static int(*target) parameters;                                                                                   \
    int(*to) parameters = __atomic_load_n(&target, __ATOMIC_RELAXED);                                                  \
    if (to == NULL) {                                                                                                 \
      to = (int(*) parameters)find(#name);                                                                            \
      __atomic_store_n(&target, to, __ATOMIC_RELAXED);                                                                \
    }                                                                                                                 \
    return to == NULL ? NOT_SUPPORTED : to arguments;                                                                 \
  }

FORWARD(cublasCreate_v2, (void **handle), (handle))
FORWARD(cublasDestroy_v2, (void *handle), (handle))
FORWARD(cublasGetVersion_v2, (void *handle, int *version), (handle, version))
FORWARD(cublasSetMathMode, (void *handle, int mode), (handle, mode))
FORWARD(cublasSetStream_v2, (void *handle, void *stream), (handle, stream))
FORWARD(cublasSetWorkspace_v2, (void *handle, void *workspace, size_t bytes), (handle, workspace, bytes))
FORWARD(cublasGemmEx,
        (void *handle, int transA, int transB, int m, int n, int k, const void *alpha, const void *a, int typeA, int lda,
         const void *b, int typeB, int ldb, const void *beta, void *c, int typeC, int ldc, int compute, int algorithm),
        (handle, transA, transB, m, n, k, alpha, a, typeA, lda, b, typeB, ldb, beta, c, typeC, ldc, compute, algorithm))
