/* The network on CPUs with AVX-512: its 3x3x3 convolutions by Winograd's minimal filtering.
 *
 * Three outputs of a filter of three come from five products instead of nine; along three axes 27 come
 * from 125 instead of 729 (Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016).
 * Each axis of the data is transformed; then, at each of the 125 points, there is a product of two matrices:
 * tiles x features and the kernel's features x features; and each axis is transformed back. All of that is
 * float32, but with BF16 defined the factors of the products and the activations between layers are bfloat16.
 *
 * Activations are (z, y, x, feature) with a border of zeros. The work is divided into strips, a row of up to
 * STRIP tiles along x, small enough for all that a strip needs to stay in the cache of a core. Each strip is
 * computed in the same way whatever thread does it: threads do not change a bit.
 *
 * winograd.py prepares the weights, says what fits, and calls ffn_update.
 */
#include <immintrin.h>
#include <omp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    OUT = 3,                   /* voxels of a tile along an axis */
    IN = OUT + 2,              /* voxels that they depend on, and points of the transforms */
    POINTS = IN * IN * IN,
    STRIP = 12,                /* most tiles of a strip */
    LANES = 16,
    WIDTH = 2,                 /* most vectors of a voxel */
    ROW = (OUT * STRIP + 2) * WIDTH,
    FIRST = 11,                /* voxels of conv0_a at a time: their sums stay in registers */
};

#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(64)));

/* PAIR: factors that one lane multiplies and adds at a time. BLOCK: most tiles multiplied at a time; what
 * is summed stays in registers, which six tiles fill. In bfloat16 four took less time. */
#ifdef BF16
typedef uint16_t value;
enum { PAIR = 2, BLOCK = 4 };
#else
typedef float value;
enum { PAIR = 1, BLOCK = 6 };
#endif

struct network {
    int fov[3], depth, features;
    const float *first;        /* kernel of conv0_a: (27, 2, features) */
    const value *kernels;      /* of the others: (layer, point along y, x, z, features / PAIR, features, PAIR) */
    const vec *biases;         /* (layer, features), conv0_a's first */
    const vec *last;           /* kernel of conv_lom: (features) */
    float last_bias;
};

struct scratch {               /* of one thread */
    vec rows[IN][IN][ROW];                          /* y modulo IN, point along z: transformed along z */
    value data[POINTS][STRIP * WIDTH * LANES] __attribute__((aligned(64)));
    vec sums[OUT][IN * IN][STRIP * WIDTH];          /* z, points along y and x: transformed back along z */
};

struct shape {                 /* of the activations; strides in values */
    int size[3], tiles[3], strips_x, strip_tiles;
    ptrdiff_t x, y, z;
};

struct strip {
    int z, y, x, tiles;        /* its first voxel, the border not counted */
};

static struct shape shape_of(const int fov[3], int width)
{
    struct shape s;
    for (int i = 0; i < 3; i++) {
        s.size[i] = fov[i];
        s.tiles[i] = (fov[i] + OUT - 1) / OUT;
    }
    s.strips_x = (s.tiles[2] + STRIP - 1) / STRIP;
    s.strip_tiles = (s.tiles[2] + s.strips_x - 1) / s.strips_x;
    s.x = width * LANES;
    s.y = s.x * (OUT * s.tiles[2] + 2);
    s.z = s.y * (OUT * s.tiles[1] + 2);
    return s;
}

static int count_strips(const struct shape *s) { return s->tiles[0] * s->strips_x * s->tiles[1]; }

/* Strips that follow each other along y have successive numbers. */
static struct strip strip_at(const struct shape *s, int number)
{
    int column = number / s->tiles[1], first = column % s->strips_x * s->strip_tiles;
    int left = s->tiles[2] - first;
    return (struct strip){
        .z = column / s->strips_x * OUT,
        .y = number % s->tiles[1] * OUT,
        .x = first * OUT,
        .tiles = left < s->strip_tiles ? left : s->strip_tiles,
    };
}

/* NaN stays NaN. */
INLINE vec relu(vec x) { return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x); }

/* Cook and Toom's points are A, -A, B, -B and infinity. Rounding does less than half the harm at these that it
 * does at 0, 1, -1 and 1/2 (an update's error in bfloat16 0.0089, root mean square, and 0.0197). */
static const float A = 1.0f / 2, B = 5.0f / 4;

/* B^T x along one axis; winograd.py has the matrix of the kernels, G, that belongs to it. */
INLINE void transform(vec x0, vec x1, vec x2, vec x3, vec x4, vec to[IN])
{
    vec odd_a = x3 - (B * B) * x1, even_a = A * x2 - (A * B * B) * x0;
    vec odd_b = x3 - (A * A) * x1, even_b = B * x2 - (B * A * A) * x0;
    to[0] = odd_a + even_a;
    to[1] = odd_a - even_a;
    to[2] = odd_b + even_b;
    to[3] = odd_b - even_b;
    to[4] = x4 - B * even_b - (A * A) * x2;
}

/* A^T m along one axis. */
INLINE void transform_back(vec m0, vec m1, vec m2, vec m3, vec m4, vec to[OUT])
{
    vec sum_a = m0 + m1, sum_b = m2 + m3;
    to[0] = sum_a + sum_b;
    to[1] = A * (m0 - m1) + B * (m2 - m3);
    to[2] = (A * A) * sum_a + ((B * B) * sum_b + m4);
}

INLINE vec load(const value *from)
{
#ifdef BF16
    __m512i bits = _mm512_cvtepu16_epi32(_mm256_load_si256((const __m256i *)from));
    return (vec)_mm512_slli_epi32(bits, 16);
#else
    return *(const vec *)from;
#endif
}

INLINE void store(value *to, vec x)
{
#ifdef BF16
    _mm256_store_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh((__m512)x));
#else
    *(vec *)to = x;
#endif
}

/* One row of voxels along x, from five successive z. */
static void transform_along_z(const value *row, ptrdiff_t z, int vectors, vec to[IN][ROW])
{
    for (int i = 0; i < vectors; i++) {
        const value *x = row + i * LANES;
        vec t[IN];
        transform(relu(load(x)), relu(load(x + z)), relu(load(x + 2 * z)), relu(load(x + 3 * z)),
                  relu(load(x + 4 * z)), t);
        for (int p = 0; p < IN; p++)
            to[p][i] = t[p];
    }
}

/* The strip's rows, transformed along z, from `first` on; five columns at a time stay in registers. */
INLINE void transform_along_y_and_x(struct scratch *s, int first, int tiles, const int width)
{
    for (int pz = 0; pz < IN; pz++)
        for (int lane = 0; lane < width; lane++) {
            const vec *row[IN];
            for (int y = 0; y < IN; y++)
                row[y] = &s->rows[(first + y) % IN][pz][lane];
            vec column[IN][IN];
#define COLUMN(c, at) transform(row[0][at], row[1][at], row[2][at], row[3][at], row[4][at], column[c])
            COLUMN(0, 0);
            COLUMN(1, width);
            for (int tile = 0; tile < tiles; tile++) {
                for (int x = 2; x < IN; x++)
                    COLUMN(x, (OUT * tile + x) * width);
                for (int py = 0; py < IN; py++) {
                    vec t[IN];
                    transform(column[0][py], column[1][py], column[2][py], column[3][py], column[4][py], t);
                    for (int px = 0; px < IN; px++)
                        store(s->data[(pz * IN + py) * IN + px] + (tile * width + lane) * LANES, t[px]);
                    column[0][py] = column[OUT][py];
                    column[1][py] = column[OUT + 1][py];
                }
            }
        }
}

INLINE vec multiply_add(const value *data, const value *kernel, vec sum)
{
#ifdef BF16
    int pair;
    memcpy(&pair, data, sizeof pair);
    __m512bh factors = (__m512bh)_mm512_load_si512(kernel);
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), factors);
#else
    return (vec)_mm512_fmadd_ps(_mm512_set1_ps(*data), _mm512_load_ps(kernel), (__m512)sum);
#endif
}

/* sum += (tiles, features) x (features, features) */
INLINE void multiply(const value *data, const value *kernel, vec sum[BLOCK][WIDTH], const int tiles,
                     const int width)
{
    const int features = width * LANES;
    for (int k = 0; k < features; k += PAIR)
        for (int t = 0; t < tiles; t++)
            for (int lane = 0; lane < width; lane++)
                sum[t][lane] = multiply_add(
                    data + t * features + k, kernel + k * features + lane * LANES * PAIR, sum[t][lane]);
}

/* The products of some tiles at five points along z, transformed back along z: `transform_back`, but only
 * two vectors a tile and lane are in registers at a time. */
INLINE void multiply_block(struct scratch *s, const value *kernels, int point, int first, const int tiles,
                           const int width)
{
    const int features = width * LANES;
#define MULTIPLY(pz, to)                                                                              \
    multiply(s->data[(pz) * IN * IN + point] + first * features,                                      \
             kernels + (point * IN + (pz)) * features * features, to, tiles, width)
#define EACH_SUM                                                                                      \
    for (int t = 0; t < tiles; t++)                                                                   \
        for (int lane = 0, to = (first + t) * width; lane < width; lane++, to++)
    vec a[BLOCK][WIDTH] = {0}, b[BLOCK][WIDTH] = {0};
    MULTIPLY(0, a);
    MULTIPLY(1, b);
    EACH_SUM {
        vec m0 = a[t][lane], m1 = b[t][lane];
        s->sums[0][point][to] = m0 + m1;
        s->sums[1][point][to] = A * (m0 - m1);
        a[t][lane] = b[t][lane] = (vec){0};
    }
    MULTIPLY(2, a);
    MULTIPLY(3, b);
    EACH_SUM {
        vec m2 = a[t][lane], m3 = b[t][lane], sum_a = s->sums[0][point][to], sum_b = m2 + m3;
        s->sums[0][point][to] = sum_a + sum_b;
        s->sums[1][point][to] += B * (m2 - m3);
        a[t][lane] = (A * A) * sum_a + (B * B) * sum_b;
    }
    MULTIPLY(4, a);
    EACH_SUM { s->sums[2][point][to] = a[t][lane]; }
}

/* The rows that are needed next, one for each point along y and x; `next_rows` chooses them. */
typedef const value *rows_ahead[IN * IN];

/* Fetches the rows ahead meanwhile, a little at a time: many requests at once would be waited for. */
INLINE void multiply_strip(struct scratch *s, const value *kernels, int tiles, rows_ahead ahead,
                           const int width)
{
    const int tile_values = OUT * width * LANES, line = 64 / sizeof(value);
    for (int point = 0; point < IN * IN; point++)
        for (int tile = 0; tile < tiles; tile += BLOCK) {
            for (int i = 0; i < BLOCK * tile_values; i += line)
                __builtin_prefetch(ahead[point] + tile * tile_values + i, 0, 2);
            switch (tiles - tile) { /* the compiler has to know the number */
            case 1: multiply_block(s, kernels, point, tile, 1, width); break;
            case 2: multiply_block(s, kernels, point, tile, 2, width); break;
            case 3: multiply_block(s, kernels, point, tile, 3, width); break;
#ifndef BF16
            case 4: multiply_block(s, kernels, point, tile, 4, width); break;
            case 5: multiply_block(s, kernels, point, tile, 5, width); break;
#endif
            default: multiply_block(s, kernels, point, tile, BLOCK, width);
            }
        }
}

/* The rows that the next strip reads for the first time, from `in` on, and those that this one writes. */
static void next_rows(const struct shape *shape, const value *in, const value *out, rows_ahead ahead)
{
    for (int i = 0; i < IN * IN; i++) {
        int written = i - OUT * IN;
        if (written < 0)
            ahead[i] = in + i / IN * shape->y + i % IN * shape->z;
        else if (written < OUT * OUT)
            ahead[i] = out + written / OUT * shape->y + written % OUT * shape->z;
        else
            ahead[i] = out;
    }
}

/* The strip's output, from `out` on: transformed back along y and x, plus the bias, plus what was there
 * if `add`. What lies beyond the FOV stays zero. */
INLINE void write_strip(const struct scratch *s, struct strip at, const struct shape *shape, value *out,
                        const vec *bias, bool add, const int width)
{
    for (int z = 0; z < OUT && at.z + z < shape->size[0]; z++)
        for (int tile = 0; tile < at.tiles; tile++)
            for (int lane = 0; lane < width; lane++) {
                vec y_sums[OUT][IN];
                for (int px = 0; px < IN; px++) {
#define SUM(py) s->sums[z][(py) * IN + px][tile * width + lane]
                    vec t[OUT];
                    transform_back(SUM(0), SUM(1), SUM(2), SUM(3), SUM(4), t);
                    for (int y = 0; y < OUT; y++)
                        y_sums[y][px] = t[y];
                }
                for (int y = 0; y < OUT && at.y + y < shape->size[1]; y++) {
                    value *to = out + z * shape->z + y * shape->y + (tile * OUT * width + lane) * LANES;
                    vec *m = y_sums[y], t[OUT];
                    transform_back(m[0], m[1], m[2], m[3], m[4], t);
                    for (int x = 0; x < OUT && at.x + tile * OUT + x < shape->size[2]; x++) {
                        value *voxel = to + x * shape->x;
                        store(voxel, t[x] + bias[lane] + (add ? load(voxel) : (vec){0}));
                    }
                }
            }
}

/* out = (out if add) + bias + convolution of relu(in); called by all threads, which share the strips. */
INLINE void convolve(const value *in, value *out, const struct shape *shape, const value *kernels,
                     const vec *bias, bool add, struct scratch *s, const int width)
{
    int before = -1, count = count_strips(shape);
#pragma omp for schedule(guided)
    for (int n = 0; n < count; n++) {
        struct strip at = strip_at(shape, n), next = strip_at(shape, n + 1 < count ? n + 1 : n);
        const value *soon = in + next.z * shape->z + (next.y + IN - OUT) * shape->y + next.x * shape->x;
        const value *from = in + at.z * shape->z + at.x * shape->x;
        value *to = out + (at.z + 1) * shape->z + (at.y + 1) * shape->y + (at.x + 1) * shape->x;
        bool goes_on = before == n - 1 && at.y > 0; /* the first rows are there already */
        for (int y = at.y + (goes_on ? IN - OUT : 0); y < at.y + IN; y++)
            transform_along_z(from + y * shape->y, shape->z, (OUT * at.tiles + 2) * width, s->rows[y % IN]);
        transform_along_y_and_x(s, at.y, at.tiles, width);
        rows_ahead ahead;
        next_rows(shape, soon, to, ahead);
        multiply_strip(s, kernels, at.tiles, ahead, width);
        write_strip(s, at, shape, to, bias, add, width);
        before = n;
    }
}

/* conv0_a, whose input has two features: the image and the POM. One row along x. */
INLINE void convolve_first(const struct network *net, const float *fov, value *out,
                           const struct shape *shape, int z, int y, const int width)
{
    const int *size = shape->size, features = width * LANES;
    float rows[9][(size[2] + 2 + FIRST) * 2];
    memset(rows, 0, sizeof rows);
    for (int i = 0; i < 9; i++) {
        int from_z = z + i / 3 - 1, from_y = y + i % 3 - 1;
        if (from_z >= 0 && from_y >= 0 && from_z < size[0] && from_y < size[1])
            memcpy(rows[i] + 2, fov + (from_z * size[1] + from_y) * size[2] * 2, sizeof(float[2]) * size[2]);
    }
    value *to = out + (z + 1) * shape->z + (y + 1) * shape->y + shape->x;
    for (int x = 0; x < size[2]; x += FIRST) {
        __m512 sum[FIRST][WIDTH];
        for (int t = 0; t < FIRST; t++)
            for (int lane = 0; lane < width; lane++)
                sum[t][lane] = (__m512)net->biases[lane];
        for (int i = 0; i < 9; i++)
            for (int k = 0; k < 6; k++)
                for (int t = 0; t < FIRST; t++)
                    for (int lane = 0; lane < width; lane++)
                        sum[t][lane] = _mm512_fmadd_ps(
                            _mm512_set1_ps(rows[i][(x + t) * 2 + k]),
                            _mm512_load_ps(net->first + (i * 6 + k) * features + lane * LANES), sum[t][lane]);
        for (int t = 0; t < FIRST && x + t < size[2]; t++)
            for (int lane = 0; lane < width; lane++)
                store(to + (x + t) * features + lane * LANES, (vec)sum[t][lane]);
    }
}

/* conv_lom, of one voxel. */
INLINE float weigh(const struct network *net, const value *voxel, const int width)
{
    vec sum = relu(load(voxel)) * net->last[0];
    for (int lane = 1; lane < width; lane++)
        sum += relu(load(voxel + lane * LANES)) * net->last[lane];
    return _mm512_reduce_add_ps((__m512)sum) + net->last_bias;
}

/* The whole network; called by all threads. */
INLINE void update(const struct network *net, const float *fov, float *to, value *stream, value *inner,
                   struct scratch *scratch, const int width)
{
    const struct shape shape = shape_of(net->fov, width);
    const size_t kernel = (size_t)POINTS * width * width * LANES * LANES;
    const int *size = shape.size, rows = size[0] * size[1];
#pragma omp for
    for (int row = 0; row < rows; row++)
        convolve_first(net, fov, inner, &shape, row / size[1], row % size[1], width);
    convolve(inner, stream, &shape, net->kernels, net->biases + width, false, scratch, width);
    for (int layer = 1; layer < 2 * net->depth - 1; layer += 2) {
        const value *kernels = net->kernels + layer * kernel;
        const vec *bias = net->biases + (layer + 1) * width;
        convolve(stream, inner, &shape, kernels, bias, false, scratch, width);
        convolve(inner, stream, &shape, kernels + kernel, bias + width, true, scratch, width);
    }
#pragma omp for
    for (int row = 0; row < rows; row++) {
        const value *from = stream + (row / size[1] + 1) * shape.z + (row % size[1] + 1) * shape.y + shape.x;
        for (int x = 0; x < size[2]; x++)
            to[row * size[2] + x] = weigh(net, from + x * shape.x, width);
    }
}

/* Bytes of the activations' memory, of which ffn_update needs two, zero at first. */
size_t ffn_activations_bytes(const struct network *net)
{
    struct shape s = shape_of(net->fov, net->features / LANES);
    return (OUT * s.tiles[0] + 2) * s.z * sizeof(value);
}

/* Bytes that each thread needs beside them. */
size_t ffn_scratch_bytes(void) { return sizeof(struct scratch); }

/* What to add to the POM, (z, y, x), for one FOV, (z, y, x, 2). All memory is aligned to 64 bytes. */
void ffn_update(const struct network *net, const float *fov, float *to, void *stream, void *inner,
                void *scratch, int threads)
{
#pragma omp parallel num_threads(threads)
    {
        struct scratch *mine = (struct scratch *)scratch + omp_get_thread_num();
        if (net->features == 2 * LANES)
            update(net, fov, to, stream, inner, mine, 2);
        else
            update(net, fov, to, stream, inner, mine, 1);
    }
}
