/** The part of `<name>_main.c` that is the same for every network, in C. */

const types = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { U8, I8, U16, I16, I32, F32, F64, I64, U32 } host_element_t;
typedef enum { HALF_UP, HALF_EVEN } host_rounding_t;

typedef struct {
    const char *name; /* as JSON */
    host_element_t element;
    long count;
    int axes;
    const long *shape;
    const long *places; /* how far apart in memory neighbours along each axis lie, or where each element lies */
    int listed;         /* the latter */
    int grids;          /* 0: elements are the numbers; else one for each stretch of count / grids elements */
    const double *scale, *zero;
    host_rounding_t rounding;
    double least, most; /* of stored integers */
} host_port_t;

/* A file in memory. */
typedef struct {
    const char *path;
    unsigned char *bytes;
    long size, first;
    host_element_t element;
    int axes; /* of the array; -1: unknown */
    long shape[8];
} host_file_t;
`;

const reading = String.raw`static void host_fail(const char *where, const char *what)
{
    fprintf(stderr, HOST_NAME "_main: %s: %s\n", where, what);
    exit(2);
}

static long host_bytes(host_element_t element)
{
    static const long bytes[] = { 1, 1, 2, 2, 4, 4, 8, 8, 4 };
    return bytes[element];
}

static void host_load(host_file_t *file, const char *path)
{
    FILE *in = fopen(path, "rb");
    size_t got;
    file->path = path;
    if (in == NULL || fseek(in, 0, SEEK_END) != 0) {
        host_fail(path, "it cannot be read");
        return;
    }
    file->size = ftell(in);
    rewind(in);
    file->bytes = (unsigned char *)malloc(file->size > 0 ? (size_t)file->size + 1u : 1u);
    if (file->size < 0 || file->bytes == NULL) {
        host_fail(path, "it cannot be read");
        return;
    }
    got = fread(file->bytes, 1, (size_t)file->size, in);
    fclose(in);
    if (got != (size_t)file->size) {
        host_fail(path, "it cannot be read");
    }
    file->bytes[got] = 0;
}

static host_element_t host_element(const char *path, const char *type)
{
    static const char *const names[] = { "u1", "i1", "u2", "i2", "i4", "f4", "f8", "i8", "u4" };
    if (*type == '<' || *type == '|') {
        if (type[1] == 'b' && type[2] == '1') {
            return U8;
        }
        for (int i = 0; i < 9; i++) {
            if (strncmp(type + 1, names[i], 2) == 0 && type[3] == '\'') {
                return (host_element_t)i;
            }
        }
    }
    host_fail(path, "its numbers are of another type; supported: bool, int8 to int64, uint8 to uint32, float32, float64, little-endian");
    return U8;
}

/* The text behind a key of the header of a .npy file. */
static const char *host_field(const host_file_t *file, const char *header, const char *key)
{
    const char *found = strstr(header, key);
    if (found == NULL) {
        host_fail(file->path, "its .npy header is broken");
        return "";
    }
    found += strlen(key);
    while (*found == ' ') {
        found++;
    }
    return found;
}

static void host_shape(host_file_t *file, const char *text)
{
    long elements = 1;
    file->axes = 0;
    while (*text != ')' && *text != 0) {
        if (*text >= '0' && *text <= '9') {
            char *end;
            if (file->axes == 8) {
                host_fail(file->path, "it has more than 8 axes");
            }
            file->shape[file->axes] = strtol(text, &end, 10);
            elements *= file->shape[file->axes++];
            text = end;
        } else {
            text++;
        }
    }
    if (elements * host_bytes(file->element) != file->size - file->first) {
        host_fail(file->path, "its size is not that of its shape");
    }
}

static void host_header(host_file_t *file)
{
    const unsigned char *b = file->bytes;
    const char *header;
    long length;
    unsigned char behind;
    if (file->size < 12) {
        host_fail(file->path, "its .npy header is broken");
    }
    length = b[8] + 256L * b[9] + (b[6] == 1 ? 0 : 65536L * b[10]);
    file->first = (b[6] == 1 ? 10 : 12) + length;
    if (file->first > file->size) {
        host_fail(file->path, "its .npy header is broken");
    }
    behind = file->bytes[file->first];
    file->bytes[file->first] = 0;
    header = (const char *)b + (b[6] == 1 ? 10 : 12);
    file->element = host_element(file->path, host_field(file, header, "'descr':") + 1);
    if (*host_field(file, header, "'fortran_order':") != 'F') {
        host_fail(file->path, "it is in Fortran's order; save numpy.ascontiguousarray of it");
    }
    host_shape(file, host_field(file, header, "'shape':"));
    file->bytes[file->first] = behind;
}

static void host_open(host_file_t *file, const char *path, host_element_t element)
{
    host_load(file, path);
    file->first = 0;
    file->element = element;
    file->axes = -1;
    if (file->size > 6 && memcmp(file->bytes, "\x93NUMPY", 6) == 0) {
        host_header(file);
    }
}

/* Element i of a file, whatever the computer's own order of bytes. */
static double host_number(const host_file_t *file, long i)
{
    long width = host_bytes(file->element);
    const unsigned char *b = file->bytes + file->first + i * width;
    uint64_t bits = 0;
    for (long k = width; k > 0; k--) {
        bits = bits << 8 | b[k - 1];
    }
    switch (file->element) {
    case F32: {
        uint32_t word = (uint32_t)bits;
        float value;
        memcpy(&value, &word, sizeof value);
        return (double)value;
    }
    case F64: {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    case I8:
    case I16:
    case I32:
    case I64: {
        uint64_t sign = (uint64_t)1 << (8 * width - 1);
        uint64_t whole = (bits ^ sign) - sign;
        return (bits & sign) != 0 ? -(double)(0u - whole) : (double)whole;
    }
    case U8:
    case U16:
    case U32:
    default:
        return (double)bits;
    }
}
`;

const converting = String.raw`/* Where a row-major element lies in memory. */
static long host_place(const host_port_t *port, long element)
{
    long place = 0;
    if (port->listed) {
        return port->places[element];
    }
    for (int axis = port->axes - 1; axis >= 0; axis--) {
        place += element % port->shape[axis] * port->places[axis];
        element /= port->shape[axis];
    }
    return place;
}

static int host_grid(const host_port_t *port, long element)
{
    return (int)(element / (port->count / port->grids));
}

static double host_floor(double x)
{
    double whole = (double)(int64_t)x;
    return whole > x ? whole - 1.0 : whole;
}

/* What is stored for a real number: the nearest that there is. */
static double host_stored(const host_port_t *port, long element, double real)
{
    int grid = host_grid(port, element);
    double scale = port->scale[grid], zero = port->zero[grid], steps = real / scale, whole;
    int even = port->rounding == HALF_EVEN;
    double offset = even ? zero : 0.0;
    steps = even ? (double)(float)steps : steps + zero;
    if (steps < port->least - offset) {
        steps = port->least - offset;
    }
    if (steps > port->most - offset) {
        steps = port->most - offset;
    }
    whole = host_floor(steps);
    if (steps - whole > 0.5 || (steps - whole == 0.5 && (!even || (int64_t)whole % 2 != 0))) {
        whole += 1.0;
    }
    return whole + offset;
}

static void host_set(const host_port_t *port, void *memory, long place, double value)
{
    switch (port->element) {
    case U8: ((uint8_t *)memory)[place] = (uint8_t)value; break;
    case I8: ((int8_t *)memory)[place] = (int8_t)value; break;
    case U16: ((uint16_t *)memory)[place] = (uint16_t)value; break;
    case I16: ((int16_t *)memory)[place] = (int16_t)value; break;
    case I32: ((int32_t *)memory)[place] = (int32_t)value; break;
    default: ((float *)memory)[place] = (float)value; break;
    }
}

static double host_get(const host_port_t *port, const void *memory, long place)
{
    switch (port->element) {
    case U8: return ((const uint8_t *)memory)[place];
    case I8: return ((const int8_t *)memory)[place];
    case U16: return ((const uint16_t *)memory)[place];
    case I16: return ((const int16_t *)memory)[place];
    case I32: return ((const int32_t *)memory)[place];
    default: return (double)((const float *)memory)[place];
    }
}

/* What is stored for element i of sample number n of a file. */
static double host_value(const host_port_t *port, const host_file_t *file, long n, long i, int raw)
{
    double value = host_number(file, n * port->count + i);
    if (value - value != 0.0) {
        host_fail(file->path, "it holds numbers that are not finite");
    }
    if (!raw && port->grids > 0) {
        return host_stored(port, i, value);
    }
    if (port->element != F32
        && (value < port->least || value > port->most || host_floor(value) != value)) {
        fprintf(stderr, HOST_NAME "_main: %s: %g at %ld; supported: integers of %.0f to %.0f\n",
                file->path, value, i, port->least, port->most);
        exit(2);
    }
    return value;
}

/* Writes sample number n of a file into the network. */
static void host_write(const host_port_t *port, void *memory, const host_file_t *file, long n, int raw)
{
    for (long i = 0; i < port->count; i++) {
        host_set(port, memory, raw ? i : host_place(port, i), host_value(port, file, n, i, raw));
    }
}

static void host_print(const host_port_t *port, const void *memory, int raw)
{
    for (long i = 0; i < port->count; i++) {
        double value = host_get(port, memory, raw ? i : host_place(port, i));
        printf(i == 0 ? "[" : ", ");
        if (!raw && port->grids > 0) {
            int grid = host_grid(port, i);
            value = (double)(float)((value - port->zero[grid]) * port->scale[grid]);
        } else if (port->element != F32) {
            printf("%.0f", value);
            continue;
        }
        if (value - value != 0.0) {
            printf("null");
        } else {
            printf("%.9g", value);
        }
    }
    printf("]");
}
`;

const running = String.raw`/* Whether an array of this shape is one input, or several along a first axis. */
static int host_fits(const host_port_t *port, const host_file_t *file)
{
    int first = port->axes > 0 && port->shape[0] == 1;
    int own = port->axes - first;
    int more = file->axes - own;
    if (file->axes < 0 || (file->axes == 1 && own != 1)) {
        return 1;
    }
    if (more < 0 || more > 1 + first || (more == 2 && file->shape[1] != 1)) {
        return 0;
    }
    for (int axis = 0; axis < own; axis++) {
        if (file->shape[more + axis] != port->shape[first + axis]) {
            return 0;
        }
    }
    return 1;
}

static long host_samples(const host_port_t *port, const host_file_t *file, int raw)
{
    long numbers = (file->size - file->first) / host_bytes(file->element);
    if (!raw && !host_fits(port, file)) {
        host_fail(file->path, "the shape of its array is not that of the input; --help shows it");
    }
    if (numbers == 0 || (file->size - file->first) % host_bytes(file->element) != 0
        || numbers % port->count != 0) {
        fprintf(stderr, HOST_NAME "_main: %s: %ld bytes of numbers; supported: samples of %ld numbers of %ld bytes\n",
                file->path, file->size - file->first, port->count, host_bytes(file->element));
        exit(2);
    }
    for (long i = 0; i < numbers; i++) { /* before anything is printed */
        (void)host_value(port, file, i / port->count, i % port->count, raw);
    }
    return numbers / port->count;
}

static void host_usage(FILE *out)
{
    fprintf(out, "usage: " HOST_NAME "_main [--raw] FILE...\nOne file for each input, .npy or numbers alone:\n");
    for (int i = 0; i < HOST_INPUTS; i++) {
        fprintf(out, "  %s", host_inputs[i].name);
        for (int axis = 0; axis < host_inputs[i].axes; axis++) {
            fprintf(out, axis == 0 ? " %ld" : "x%ld", host_inputs[i].shape[axis]);
        }
        fprintf(out, "\n");
    }
    fprintf(out, "Real numbers in the order of the model (numbers alone: float32, little-endian);\n"
                 "with --raw elements as " HOST_NAME ".h describes them, in the order of memory.\n");
}

static void host_sample(const host_file_t *files, long n, int raw)
{
    for (int i = 0; i < HOST_INPUTS; i++) {
        host_write(&host_inputs[i], host_input_at[i], &files[i], n, raw);
    }
    host_compute();
    printf(n == 0 ? "\n{" : ",\n{");
    for (int i = 0; i < HOST_OUTPUTS; i++) {
        printf("%s%s: ", i == 0 ? "" : ", ", host_outputs[i].name);
        host_print(&host_outputs[i], host_output_at[i], raw);
    }
    printf("}");
}

int main(int argc, char **argv)
{
    static host_file_t files[HOST_INPUTS];
    int raw = argc > 1 && strcmp(argv[1], "--raw") == 0;
    long samples = 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        host_usage(stdout);
        return 0;
    }
    if (argc != 1 + raw + HOST_INPUTS) {
        host_usage(stderr);
        return 2;
    }
    for (int i = 0; i < HOST_INPUTS; i++) {
        long found;
        host_open(&files[i], argv[1 + raw + i], raw ? host_inputs[i].element : F32);
        found = host_samples(&host_inputs[i], &files[i], raw);
        if (i > 0 && found != samples) {
            host_fail(files[i].path, "it holds another number of samples than the first file");
        }
        samples = found;
    }
    host_begin();
    printf("{\"network\": \"" HOST_NAME "\", \"build\": \"" HOST_BUILD "\", \"raw\": %s, \"samples\": [",
           raw ? "true" : "false");
    for (long n = 0; n < samples; n++) {
        host_sample(files, n, raw);
    }
    printf("\n]}\n");
    return ferror(stdout) || fflush(stdout) != 0 ? 2 : 0;
}
`;

const linesOf = (text: string): readonly string[] => text.split('\n');

export const hostText = {
  types: linesOf(types),
  functions: [reading, converting, running].flatMap(linesOf),
} as const;
