/* Counting and filling of a block: what compiled.py calls, and says. The same as contingency.py and
   filling.py do with NumPy and scipy, to the last bit.

   Arrays are z, y, x. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#define FOR_EACH_CPU __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_CPU
#endif

/* ---- Counting: runs along x are added to tables of pairs, which are found by their hash ---- */

struct pair {
    uint64_t truth, segment;
    int64_t voxels; /* 0: a free place */
};

struct table {
    struct pair *places; /* 2^bits of them, at most half of them taken */
    int64_t taken;
    int bits;
};

struct counts {
    struct table as_is, in_blank;
};

struct ids { /* one of the arrays; strides are in bytes */
    const char *data;
    int64_t strides[3];
    int size, is_signed;
};

static struct pair *place_of(const struct table *table, uint64_t truth, uint64_t segment)
{
    uint64_t mixed = (truth ^ (segment << 32 | segment >> 32) * 0xC2B2AE3D27D4EB4Full) * 0x9E3779B97F4A7C15ull;
    size_t last = ((size_t)1 << table->bits) - 1, at = (size_t)(mixed >> (64 - table->bits));
    struct pair *pair = &table->places[at];
    while (pair->voxels && (pair->truth != truth || pair->segment != segment)) {
        at = (at + 1) & last;
        pair = &table->places[at];
    }
    return pair;
}

static int resized(struct table *table, int bits)
{
    struct table larger = {calloc((size_t)1 << bits, sizeof(struct pair)), table->taken, bits};
    if (!larger.places)
        return 0;
    for (size_t i = 0; table->places && i < (size_t)1 << table->bits; i++) {
        struct pair *pair = &table->places[i];
        if (pair->voxels)
            *place_of(&larger, pair->truth, pair->segment) = *pair;
    }
    free(table->places);
    *table = larger;
    return 1;
}

static inline int added(struct table *table, uint64_t truth, uint64_t segment, int64_t voxels)
{
    struct pair *pair = place_of(table, truth, segment);
    if (!pair->voxels) {
        pair->truth = truth, pair->segment = segment;
        if (++table->taken > (int64_t)1 << (table->bits - 1)) {
            pair->voxels = voxels;
            return resized(table, table->bits + 1);
        }
    }
    pair->voxels += voxels;
    return 1;
}

/* A row as ids of 64 bits, in `buffer` unless it lies so already. */
static const uint64_t *row_of(const struct ids *ids, int64_t z, int64_t y, int64_t n, uint64_t *buffer)
{
    const char *row = ids->data + z * ids->strides[0] + y * ids->strides[1];
    int64_t step = ids->strides[2];
    if (ids->size == 8 && step == 8 && (uintptr_t)row % 8 == 0)
        return (const uint64_t *)row;
#define WIDEN(type)                                                                                          \
    for (int64_t x = 0; x < n; x++) {                                                                        \
        type id;                                                                                             \
        memcpy(&id, row + x * step, sizeof id);                                                              \
        buffer[x] = (uint64_t)id;                                                                            \
    }                                                                                                        \
    break
    switch (ids->size * 2 + ids->is_signed) {
    case 2: WIDEN(uint8_t);
    case 3: WIDEN(int8_t);
    case 4: WIDEN(uint16_t);
    case 5: WIDEN(int16_t);
    case 8: WIDEN(uint32_t);
    case 9: WIDEN(int32_t);
    default: WIDEN(uint64_t);
    }
    return buffer;
}

static int row_added(struct counts *counts, const uint64_t *truth, const uint64_t *segments,
                     const uint64_t *filled, const uint64_t *counted, int64_t n)
{
    for (int64_t x = 0, next; x < n; x = next) {
        uint64_t t = truth[x], s = segments[x];
        next = x + 1;
        if (!counted[x])
            continue;
        while (next < n && truth[next] == t && segments[next] == s && counted[next])
            next++;
        if (!added(&counts->as_is, t, s, next - x))
            return 0;
        for (int64_t first = x, after; s == 0 && first < next; first = after) {
            after = first + 1;
            while (after < next && filled[after] == filled[first])
                after++;
            if (!added(&counts->in_blank, t, filled[first], after - first))
                return 0;
        }
    }
    return 1;
}

void ffn_free(struct counts *counts)
{
    if (counts)
        free(counts->as_is.places), free(counts->in_blank.places);
    free(counts);
}

/* The pairs of truth and segments, and of truth and filled where segments are 0; counted may be NULL: all
   count. NULL where memory is out. */
struct counts *ffn_count(const struct ids *truth, const struct ids *segments, const struct ids *filled,
                         const struct ids *counted, const int64_t shape[3])
{
    int64_t n = shape[2];
    struct counts *counts = calloc(1, sizeof *counts);
    uint64_t *buffers = malloc((4 * n + 1) * sizeof *buffers), *ones = buffers ? buffers + 3 * n : NULL;
    int well = counts && buffers && resized(&counts->as_is, 10) && resized(&counts->in_blank, 10);
    for (int64_t x = 0; well && x < n; x++)
        ones[x] = 1;
    for (int64_t z = 0; well && z < shape[0]; z++)
        for (int64_t y = 0; well && y < shape[1]; y++)
            well = row_added(counts, row_of(truth, z, y, n, buffers), row_of(segments, z, y, n, buffers + n),
                             row_of(filled, z, y, n, buffers + 2 * n),
                             counted ? row_of(counted, z, y, n, ones) : ones, n);
    free(buffers);
    if (well)
        return counts;
    ffn_free(counts);
    return NULL;
}

int64_t ffn_pairs(const struct counts *counts, int in_blank)
{
    return in_blank ? counts->in_blank.taken : counts->as_is.taken;
}

/* The columns of one of the tables, in no order. */
void ffn_table(const struct counts *counts, int in_blank, uint64_t *truth, uint64_t *segments, int64_t *voxels)
{
    const struct table *table = in_blank ? &counts->in_blank : &counts->as_is;
    for (size_t i = 0; i < (size_t)1 << table->bits; i++) {
        const struct pair *pair = &table->places[i];
        if (pair->voxels)
            *truth++ = pair->truth, *segments++ = pair->segment, *voxels++ = pair->voxels;
    }
}

/* ---- Filling: the nearest segment along z, of these the nearest in the plane of y, of these in that of x

   Of equally near ones that with the smaller x counts, then y, then z. So each pass takes the smallest of
   numbers that hold a squared distance and, behind it, the step along the axis: of equal distances the
   smallest step wins. */

enum { STEP_BITS = 10, NO_STEP = 1 << (STEP_BITS - 1), STEPS = (1 << STEP_BITS) - 1 };
#define FAR (1 << 20) /* a square beyond those of boxes of at most 512 voxels a side */

static inline int32_t stepped(int32_t step) { return (step * step << STEP_BITS) | (NO_STEP + step); }

/* Of each pixel of a plane where a segment is `z`, else what `last` was. */
#define SEEN(type)                                                                                           \
    FOR_EACH_CPU static void seen_##type(const type *ids, int64_t n, int16_t z, int16_t *last)               \
    {                                                                                                        \
        for (int64_t i = 0; i < n; i++)                                                                      \
            last[i] = ids[i] ? z : last[i];                                                                  \
    }
SEEN(uint8_t)
SEEN(uint16_t)
SEEN(uint32_t)
SEEN(uint64_t)

static void seen(const void *ids, int size, int64_t n, int16_t z, int16_t *last)
{
    switch (size) {
    case 1: seen_uint8_t(ids, n, z, last); break;
    case 2: seen_uint16_t(ids, n, z, last); break;
    case 4: seen_uint32_t(ids, n, z, last); break;
    default: seen_uint64_t(ids, n, z, last);
    }
}

/* Of each pixel the nearer one of what lies at or below plane z and above, in place of that below. */
FOR_EACH_CPU static void nearer(int16_t *below, int16_t *above, int64_t n, int16_t z)
{
    for (int64_t i = 0; i < n; i++) {
        int16_t under = below[i], over = under == z ? z : above[i];
        above[i] = over;
        below[i] = z - under <= over - z ? under : over;
    }
}

FOR_EACH_CPU static void squared(const int16_t *nearest, int64_t n, int16_t z, int32_t *squares)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t away = nearest[i] - z;
        away = away < 0 ? -away : away;
        away = away > 1024 ? 1024 : away; /* whose square is FAR */
        squares[i] = away * away << STEP_BITS;
    }
}

FOR_EACH_CPU static int32_t largest(const int32_t *values, int64_t n)
{
    int32_t most = 0;
    for (int64_t i = 0; i < n; i++)
        most = values[i] > most ? values[i] : most;
    return most >> STEP_BITS;
}

FOR_EACH_CPU static void lowered(int32_t *best, const int32_t *other, int64_t n, int32_t more)
{
    for (int64_t i = 0; i < n; i++)
        best[i] = other[i] + more < best[i] ? other[i] + more : best[i];
}

FOR_EACH_CPU static void without_steps(const int32_t *from, int64_t n, int32_t *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i] & ~STEPS;
}

/* The smallest of some rows of squares with their steps; `stride` lies between the rows, of which there are
   `before` ahead of the first and `after` behind it that count. */
static void smallest(const int32_t *rows, int64_t stride, int64_t before, int64_t after, int64_t n,
                     int32_t *best)
{
    int64_t further = before > after ? before : after;
    memcpy(best, rows, n * sizeof *best);
    for (int64_t x = 0; x < n; x++)
        best[x] += NO_STEP;
    for (int64_t k = 1; k <= further; k++) {
        if (k % 4 == 1 && k * k > largest(best, n))
            break;
        if (k <= before)
            lowered(best, rows - k * stride, n, stepped(-(int32_t)k));
        if (k <= after)
            lowered(best, rows + k * stride, n, stepped((int32_t)k));
    }
}

struct part { /* of an array of `shape` that is filled; of no axis more than 512 voxels */
    const char *ids;
    int64_t shape[3], start[3], stop[3];
    int64_t reach; /* no segment that is further along an axis is looked for */
    int size;
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Fill a plane; `nearest` is where along z the nearest segment lies. Returns how many voxels have none, or one
   that is further than `reach`. */
static int64_t plane_filled(const struct part *part, int64_t z, const int16_t *nearest, int32_t *memory,
                            char *filled, int32_t *squares)
{
    const int64_t *shape = part->shape, *start = part->start, *stop = part->stop, reach = part->reach;
    int64_t ny = shape[1], nx = shape[2], plane = ny * nx, wide = stop[2] - start[2], far = 0;
    int32_t *along_z = memory, *along_y = along_z + plane, *best = along_y + nx, *row = best + nx;
    squared(nearest, plane, (int16_t)z, along_z);
    for (int64_t y = start[1]; y < stop[1]; y++, filled += wide * part->size, squares += wide) {
        const char *own = part->ids + ((z * ny + y) * nx + start[2]) * part->size;
        memcpy(filled, own, wide * part->size);
        memset(squares, 0, wide * sizeof *squares);
        if (!largest(along_z + y * nx + start[2], wide))
            continue; /* nothing is blank */
        smallest(along_z + y * nx, nx, least(y, reach), least(ny - 1 - y, reach), nx, along_y);
        without_steps(along_y, nx, row + reach);
        smallest(row + reach + start[2], 1, reach, reach, wide, best);
        for (int64_t x = 0; x < wide; x++) {
            int32_t square = best[x] >> STEP_BITS;
            if (!square)
                continue;
            squares[x] = square < FAR ? square : -1;
            far += square > reach * reach;
            if (square >= FAR)
                continue;
            int64_t at_x = start[2] + x + (best[x] & STEPS) - NO_STEP;
            int64_t at_y = y + (along_y[at_x] & STEPS) - NO_STEP, at_z = nearest[at_y * nx + at_x];
            memcpy(filled + x * part->size, part->ids + ((at_z * ny + at_y) * nx + at_x) * part->size,
                   part->size);
        }
    }
    return far;
}

/* Ids from start to stop of an array without gaps, with those of the nearest segments in blanks; and how far
   these are, squared: 0 where nothing was blank, -1 where there is none. What is further than `reach` is an
   upper bound. Returns how many are, with those without any; -1 where memory is out. */
int64_t ffn_fill(const struct part *part, char *filled, int32_t *squares)
{
    const int64_t *shape = part->shape, *start = part->start, *stop = part->stop;
    int64_t plane = shape[1] * shape[2], own = (stop[1] - start[1]) * (stop[2] - start[2]), far = 0;
    int64_t row = shape[2] + 2 * part->reach;
    int16_t *nearest = malloc((stop[0] - start[0] + 2) * plane * sizeof *nearest);
    int32_t *memory = malloc((plane + 2 * shape[2] + row) * sizeof *memory);
    if (!nearest || !memory) {
        free(nearest), free(memory);
        return -1;
    }
    int16_t *last = nearest + (stop[0] - start[0]) * plane, *above = last + plane;
    for (int64_t i = 0; i < plane; i++)
        last[i] = INT16_MIN / 2, above[i] = INT16_MAX / 2;
    for (int64_t z = 0; z < stop[0]; z++) {
        seen(part->ids + z * plane * part->size, part->size, plane, (int16_t)z, last);
        if (z >= start[0])
            memcpy(nearest + (z - start[0]) * plane, last, plane * sizeof *last);
    }
    for (int64_t z = shape[0] - 1; z >= stop[0]; z--)
        seen(part->ids + z * plane * part->size, part->size, plane, (int16_t)z, above);
    for (int64_t x = 0; x < row; x++)
        memory[plane + 2 * shape[2] + x] = FAR << STEP_BITS; /* beyond both ends, too */
    for (int64_t z = stop[0] - 1; z >= start[0]; z--) {
        int16_t *here = nearest + (z - start[0]) * plane;
        nearer(here, above, plane, (int16_t)z);
        far += plane_filled(part, z, here, memory, filled + (z - start[0]) * own * part->size,
                            squares + (z - start[0]) * own);
    }
    free(nearest), free(memory);
    return far;
}
