/* The network forward: what to add to the POM, in inference and in training. winograd.h says how. */
#include "winograd.h"

/* conv0_a, whose input has two features: the image and the POM. One row along x. */
INLINE void convolve_first(const struct network *net, const float *fov, vec *out,
                           const struct shape *shape, int z, int y, const int width)
{
    const int *size = shape->size, voxels = size[2] + 2 + FIRST;
    float rows[9][voxels * 2];
    copy_rows(fov, size, z, y, voxels, rows);
    vec *to = out + (z + 1) * shape->z + (y + 1) * shape->y + shape->x;
    const int block = block_of(width);
    for (int x = 0; x < size[2]; x += FIRST)
        for (int from = 0; from < width; from += block) {
            const vec *first = net->first + from;
            vec sum[FIRST][WIDTH];
            for (int t = 0; t < FIRST; t++)
                for (int lane = 0; lane < block; lane++)
                    sum[t][lane] = net->biases[from + lane];
            for (int i = 0; i < 9; i++)
                for (int k = 0; k < 6; k++)
                    for (int t = 0; t < FIRST; t++)
                        for (int lane = 0; lane < block; lane++)
                            sum[t][lane] += rows[i][(x + t) * 2 + k] * first[(i * 6 + k) * width + lane];
            for (int t = 0; t < FIRST && x + t < size[2]; t++)
                for (int lane = 0; lane < block; lane++)
                    to[(x + t) * width + from + lane] = sum[t][lane];
        }
}

/* conv_lom, of one voxel. */
INLINE float weigh(const struct network *net, const vec *voxel, const int width)
{
    vec sum[GROUP] = {0};
    for (int i = 0; i < width; i++)
        sum[i % GROUP] += relu(voxel[i]) * net->last[i];
    float *terms = (float *)sum;
    for (int half = GROUP * LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            terms[i] += terms[i + half];
    return terms[0] + net->last_bias;
}

/* The whole network; called by all threads. */
INLINE void update(const struct network *net, const float *fov, float *to, const struct activations *kept,
                   struct scratch *scratch, const int width)
{
    const struct shape shape = shape_of(net->fov, width);
    const size_t kernel = (size_t)POINTS * LANES * width * width;
    const int *size = shape.size, rows = size[0] * size[1];
#pragma omp for
    for (int row = 0; row < rows; row++)
        convolve_first(net, fov, kept->inner, &shape, row / size[1], row % size[1], width);
    for (int layer = 0; layer < 2 * net->depth - 1; layer++) {
        const bool into = layer % 2 == 1; /* the next residual module, not out of it */
        vec *inner = kept->inner + (layer + 1) / 2 * kept->module, *stream = kept->stream + layer / 2 * kept->module;
        const struct convolution c = {
            .in = into ? stream : inner,
            .out = into ? inner : stream,
            .base = into || layer == 0 ? NULL : stream - kept->module,
            .kernels = net->kernels + layer * kernel,
            .bias = net->biases + (layer + 1) * width,
        };
        convolve(&c, &shape, net->transforms, scratch, width, false);
    }
    const vec *stream = kept->stream + (net->depth - 1) * kept->module;
#pragma omp for
    for (int row = 0; row < rows; row++) {
        const vec *from = stream + (row / size[1] + 1) * shape.z + (row % size[1] + 1) * shape.y + shape.x;
        for (int x = 0; x < size[2]; x++)
            to[row * size[2] + x] = weigh(net, from + x * shape.x, width);
    }
}

/* What a network of up to 64 features is filled up to, with features that stay zero. */
int ffn_features(int features)
{
    int step = features > 8 || LANES > 8 ? 16 : 8;
    return (features + step - 1) / step * step;
}

/* Bytes of one layer's activations, which are zero at first. ffn_update needs two, ffn_forward two a module. */
size_t ffn_activations_bytes(const struct network *net)
{
    struct shape s = shape_of(net->fov, net->features / LANES);
    return (OUT * s.tiles[0] + 2) * s.z * sizeof(vec);
}

/* Bytes that each thread needs beside them. */
size_t ffn_scratch_bytes(void) { return sizeof(struct scratch); }

static void forward(const struct network *net, const float *fov, float *to, struct activations kept,
                    struct scratch *scratch, int threads)
{
#pragma omp parallel num_threads(threads)
    {
        struct scratch *mine = scratch + omp_get_thread_num();
        FOR_WIDTH(net, update(net, fov, to, &kept, mine, width));
    }
}

/* What to add to the POM, (z, y, x), for one FOV, (z, y, x, 2). All memory is aligned to 64 bytes. */
void ffn_update(const struct network *net, const float *fov, float *to, void *stream, void *inner,
                void *scratch, int threads)
{
    forward(net, fov, to, (struct activations){.inner = inner, .stream = stream}, scratch, threads);
}

/* The same; keeps in `activations` what ffn_backward needs, 2 * depth layers. */
void ffn_forward(const struct network *net, const float *fov, float *to, void *activations, void *scratch,
                 int threads)
{
    forward(net, fov, to, all_kept(net, activations), scratch, threads);
}
