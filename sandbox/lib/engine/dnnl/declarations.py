"""What the engine uses of oneDNN 3.x's C API, as the C headers declare it."""

CDEF = """
typedef struct dnnl_engine *engine_t;           typedef struct dnnl_stream *stream_t;
typedef struct dnnl_memory_desc *md_t;          typedef struct dnnl_memory *memory_t;
typedef struct dnnl_primitive_desc *pd_t;       typedef struct dnnl_primitive *primitive_t;
typedef struct dnnl_primitive_attr *attr_t;     typedef struct dnnl_post_ops *post_ops_t;
typedef int64_t dims_t[12];
typedef struct { int arg; memory_t memory; } dnnl_exec_arg_t;
typedef struct { int major; int minor; int patch; } dnnl_version_t;

const dnnl_version_t *dnnl_version(void);
int dnnl_get_effective_cpu_isa(void);
int dnnl_engine_create(engine_t *, int kind, size_t index);
int dnnl_stream_create(stream_t *, engine_t, unsigned flags);
int dnnl_memory_desc_create_with_strides(md_t *, int ndims, const dims_t, int type, const dims_t);
int dnnl_memory_desc_create_with_tag(md_t *, int ndims, const dims_t, int type, int tag);
int dnnl_memory_desc_query(md_t, int what, void *result);
size_t dnnl_memory_desc_get_size(md_t);
int dnnl_memory_desc_destroy(md_t);
int dnnl_memory_create(memory_t *, md_t, engine_t, void *handle);
int dnnl_memory_set_data_handle(memory_t, void *handle);
int dnnl_memory_destroy(memory_t);
int dnnl_primitive_desc_query(pd_t, int what, int index, void *result);
md_t dnnl_primitive_desc_query_md(pd_t, int what, int index);
int dnnl_primitive_desc_destroy(pd_t);
int dnnl_primitive_create(primitive_t *, pd_t);
int dnnl_primitive_execute(primitive_t, stream_t, int nargs, const dnnl_exec_arg_t *args);
int dnnl_primitive_destroy(primitive_t);
int dnnl_sgemm(char transa, char transb, int64_t M, int64_t N, int64_t K, float alpha,
    const float *A, int64_t lda, const float *B, int64_t ldb, float beta, float *C, int64_t ldc);

"""
