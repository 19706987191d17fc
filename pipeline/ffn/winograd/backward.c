/* The network backward, for training: the gradient of the loss by the weights, from that by the POM's update.
 *
 * A layer's input has its gradient by the same filtering as forward, with turned kernels. A layer's kernel is
 * found by the transposed algorithm: forward, outputs are A^T [(G kernel) (B^T data)], so the gradient by the
 * kernel is G^T [sum over tiles (A slopes) (B^T data)], along three axes each. These are 729 products where the
 * definition has 9,261, of the same points as forward.
 *
 * Sums over the FOV are taken slab by slab, a slab being the tiles at one z, and at last over the slabs in their
 * order: which thread had which slab does not change a bit.
 */
#include "winograd.h"

enum { TAPS = 3, FEATURES_AT_A_TIME = VECTOR == 64 ? 8 : 4 };

/* All of the weights in a row, each kernel followed by its biases, in the order of the layers: so they come from
 * Python and so are the gradients. */
struct weights {
    size_t layer;              /* vectors of a 3x3x3 kernel and its biases; conv0_a's are before the first */
    size_t kernel, first, all; /* of its kernel alone; of conv0_a; of all, the last one filled up */
};

static struct weights weights_of(const struct network *net)
{
    size_t width = net->features / LANES, kernel = (size_t)TAPS * TAPS * TAPS * net->features * width;
    size_t first = TAPS * TAPS * TAPS * 2 * width + width;
    return (struct weights){
        .layer = kernel + width,
        .kernel = kernel,
        .first = first,
        .all = first + (2 * net->depth - 1) * (kernel + width) + width + 1,
    };
}

/* What one thread needs for the tiles of a slab; of data there are two more voxels along y and x than of slopes. */
struct slab {
    vec *data_z, *slopes_z;    /* (point along z, y, x) */
    vec *data_y, *slopes_y;    /* (point along y, tile along y, point along z, x) */
    vec *data, *slopes;        /* of one point along y: (point along x, point along z, tile) */
    vec *products;             /* of one point along y and x: (point along z, feature, feature) */
    vec *taps_z;               /* of one point along y: (point along x, tap along z, feature, feature) */
    vec *taps_x;               /* (tap along x, tap along z, feature, feature) */
};

/* The slab's parts behind `memory`; returns how many vectors they take. */
static size_t lay_out(struct slab *slab, const struct network *net, vec *memory)
{
    struct shape s = shape_of(net->fov, net->features / LANES);
    size_t width = s.x, rows = OUT * s.tiles[1], row = OUT * s.tiles[2] * width, tiles = s.tiles[1] * s.tiles[2];
    size_t pairs = net->features * width, used = 0;
    const size_t sizes[] = {
        IN * (rows + 2) * (row + 2 * width), IN * rows * row,
        IN * s.tiles[1] * IN * (row + 2 * width), IN * s.tiles[1] * IN * row,
        IN * IN * tiles * width, IN * IN * tiles * width,
        IN * pairs, IN * TAPS * pairs, TAPS * TAPS * pairs,
    };
    vec **parts[] = {
        &slab->data_z, &slab->slopes_z, &slab->data_y, &slab->slopes_y, &slab->data, &slab->slopes,
        &slab->products, &slab->taps_z, &slab->taps_x,
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = memory + used;
        used += sizes[i];
    }
    return used;
}

INLINE void spread_pairs(const struct transform *by, const vec slopes[OUT], vec to[IN], const int pairs)
{
    to[0] = slopes[2 * pairs - 2];
    UNROLL for (int j = 0; j < pairs; j++) {
        vec even = by->back[0][j] * slopes[0], odd = by->back[1][j] * slopes[1];
        UNROLL for (int i = 2; i < 2 * pairs - 1; i += 2)
            even += by->back[i][j] * slopes[i];
        UNROLL for (int i = 3; i < 2 * pairs - 1; i += 2)
            odd += by->back[i][j] * slopes[i];
        to[2 * j + 1] = even + odd;
        to[2 * j + 2] = even - odd;
    }
}

/* transform_back, transposed: what successive voxels' slopes give at the points, along one axis. */
INLINE void spread(const struct transform *by, bool full, const vec slopes[OUT], vec to[IN])
{
    if (full) {
        spread_pairs(&by[0], slopes, to, PAIRS);
    } else {
        spread_pairs(&by[1], slopes, to, PAIRS - 1);
        to[IN - 2] = to[IN - 1] = (vec){0};
    }
}

/* A kernel's values at the points, along one axis. */
INLINE void evaluate(const struct transform *by, const vec taps[TAPS], vec to[IN])
{
    to[0] = taps[2];
    UNROLL for (int j = 0; j < PAIRS; j++) {
        vec even = taps[0] + by->points[j] * by->points[j] * taps[2], odd = by->points[j] * taps[1];
        to[2 * j + 1] = even + odd;
        to[2 * j + 2] = even - odd;
    }
}

/* evaluate, transposed: the kernel's gradient from that of its values. */
INLINE void gather(const struct transform *by, const vec values[IN], vec taps[TAPS])
{
    taps[0] = taps[1] = (vec){0};
    taps[2] = values[0];
    UNROLL for (int j = 0; j < PAIRS; j++) {
        vec even = values[2 * j + 1] + values[2 * j + 2];
        taps[0] += even;
        taps[1] += by->points[j] * (values[2 * j + 1] - values[2 * j + 2]);
        taps[2] += by->points[j] * by->points[j] * even;
    }
}

/* The slab's rows at the points along z; `data` and `slopes` are a layer's, from the slab's first border on. */
static void transform_slab_along_z(const struct slab *s, const struct transform *by, bool full,
                                   const struct shape *shape, const vec *data, const vec *slopes)
{
    const int rows = OUT * shape->tiles[1], row = OUT * shape->tiles[2] * shape->x, more = 2 * shape->x;
    for (int y = 0; y < rows + 2; y++)
        for (int i = 0; i < row + more; i++) {
            vec x[IN], t[IN];
            UNROLL for (int j = 0; j < IN; j++)
                x[j] = relu(data[j * shape->z + y * shape->y + i]);
            transform(by, full, x, t);
            UNROLL for (int p = 0; p < IN; p++)
                s->data_z[(p * (rows + 2) + y) * (row + more) + i] = t[p];
        }
    slopes += shape->z + shape->y + shape->x;
    for (int y = 0; y < rows; y++)
        for (int i = 0; i < row; i++) {
            vec x[OUT], t[IN];
            UNROLL for (int j = 0; j < OUT; j++)
                x[j] = slopes[j * shape->z + y * shape->y + i];
            spread(by, full, x, t);
            UNROLL for (int p = 0; p < IN; p++)
                s->slopes_z[(p * rows + y) * row + i] = t[p];
        }
}

static void transform_slab_along_y(const struct slab *s, const struct transform *by, bool full_z,
                                   const struct shape *shape)
{
    const int rows = OUT * shape->tiles[1], row = OUT * shape->tiles[2] * shape->x, more = 2 * shape->x;
    for (int tile = 0; tile < shape->tiles[1]; tile++)
        for (int pz = 0; pz < points(full_z); pz++) {
            const bool full = tile < shape->full[1];
            const ptrdiff_t at = tile * IN + pz, next = shape->tiles[1] * IN;
            const vec *data = s->data_z + (pz * (rows + 2) + tile * OUT) * (row + more);
            for (int i = 0; i < row + more; i++) {
                vec x[IN], t[IN];
                UNROLL for (int j = 0; j < IN; j++)
                    x[j] = data[j * (row + more) + i];
                transform(by, full, x, t);
                UNROLL for (int p = 0; p < IN; p++)
                    s->data_y[(p * next + at) * (row + more) + i] = t[p];
            }
            const vec *slopes = s->slopes_z + (pz * rows + tile * OUT) * row;
            for (int i = 0; i < row; i++) {
                vec x[OUT], t[IN];
                UNROLL for (int j = 0; j < OUT; j++)
                    x[j] = slopes[j * row + i];
                spread(by, full, x, t);
                UNROLL for (int p = 0; p < IN; p++)
                    s->slopes_y[(p * next + at) * row + i] = t[p];
            }
        }
}

/* The tiles of the first `rows` rows of tiles, at one point along y. */
INLINE void transform_slab_along_x(const struct slab *s, const struct transform *by, bool full_z,
                                   const struct shape *shape, int py, int rows, const int width)
{
    const int row = OUT * shape->tiles[2] * width, more = 2 * width, all = shape->tiles[1] * shape->tiles[2];
    for (int pz = 0; pz < points(full_z); pz++)
        for (int tile = 0; tile < rows * shape->tiles[2]; tile++) {
            const int along_y = tile / shape->tiles[2], along_x = tile % shape->tiles[2];
            const bool full = along_x < shape->full[2];
            const ptrdiff_t from = (py * shape->tiles[1] + along_y) * IN + pz;
            const vec *data = s->data_y + from * (row + more) + along_x * OUT * width;
            const vec *slopes = s->slopes_y + from * row + along_x * OUT * width;
            for (int lane = 0; lane < width; lane++) {
                vec x[IN], t[IN];
                UNROLL for (int j = 0; j < IN; j++)
                    x[j] = data[j * width + lane];
                transform(by, full, x, t);
                UNROLL for (int p = 0; p < IN; p++)
                    s->data[((p * IN + pz) * all + tile) * width + lane] = t[p];
                UNROLL for (int j = 0; j < OUT; j++)
                    x[j] = slopes[j * width + lane];
                spread(by, full, x, t);
                UNROLL for (int p = 0; p < IN; p++)
                    s->slopes[((p * IN + pz) * all + tile) * width + lane] = t[p];
            }
        }
}

/* to = (features, tiles) x (tiles, features), of which a block's sums stay in registers */
INLINE void multiply_tiles(const vec *data, const vec *slopes, vec *to, int tiles, const int width)
{
    const int features = width * LANES, block = block_of(width);
    const int most = block > BLOCK ? 4 : FEATURES_AT_A_TIME;
    for (int from = 0; from < width; from += block)
        for (int feature = 0; feature < features; feature += most) {
            const float *factors = (const float *)data + feature;
            const vec *slope = slopes + from;
            vec sum[FEATURES_AT_A_TIME][WIDTH] = {0};
            for (int t = 0; t < tiles; t++, factors += features, slope += width)
                UNROLL for (int k = 0; k < most; k++)
                    UNROLL for (int lane = 0; lane < block; lane++)
                        sum[k][lane] += factors[k] * slope[lane];
            UNROLL for (int k = 0; k < most; k++)
                UNROLL for (int lane = 0; lane < block; lane++)
                    to[(feature + k) * width + from + lane] = sum[k][lane];
        }
}

/* The products of one point along y, gathered along z and x. */
INLINE void multiply_slab(const struct slab *s, const struct transform *by, bool full_z, const struct shape *shape,
                          int rows, const int width)
{
    const int pairs = width * LANES * width, all = shape->tiles[1] * shape->tiles[2];
    for (int px = 0; px < IN; px++) {
        for (int pz = 0; pz < IN; pz++) {
            const ptrdiff_t at = (px * IN + pz) * all * width;
            const int tiles = pz < points(full_z) ? rows * shape->tiles[2] : 0;
            multiply_tiles(s->data + at, s->slopes + at, s->products + pz * pairs, tiles, width);
        }
        for (int i = 0; i < pairs; i++) {
            vec values[IN], taps[TAPS];
            UNROLL for (int p = 0; p < IN; p++)
                values[p] = s->products[p * pairs + i];
            gather(by, values, taps);
            UNROLL for (int k = 0; k < TAPS; k++)
                s->taps_z[(px * TAPS + k) * pairs + i] = taps[k];
        }
    }
    for (int i = 0; i < TAPS * pairs; i++) {
        vec values[IN], taps[TAPS];
        UNROLL for (int p = 0; p < IN; p++)
            values[p] = s->taps_z[p * TAPS * pairs + i];
        gather(by, values, taps);
        UNROLL for (int k = 0; k < TAPS; k++)
            s->taps_x[k * TAPS * pairs + i] = taps[k];
    }
}

/* A slab's part in a kernel's gradient, (z, y, x, features, features), and behind it in that of the biases. */
INLINE void slab_gradient(const struct slab *s, const struct transform *by, int number, const struct shape *shape,
                          const vec *data, const vec *slopes, vec *to, const int width)
{
    const bool full_z = number < shape->full[0];
    const int pairs = width * LANES * width;
    const float *point = by->points;
    data += number * OUT * shape->z;
    slopes += number * OUT * shape->z;
    transform_slab_along_z(s, by, full_z, shape, data, slopes);
    transform_slab_along_y(s, by, full_z, shape);
    memset(to, 0, (TAPS * TAPS * TAPS * pairs + width) * sizeof(vec));
    for (int py = 0; py < IN; py++) {
        const int rows = py < IN - 2 ? shape->tiles[1] : shape->full[1], j = (py - 1) / 2;
        const float odd = py == 0 ? 0 : py % 2 ? point[j] : -point[j];
        const float weights[TAPS] = {py > 0, odd, py > 0 ? odd * odd : 1};
        transform_slab_along_x(s, by, full_z, shape, py, rows, width);
        multiply_slab(s, by, full_z, shape, rows, width);
        for (int tap = 0; tap < TAPS * TAPS * TAPS; tap++) {
            const int z = tap / (TAPS * TAPS), y = tap / TAPS % TAPS, x = tap % TAPS;
            for (int i = 0; i < pairs; i++)
                to[tap * pairs + i] += weights[y] * s->taps_x[(x * TAPS + z) * pairs + i];
        }
    }
    vec *biases = to + TAPS * TAPS * TAPS * pairs;
    for (int z = 1; z <= OUT; z++)
        for (int y = 1; y <= shape->size[1]; y++)
            for (int i = 0; i < shape->size[2] * width; i++)
                biases[i % width] += slopes[z * shape->z + y * shape->y + shape->x + i];
}

/* A slab's part in the gradient of conv0_a's kernel, (27, 2, features), and of its biases. */
INLINE void first_gradient(const struct network *net, int number, const struct shape *shape, const float *fov,
                           const vec *slopes, vec *to, const int width)
{
    enum { AT_A_TIME = 6 };
    const int *size = shape->size, end = least(size[0], (number + 1) * OUT), block = block_of(width);
    memset(to, 0, weights_of(net).first * sizeof(vec));
    for (int z = number * OUT; z < end; z++)
        for (int y = 0; y < size[1]; y++) {
            float rows[9][(size[2] + 2) * 2];
            copy_rows(fov, size, z, y, size[2] + 2, rows);
            const vec *slope = slopes + (z + 1) * shape->z + (y + 1) * shape->y + shape->x;
            for (int i = 0; i < 9; i++)
                for (int from = 0; from < width; from += block) {
                    vec sum[AT_A_TIME][WIDTH] = {0};
                    for (int x = 0; x < size[2]; x++)
                        UNROLL for (int k = 0; k < AT_A_TIME; k++)
                            UNROLL for (int lane = 0; lane < block; lane++)
                                sum[k][lane] += rows[i][x * 2 + k] * slope[x * width + from + lane];
                    UNROLL for (int k = 0; k < AT_A_TIME; k++)
                        UNROLL for (int lane = 0; lane < block; lane++)
                            to[(i * AT_A_TIME + k) * width + from + lane] += sum[k][lane];
                }
            for (int i = 0; i < size[2] * width; i++)
                to[9 * AT_A_TIME * width + i % width] += slope[i];
        }
}

/* A slab's part in the gradient of conv_lom's kernel, (features), and of its bias; and the slopes of its input. */
INLINE void last_gradient(const struct network *net, int number, const struct shape *shape, const float *slope,
                          const vec *stream, vec *slopes, vec *to, const int width)
{
    const int *size = shape->size, end = least(size[0], (number + 1) * OUT);
    memset(to, 0, (width + 1) * sizeof(vec));
    float *bias = (float *)(to + width);
    for (int z = number * OUT; z < end; z++)
        for (int y = 0; y < size[1]; y++) {
            const ptrdiff_t at = (z + 1) * shape->z + (y + 1) * shape->y + shape->x;
            for (int x = 0; x < size[2]; x++) {
                const float here = slope[(z * size[1] + y) * size[2] + x];
                *bias += here;
                for (int i = 0; i < width; i++) {
                    const ptrdiff_t voxel = at + x * width + i;
                    to[i] += here * relu(stream[voxel]);
                    slopes[voxel] = where_positive(stream[voxel], here * net->last[i]);
                }
            }
        }
}

/* What ffn_backward works on. */
struct task {
    const struct network *net;
    const float *fov, *slope;
    struct activations kept;
    const vec *turned;         /* kernels, as in `struct network`, turned */
    vec *inner, *stream;       /* slopes inside a residual module, and between modules */
    vec *parts;                /* (slab, all weights) */
    vec *gradient;             /* (all weights), to which is added */
};

/* Called by all threads. */
INLINE void go_back(const struct task *t, struct scratch *scratch, const struct slab *slab, const int width)
{
    const struct network *net = t->net;
    const struct shape shape = shape_of(net->fov, width);
    const struct weights weights = weights_of(net);
    const size_t kernel = (size_t)POINTS * LANES * width * width;
    const int slabs = shape.tiles[0], layers = 2 * net->depth - 1;
#pragma omp for
    for (int n = 0; n < slabs; n++)
        last_gradient(net, n, &shape, t->slope, t->kept.stream + (net->depth - 1) * t->kept.module, t->stream,
                      t->parts + n * weights.all + weights.first + layers * weights.layer, width);
    for (int layer = layers - 1; layer >= 0; layer--) {
        const bool into = layer % 2 == 1; /* a residual module, not out of it */
        const vec *data = into ? t->kept.stream : t->kept.inner, *slopes = into ? t->inner : t->stream;
        data += layer / 2 * t->kept.module;
#pragma omp for schedule(dynamic) nowait
        for (int n = 0; n < slabs; n++)
            slab_gradient(slab, net->transforms, n, &shape, data, slopes,
                          t->parts + n * weights.all + weights.first + layer * weights.layer, width);
        const struct convolution c = {
            .in = slopes,
            .out = into ? t->stream : t->inner,
            .base = into ? t->stream : NULL,
            .mask = data,
            .kernels = t->turned + layer * kernel,
        };
        convolve(&c, &shape, net->transforms, scratch, width, true);
    }
#pragma omp for
    for (int n = 0; n < slabs; n++)
        first_gradient(net, n, &shape, t->fov, t->inner, t->parts + n * weights.all, width);
#pragma omp for
    for (size_t i = 0; i < weights.all; i++)
        for (int n = 0; n < slabs; n++)
            t->gradient[i] += t->parts[n * weights.all + i];
}

/* The values at the points, (point along y, x, z, features, features), of a kernel (z, y, x, features, features). */
static void evaluate_kernel(const struct transform *by, const vec *kernel, ptrdiff_t pairs, vec *spare, vec *to)
{
    vec *along_y = spare, *along_x = spare + IN * TAPS * pairs; /* (y, x) of one z; (y, x, z) */
#define EVALUATE(count, from, apart, target, target_apart) \
    for (ptrdiff_t i = 0; i < (count); i++) { \
        const vec taps[TAPS] = {(from)[i], (from)[(apart) + i], (from)[2 * (apart) + i]}; \
        vec values[IN]; \
        evaluate(by, taps, values); \
        UNROLL for (int p = 0; p < IN; p++) \
            (target)[p * (target_apart) + i] = values[p]; \
    }
    for (int z = 0; z < TAPS; z++) {
        for (int x = 0; x < TAPS; x++)
            EVALUATE(pairs, kernel + (z * TAPS * TAPS + x) * pairs, TAPS * pairs, along_y + x * pairs, TAPS * pairs)
        for (int y = 0; y < IN; y++)
            EVALUATE(pairs, along_y + y * TAPS * pairs, pairs, along_x + (y * IN * TAPS + z) * pairs, TAPS * pairs)
    }
    for (int yx = 0; yx < IN * IN; yx++)
        EVALUATE(pairs, along_x + yx * TAPS * pairs, pairs, to + yx * IN * pairs, pairs)
}

/* Each (features, features) of a kernel transposed, in the opposite order of taps. */
static void turn(const float *kernel, float *to, int features)
{
    for (int tap = 0; tap < TAPS * TAPS * TAPS; tap++)
        for (int in = 0; in < features; in++)
            for (int out = 0; out < features; out++)
                to[((TAPS * TAPS * TAPS - 1 - tap) * features + out) * features + in] =
                    kernel[(tap * features + in) * features + out];
}

static size_t spare_vectors(const struct network *net)
{
    size_t pairs = net->features * (net->features / LANES);
    return (TAPS * TAPS * TAPS + TAPS * IN + IN * IN * TAPS) * pairs;
}

/* Numbers of the weights as Python gives them, the last one filled up to whole vectors. */
size_t ffn_weights(const struct network *net) { return weights_of(net).all * LANES; }

/* Bytes that each thread needs: behind its scratch memory for the strips, its slab, or a kernel on its way. */
size_t ffn_training_scratch_bytes(const struct network *net)
{
    struct slab slab;
    size_t vectors = lay_out(&slab, net, NULL), spare = spare_vectors(net);
    return sizeof(struct scratch) + (vectors > spare ? vectors : spare) * sizeof(vec);
}

/* Bytes of a part of the gradient for every slab. */
size_t ffn_parts_bytes(const struct network *net)
{
    return shape_of(net->fov, 1).tiles[0] * weights_of(net).all * sizeof(vec);
}

/* Fills net->kernels, and the turned ones, from all weights in a row. */
void ffn_evaluate_kernels(const struct network *net, const void *weights, void *kernels, void *turned,
                          char *scratch, int threads)
{
    const struct weights of = weights_of(net);
    const ptrdiff_t pairs = net->features * (net->features / LANES);
    const size_t bytes = ffn_training_scratch_bytes(net);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int layer = 0; layer < 2 * net->depth - 1; layer++) {
        vec *spare = (vec *)(scratch + omp_get_thread_num() * bytes + sizeof(struct scratch));
        vec *other = spare + TAPS * TAPS * TAPS * pairs;
        const vec *kernel = (const vec *)weights + of.first + layer * of.layer;
        evaluate_kernel(net->transforms, kernel, pairs, other, (vec *)kernels + layer * POINTS * pairs);
        turn((const float *)kernel, (float *)spare, net->features);
        evaluate_kernel(net->transforms, spare, pairs, other, (vec *)turned + layer * POINTS * pairs);
    }
}

/* Adds to `gradient`, of all weights in a row, what one FOV, (z, y, x, 2), has in it. `slope` is the gradient by
 * what ffn_forward just added to its POM, (z, y, x). `slopes` are two layers' activations, `scratch` what each
 * thread needs, `parts` a gradient for every slab. */
void ffn_backward(const struct network *net, const float *fov, const float *slope, void *activations,
                  const void *turned, void *slopes, void *parts, void *gradient, char *scratch, int threads)
{
    const size_t bytes = ffn_training_scratch_bytes(net);
    const struct task task = {
        .net = net,
        .fov = fov,
        .slope = slope,
        .kept = all_kept(net, activations),
        .turned = turned,
        .inner = slopes,
        .stream = (vec *)slopes + all_kept(net, slopes).module / 2,
        .parts = parts,
        .gradient = gradient,
    };
#pragma omp parallel num_threads(threads)
    {
        struct scratch *mine = (struct scratch *)(scratch + omp_get_thread_num() * bytes);
        struct slab slab;
        lay_out(&slab, net, (vec *)(mine + 1));
        FOR_WIDTH(net, go_back(&task, mine, &slab, width));
    }
}
