/* The network's 3x3x3 convolutions on CPUs by Winograd's minimal filtering, in float32.
 *
 * Seven outputs of a filter of three come from nine products instead of 21: filter and data are taken for
 * polynomials, and the values of their product at nine points are products of their values (Lavin and Gray,
 * "Fast algorithms for convolutional neural networks", CVPR 2016). Along three axes 343 outputs come from
 * 729 products instead of 9,261. Each axis of the data is transformed to the points; then there is at each
 * point a product of two matrices, tiles x features and the kernel's features x features; and each axis is
 * transformed back. Where at most five voxels are left at the end of an axis its last tile is short: it does
 * without the last two points.
 *
 * Activations are (z, y, x, feature) with a border of zeros. The work is divided into strips, a row of up to
 * STRIP tiles along x. Each strip is computed in the same way whatever thread does it: threads do not change
 * a bit.
 *
 * setup.py compiles forward.c and backward.c once for each set of instructions: AVX-512, AVX2 with FMA, NEON.
 * What is computed is the same in all of them, in the same order. Python prepares the weights and the
 * transforms, says what fits, and calls the functions that are not static.
 */
#pragma once

#ifdef __AVX512F__
#include <immintrin.h>
#endif
#include <omp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined __AVX512F__
enum { VECTOR = 64, BLOCK = 2, FIRST = 11 };
#elif defined __AVX2__         /* half as many registers as the others have */
enum { VECTOR = 32, BLOCK = 2, FIRST = 5 };
#else
enum { VECTOR = 16, BLOCK = 4, FIRST = 5 };
#endif

enum {
    PAIRS = 4,                 /* of points p and -p; the ninth point is infinity */
    IN = 2 * PAIRS + 1,        /* points, and voxels that a tile depends on, along an axis */
    OUT = IN - 2,              /* voxels of a tile along an axis */
    POINTS = IN * IN * IN,
    STRIP = 5,                 /* most tiles of a strip */
    COLUMNS = OUT * STRIP + 2,
    LANES = VECTOR / sizeof(float),
    WIDTH = 64 / LANES,        /* most vectors of a voxel */
    LINE = 64 / VECTOR,        /* vectors of a line of the cache */
    GROUP = 16 / LANES,        /* vectors whose sums conv_lom takes at a time */
};

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef float vec __attribute__((vector_size(VECTOR)));
typedef int bits __attribute__((vector_size(VECTOR)));

/* Of one axis of a tile, at infinity and at some pairs of points p and -p. The polynomials are products of
 * x^2 - p^2; their coefficients are given from that of x^0 on, without the highest, which is 1. */
struct transform {
    float points[PAIRS];
    float all[PAIRS];          /* of all pairs */
    float others[PAIRS][PAIRS]; /* of all pairs but one */
    float back[OUT][PAIRS];    /* what each pair counts in an output */
};

struct network {
    int fov[3], depth, features;
    const struct transform *transforms; /* of full tiles, of short tiles */
    const vec *first;          /* kernel of conv0_a: (27, 2, features) */
    const vec *kernels;        /* of the others: (layer, point along y, x, z, features, features) */
    const vec *biases;         /* (layer, features), conv0_a's first */
    const vec *last;           /* kernel of conv_lom: (features) */
    float last_bias;
};

/* What the layers find, before the ReLU that follows: inside residual module i, and where it ends. */
struct activations {
    vec *inner, *stream;
    ptrdiff_t module;          /* from that of one module to the next; 0: each takes the place of the last */
};

/* One layer forward: out = base + bias + convolution of relu(in). Or back to the gradient of its input, by the
 * turned kernel: out = base + convolution of in, where `mask` is positive. */
struct convolution {
    const vec *in, *kernels, *bias, *mask, *base; /* bias forward, mask back; no base is zero */
    vec *out;
};

struct scratch {               /* of one thread; last are the vectors of voxels along x, or of tiles */
    vec rows[IN][IN][COLUMNS * WIDTH];   /* y modulo IN, point along z */
    vec planes[IN][IN][COLUMNS * WIDTH]; /* point along y, point along z; then, transformed back, z */
    vec data[IN][IN][STRIP * WIDTH];     /* of one point along y: point along x, point along z */
    vec sums[IN][OUT][STRIP * WIDTH];    /* of one point along y: point along x, z */
};

struct shape {                 /* of the activations; strides in vectors */
    int size[3], tiles[3], full[3], strips_x, strip_tiles;
    ptrdiff_t x, y, z;
};

struct strip {
    int z, y, x;               /* its first voxel, the border not counted */
    int tiles, full_x;         /* the first `full_x` of its tiles are full along x */
    bool full_y, full_z;
};

static int least(int a, int b) { return a < b ? a : b; }

/* How many vectors of a voxel have their sums in registers at a time. */
INLINE int block_of(const int width) { return width % BLOCK ? width : BLOCK; }

static struct shape shape_of(const int fov[3], int width)
{
    struct shape s;
    for (int i = 0; i < 3; i++) {
        int left = fov[i] % OUT;
        s.size[i] = fov[i];
        s.full[i] = fov[i] / OUT + (left > OUT - 2);
        s.tiles[i] = fov[i] / OUT + (left > 0);
    }
    s.strips_x = (s.tiles[2] + STRIP - 1) / STRIP;
    s.strip_tiles = (s.tiles[2] + s.strips_x - 1) / s.strips_x;
    s.x = width;
    s.y = s.x * (OUT * s.tiles[2] + 2);
    s.z = s.y * (OUT * s.tiles[1] + 2);
    return s;
}

static int count_strips(const struct shape *s) { return s->tiles[0] * s->strips_x * s->tiles[1]; }

/* Strips that follow each other along y have successive numbers. */
static struct strip strip_at(const struct shape *s, int number)
{
    int y = number % s->tiles[1], column = number / s->tiles[1];
    int x = column % s->strips_x * s->strip_tiles, z = column / s->strips_x;
    return (struct strip){
        .z = z * OUT,
        .y = y * OUT,
        .x = x * OUT,
        .tiles = least(s->strip_tiles, s->tiles[2] - x),
        .full_x = least(s->strip_tiles, s->full[2] - x),
        .full_y = y < s->full[1],
        .full_z = z < s->full[0],
    };
}

static int points(bool full) { return full ? IN : IN - 2; }

static int points_of(struct strip at) { return points(at.full_z) * points(at.full_y); }

/* The first strip of a thread. Each has successive ones with about as many points as the others have, and the
 * same ones in every layer: what another core has written takes long to come. */
static int first_strip(const struct shape *s, int thread, int threads)
{
    int all = 0, before = 0, n = 0;
    for (int i = 0; i < count_strips(s); i++)
        all += points_of(strip_at(s, i));
    while (n < count_strips(s) && (2 * before + points_of(strip_at(s, n))) * threads <= 2 * all * thread)
        before += points_of(strip_at(s, n++));
    return n;
}

/* NaN stays NaN. */
INLINE vec relu(vec x)
{
#ifdef __AVX512F__
    return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)x);
#else
    return (vec)((bits)x & ~(x < 0));
#endif
}

/* x where `mask` is positive, zero elsewhere; NaN counts as positive. */
INLINE vec where_positive(vec mask, vec x) { return (vec)((bits)x & ~(mask <= 0)); }

INLINE void transform_pairs(const struct transform *by, const vec x[IN], vec to[IN], const int pairs)
{
    to[0] = x[2 * pairs];
    UNROLL for (int k = 0; k < pairs; k++)
        to[0] += by->all[k] * x[2 * k];
    UNROLL for (int j = 0; j < pairs; j++) {
        vec even = x[2 * pairs - 2], odd = x[2 * pairs - 1];
        UNROLL for (int k = 0; k < pairs - 1; k++) {
            even += by->others[j][k] * x[2 * k];
            odd += by->others[j][k] * x[2 * k + 1];
        }
        to[2 * j + 1] = by->points[j] * even + odd;
        to[2 * j + 2] = by->points[j] * even - odd;
    }
}

INLINE void transform_pairs_back(const struct transform *by, const vec m[IN], vec to[OUT], const int pairs)
{
    vec terms[2][PAIRS];
    UNROLL for (int j = 0; j < pairs; j++) {
        terms[0][j] = m[2 * j + 1] + m[2 * j + 2];
        terms[1][j] = m[2 * j + 1] - m[2 * j + 2];
    }
    UNROLL for (int i = 0; i < 2 * pairs - 1; i++) {
        to[i] = by->back[i][0] * terms[i % 2][0];
        UNROLL for (int j = 1; j < pairs; j++)
            to[i] += by->back[i][j] * terms[i % 2][j];
    }
    to[2 * pairs - 2] += m[0];
}

/* The values at the points from those of successive voxels, along one axis; zero at points not taken. */
INLINE void transform(const struct transform *by, bool full, const vec x[IN], vec to[IN])
{
    if (full) {
        transform_pairs(&by[0], x, to, PAIRS);
    } else {
        transform_pairs(&by[1], x, to, PAIRS - 1);
        to[IN - 2] = to[IN - 1] = (vec){0};
    }
}

/* The values of successive voxels from those at the points, along one axis; zero beyond a short tile. */
INLINE void transform_back(const struct transform *by, bool full, const vec m[IN], vec to[OUT])
{
    if (full) {
        transform_pairs_back(&by[0], m, to, PAIRS);
    } else {
        transform_pairs_back(&by[1], m, to, PAIRS - 1);
        to[OUT - 2] = to[OUT - 1] = (vec){0};
    }
}

/* One row of voxels along x, from successive z. */
INLINE void transform_along_z(const struct transform *by, bool full, const vec *row, ptrdiff_t z, int vectors,
                              vec to[IN][COLUMNS * WIDTH], const bool back)
{
    for (int i = 0; i < vectors; i++) {
        vec x[IN], t[IN];
        UNROLL for (int j = 0; j < IN; j++)
            x[j] = back ? row[j * z + i] : relu(row[j * z + i]);
        transform(by, full, x, t);
        UNROLL for (int p = 0; p < IN; p++)
            to[p][i] = t[p];
    }
}

/* The strip's rows, which are transformed along z. */
static void transform_along_y(struct scratch *s, const struct transform *by, struct strip at, int vectors)
{
    for (int pz = 0; pz < points(at.full_z); pz++)
        for (int i = 0; i < vectors; i++) {
            vec x[IN], t[IN];
            UNROLL for (int y = 0; y < IN; y++)
                x[y] = s->rows[(at.y + y) % IN][pz][i];
            transform(by, at.full_y, x, t);
            UNROLL for (int py = 0; py < IN; py++)
                s->planes[py][pz][i] = t[py];
        }
}

/* The rows at one point along y. */
INLINE void transform_along_x(struct scratch *s, const struct transform *by, struct strip at, int py,
                              const int width)
{
    for (int pz = 0; pz < points(at.full_z); pz++)
        for (int tile = 0; tile < at.tiles; tile++)
            for (int lane = 0; lane < width; lane++) {
                vec x[IN], t[IN];
                UNROLL for (int i = 0; i < IN; i++)
                    x[i] = s->planes[py][pz][(tile * OUT + i) * width + lane];
                transform(by, tile < at.full_x, x, t);
                UNROLL for (int px = 0; px < IN; px++)
                    s->data[px][pz][tile * width + lane] = t[px];
            }
}

/* to = (tiles, features) x (features, features), of which a block's sums stay in registers */
INLINE void multiply(const vec *data, const vec *kernel, vec *to, const int tiles, const int width)
{
    const int features = width * LANES, block = block_of(width);
    for (int from = 0; from < width; from += block) {
        const float *factors = (const float *)data;
        const vec *kernels = kernel + from;
        vec sum[STRIP][WIDTH] = {0};
        __asm__("" : "+r"(factors), "+r"(kernels)); /* or their addresses are computed anew for every product */
        for (int k = 0; k < features; k++)
            for (int t = 0; t < tiles; t++)
                for (int lane = 0; lane < block; lane++)
                    sum[t][lane] += factors[t * features + k] * kernels[k * width + lane];
        for (int t = 0; t < tiles; t++)
            for (int lane = 0; lane < block; lane++)
                to[t * width + from + lane] = sum[t][lane];
    }
}

/* Rows of activations that are needed soon: those that the next strip reads for the first time, and those
 * that this one writes. */
struct ahead {
    const vec *in, *out;
    ptrdiff_t y, z;
    int length;
};

/* Fetches a part of them into the cache; many requests at once would be waited for. */
INLINE void fetch(const struct ahead *rows, int part)
{
    enum { ALONG_Z = IN + OUT, PARTS = POINTS / (OUT * ALONG_Z) };
    int row = part / PARTS, z = row % ALONG_Z, length = rows->length / PARTS;
    if (row >= OUT * ALONG_Z)
        return;
    const vec *from = z < IN ? rows->in + z * rows->z : rows->out + (z - IN) * rows->z;
    from += row / ALONG_Z * rows->y + part % PARTS * length;
    for (int i = 0; i < length; i += LINE)
        __builtin_prefetch(from + i, 0, 2);
}

/* The products at one point along y and x, transformed back along z. */
INLINE void multiply_point(struct scratch *s, const struct transform *by, bool full_z, const vec *kernels,
                           int py, int px, const struct ahead *ahead, const int tiles, const int width)
{
    vec products[IN][STRIP * WIDTH];
    for (int pz = 0; pz < points(full_z); pz++) {
        int point = (py * IN + px) * IN + pz;
        fetch(ahead, point);
        multiply(s->data[px][pz], kernels + point * width * LANES * width, products[pz], tiles, width);
    }
    for (int i = 0; i < tiles * width; i++) {
        vec m[IN], t[OUT];
        UNROLL for (int pz = 0; pz < IN; pz++)
            m[pz] = products[pz][i];
        transform_back(by, full_z, m, t);
        UNROLL for (int z = 0; z < OUT; z++)
            s->sums[px][z][i] = t[z];
    }
}

/* The products at one point along y, transformed back along z and x. */
INLINE void multiply_row(struct scratch *s, const struct transform *by, struct strip at, const vec *kernels,
                         int py, const struct ahead *ahead, const int width)
{
#define MULTIPLY(tiles) multiply_point(s, by, at.full_z, kernels, py, px, ahead, tiles, width)
    for (int px = 0; px < IN; px++)
        switch (px < IN - 2 ? at.tiles : at.full_x) { /* the compiler has to know the number */
        case 1: MULTIPLY(1); break;
        case 2: MULTIPLY(2); break;
        case 3: MULTIPLY(3); break;
        case 4: MULTIPLY(4); break;
        case 5: MULTIPLY(5); break;
        }
    for (int z = 0; z < points(at.full_z) - 2; z++)
        for (int tile = 0; tile < at.tiles; tile++)
            for (int lane = 0; lane < width; lane++) {
                vec m[IN], t[OUT];
                UNROLL for (int px = 0; px < IN; px++)
                    m[px] = s->sums[px][z][tile * width + lane];
                transform_back(by, tile < at.full_x, m, t);
                UNROLL for (int x = 0; x < OUT; x++)
                    s->planes[py][z][(tile * OUT + x) * width + lane] = t[x];
            }
}

/* The strip's output, transformed back along y; its first voxel is `first` vectors behind that of the border.
 * What lies beyond the FOV stays zero. */
INLINE void write_strip(const struct scratch *s, const struct transform *by, struct strip at,
                        const struct shape *shape, ptrdiff_t first, const struct convolution *c, const int width,
                        const bool back)
{
    int size_z = least(OUT, shape->size[0] - at.z), size_y = least(OUT, shape->size[1] - at.y);
    int size_x = least(OUT * at.tiles, shape->size[2] - at.x);
    for (int z = 0; z < size_z; z++)
        for (int i = 0; i < size_x * width; i++) {
            ptrdiff_t to = first + z * shape->z + i;
            vec m[IN], t[OUT];
            UNROLL for (int py = 0; py < IN; py++)
                m[py] = s->planes[py][z][i];
            transform_back(by, at.full_y, m, t);
            for (int y = 0; y < size_y; y++, to += shape->y) {
                vec found = back ? where_positive(c->mask[to], t[y]) : t[y] + c->bias[i % width];
                c->out[to] = found + (c->base ? c->base[to] : (vec){0});
            }
        }
}

/* Called by all threads, which share the strips. */
INLINE void convolve(const struct convolution *c, const struct shape *shape, const struct transform *by,
                     struct scratch *s, const int width, const bool back)
{
    int thread = omp_get_thread_num(), threads = omp_get_num_threads();
    int first = first_strip(shape, thread, threads), end = first_strip(shape, thread + 1, threads);
    for (int n = first; n < end; n++) {
        struct strip at = strip_at(shape, n), next = strip_at(shape, least(n + 1, end - 1));
        const vec *from = c->in + at.z * shape->z + at.x * shape->x;
        ptrdiff_t to = (at.z + 1) * shape->z + (at.y + 1) * shape->y + (at.x + 1) * shape->x;
        struct ahead ahead = {
            .in = c->in + next.z * shape->z + (next.y + IN - OUT) * shape->y + next.x * shape->x,
            .out = c->out + to,
            .y = shape->y,
            .z = shape->z,
            .length = OUT * at.tiles * width,
        };
        bool goes_on = n > first && at.y > 0; /* the first rows are there already */
        for (int y = at.y + (goes_on ? IN - OUT : 0); y < at.y + points(at.full_y); y++)
            transform_along_z(by, at.full_z, from + y * shape->y, shape->z, (OUT * at.tiles + 2) * width,
                              s->rows[y % IN], back);
        transform_along_y(s, by, at, (OUT * at.tiles + 2) * width);
        for (int py = 0; py < points(at.full_y); py++) {
            transform_along_x(s, by, at, py, width);
            multiply_row(s, by, at, c->kernels, py, &ahead, width);
        }
        write_strip(s, by, at, shape, to, c, width, back);
    }
#pragma omp barrier
}

/* The rows of a FOV (z, y, x, 2) around that at z, y, each from x = -1 on; zero beyond the FOV. */
INLINE void copy_rows(const float *fov, const int *size, int z, int y, int voxels, float rows[9][voxels * 2])
{
    memset(rows, 0, sizeof(float[9][voxels * 2]));
    for (int i = 0; i < 9; i++) {
        int from_z = z + i / 3 - 1, from_y = y + i % 3 - 1;
        if (from_z >= 0 && from_y >= 0 && from_z < size[0] && from_y < size[1])
            memcpy(rows[i] + 2, fov + (from_z * size[1] + from_y) * size[2] * 2, sizeof(float[2]) * size[2]);
    }
}

/* The activations of all modules, one behind the other. */
INLINE struct activations all_kept(const struct network *net, vec *memory)
{
    struct shape s = shape_of(net->fov, net->features / LANES);
    ptrdiff_t one = (OUT * s.tiles[0] + 2) * s.z;
    return (struct activations){.inner = memory, .stream = memory + one, .module = 2 * one};
}

/* Does `what` with the `width` of a network's voxels, which the compiler has to know. */
#define FOR_FEATURES(features, what) case features: { const int width = features / LANES; what; } break
#ifndef __AVX512F__
#define FOR_8(what) FOR_FEATURES(8, what);
#else
#define FOR_8(what)
#endif
#define FOR_WIDTH(net, what) \
    switch ((net)->features) { \
        FOR_8(what) \
        FOR_FEATURES(16, what); \
        FOR_FEATURES(32, what); \
        FOR_FEATURES(48, what); \
        FOR_FEATURES(64, what); \
    }
