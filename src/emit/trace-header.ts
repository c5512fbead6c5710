/**
 * `<name>_trace.inc`: what `<name>.c` includes when it is to print what every layer reads and writes. The format
 * of the lines is in docs/trace.md; src/trace writes and reads the same.
 */
import { must } from '../base/errors.ts';
import type { Program } from '../program/program.ts';
import { slotAt } from '../program/slots.ts';
import { bytesPerLine, keptAt, type TracedRow, tracedRows, tracedTables } from '../program/traced.ts';
import { comment, commentText, wrapCode } from './c/lines.ts';
import { provenance } from './header.ts';
import type { EmitInfo } from './info.ts';
import { fileNames } from './names.ts';
import { placementMacros } from './prefix.ts';
import { formsOf } from './printed-forms.ts';

export const traceFile = ({ name }: Program): string => `${name}_trace.inc`;

function tablesText(program: Program, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const { name } = program;
  const { space } = placementMacros(program);
  return [
    ...comment(['The constants.']),
    `static const ${space} struct {`,
    `    const ${space} void *from;`,
    '    uint32_t bytes;',
    `} ${name}_trace_tables[] = {`,
    ...names.map((table) => `    { ${table}, sizeof ${table} },`),
    '};',
    '',
  ];
}

function rowsText(program: Program, rows: readonly TracedRow[], places: readonly number[]): string[] {
  const order =
    'Tensors, in the order in which they are printed: when a step has written one, and before a step reads it.';
  return [
    ...comment([`${order} Between the two the checksum is kept at a place.`]),
    `struct ${program.name}_traced {`,
    '    int16_t step;',
    '    uint16_t slot;',
    '    int16_t read; /* 1, or 0: written */',
    '    uint16_t place;',
    '    uint32_t address;',
    '    uint32_t bytes;',
    '};',
    '',
    `static const ${placementMacros(program).space} struct ${program.name}_traced ${program.name}_trace_rows[] = {`,
    ...rows.flatMap((row, i) => {
      const numbers = [row.step, row.slot, row.kind === 'read' ? 1 : 0, places[i]].join(', ');
      const name = commentText(slotAt(program, row.slot).name);
      return wrapCode(`    { ${numbers}, ${row.address}u, ${row.length}u }, /* ${name} */`);
    }),
    '};',
    '',
  ];
}

const stateText = ({ name }: Program, kept: number): string[] => [
  `static const char ${name}_trace_network[] = "${name} " ${name.toUpperCase()}_BUILD;`,
  '',
  `struct ${name}_tracer {`,
  '    uint32_t crc;  /* of the line so far */',
  '    uint32_t tag;  /* of the run */',
  '    uint32_t line; /* the number of the next one */',
  '    uint32_t row;  /* the next one */',
  `    uint32_t kept[${kept}];`,
  '};',
  '',
];

/** Of bytes in RAM, or of those in the address space of the constants: an AVR reads the two differently. */
const crcText = (n: string, what: string, space: string): string => `
static uint32_t ${n}_trace_${what}(uint32_t crc, const ${space}void *from, uint32_t bytes)
{
    const ${space}uint8_t *p = (const ${space}uint8_t *)from;
    while (bytes-- > 0) {
        crc = ${n}_trace_crc_byte(crc, *p++);
    }
    return crc;
}
`;

/** A line is `~`, a kind, the run's tag, the line's number, fields, `*`, the CRC-32 of all between those two. */
const lineText = (n: string, space: string, counts: Counts): string => `/* Any number or address. */
#if UINTPTR_MAX > 0xffffffffu
typedef uintptr_t ${n}_trace_number;
#else
typedef uint32_t ${n}_trace_number;
#endif

/* CRC-32 of IEEE 802.3, without its inversions at both ends. */
static uint32_t ${n}_trace_crc_byte(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return crc;
}
${crcText(n, 'crc', '')}${counts.tables === 0 ? '' : crcText(n, 'table_crc', `${space} `)}
static void ${n}_trace_char(struct ${n}_tracer *t, char c)
{
    t->crc = ${n}_trace_crc(t->crc, &c, 1);
    ${n}_trace_putc(c);
}

static void ${n}_trace_text(struct ${n}_tracer *t, const char *s)
{
    while (*s != 0) {
        ${n}_trace_char(t, *s++);
    }
}

/* At least so many digits. */
static void ${n}_trace_hex(struct ${n}_tracer *t, ${n}_trace_number value, int digits)
{
    static const ${space} char hex[] = "0123456789abcdef";
    while (digits < (int)(2 * sizeof value) && value >> (4 * digits) != 0) {
        digits++;
    }
    while (digits-- > 0) {
        ${n}_trace_char(t, hex[(value >> (4 * digits)) & 15u]);
    }
}

static void ${n}_trace_field(struct ${n}_tracer *t, ${n}_trace_number value)
{
    ${n}_trace_char(t, ' ');
    ${n}_trace_hex(t, value, 1);
}

static void ${n}_trace_begin(struct ${n}_tracer *t, char kind)
{
    ${n}_trace_putc('~');
    t->crc = 0xffffffffu;
    ${n}_trace_char(t, kind);
    ${n}_trace_field(t, t->tag);
    ${n}_trace_field(t, t->line++);
}

static void ${n}_trace_end(struct ${n}_tracer *t)
{
    uint32_t crc = ~t->crc;
    ${n}_trace_putc('*');
    ${n}_trace_hex(t, crc, 8);
    ${n}_trace_putc('\\n');
}
`;

const tensorText = (n: string, level: string, space: string): string => `
static void ${n}_trace_tensor(struct ${n}_tracer *t, const ${space} struct ${n}_traced *row, char kind)
{
    ${n}_trace_begin(t, kind);
    ${n}_trace_char(t, ' ');
    if (row->step < 0) {
        ${n}_trace_text(t, "-1");
    } else {
        ${n}_trace_hex(t, (${n}_trace_number)row->step, 1);
    }
    ${n}_trace_field(t, row->slot);
}

#if ${level} > 1
/* In base64, ${bytesPerLine} on a line. */
static void ${n}_trace_bytes(struct ${n}_tracer *t, const ${space} struct ${n}_traced *row, const uint8_t *from)
{
    static const ${space} char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t at = 0; at < row->bytes;) {
        uint32_t bits = 0;
        int have = 0;
        ${n}_trace_tensor(t, row, row->read ? 'i' : 'o');
        ${n}_trace_field(t, at);
        ${n}_trace_char(t, ' ');
        do {
            bits = bits << 8 | from[at++];
            for (have += 8; have >= 6; have -= 6) {
                ${n}_trace_char(t, base64[(bits >> (have - 6)) & 63u]);
            }
        } while (at < row->bytes && at % ${bytesPerLine}u != 0);
        if (have > 0) {
            ${n}_trace_char(t, base64[(bits << (6 - have)) & 63u]);
        }
        ${n}_trace_end(t);
    }
}
#endif

static void ${n}_trace_row(struct ${n}_tracer *t, const ${space} struct ${n}_traced *row, const uint8_t *from)
{
    uint32_t crc = ~${n}_trace_crc(0xffffffffu, from, row->bytes);
    ${n}_trace_tensor(t, row, row->read ? 'I' : 'O');
    ${n}_trace_field(t, row->bytes);
    ${n}_trace_field(t, crc);
    ${n}_trace_end(t);
#if ${level} > 1
    if (!row->read || crc != t->kept[row->place]) { /* the same bytes are not printed twice */
        ${n}_trace_bytes(t, row, from);
    }
    t->kept[row->place] = crc;
#endif
}
`;

const tableLoop = (n: string, space: string, count: number): string =>
  count === 0
    ? ''
    : `    for (uint32_t i = 0; i < ${count}u; i++) {
        const ${space} void *from = ${n}_trace_tables[i].from;
        uint32_t bytes = ${n}_trace_tables[i].bytes;
        uint32_t crc = ~${n}_trace_table_crc(0xffffffffu, from, bytes);
        ${n}_trace_begin(t, 'T');
        ${n}_trace_field(t, i);
        ${n}_trace_field(t, (uintptr_t)from);
        ${n}_trace_field(t, bytes);
        ${n}_trace_field(t, crc);
        ${n}_trace_end(t);
    }
`;

/** The tag, of network and input, tells runs apart that are printed by turns. */
const tagText = (n: string, inputs: number): string =>
  inputs === 1
    ? `    t->tag = ${n}_trace_crc(t->tag, arena + input->address, input->bytes) & 0xffffu;`
    : `    for (; input < ${n}_trace_rows + ${inputs}; input++) {
        t->tag = ${n}_trace_crc(t->tag, arena + input->address, input->bytes);
    }
    t->tag &= 0xffffu;`;

const startText = (n: string, level: string, space: string, counts: Counts): string => `
static void ${n}_trace_start(struct ${n}_tracer *t, const struct ${n} *net)
{
    const ${space} struct ${n}_traced *input = ${n}_trace_rows;
    const uint8_t *arena = (const uint8_t *)net;
    t->line = 0;
    t->row = 0;
    t->tag = ${n}_trace_crc(0xffffffffu, ${n}_trace_network, sizeof ${n}_trace_network - 1);
${tagText(n, counts.inputs)}
    ${n}_trace_begin(t, 'B');
    ${n}_trace_char(t, ' ');
    ${n}_trace_text(t, ${n}_trace_network);
    ${n}_trace_field(t, ${level} > 1 ? 2 : 1);
    ${n}_trace_field(t, ${counts.steps});
    ${n}_trace_field(t, (uintptr_t)net);
    ${n}_trace_field(t, (uintptr_t)t); /* lies on the stack */
    ${n}_trace_end(t);
${tableLoop(n, space, counts.tables)}}
`;

const stepText = (n: string, hook: string, space: string, counts: Counts): string => `
static void ${n}_trace_step(struct ${n}_tracer *t, const struct ${n} *net, int step, int read)
{
    const uint8_t *arena = (const uint8_t *)net;
    while (t->row < ${counts.rows}u) {
        const ${space} struct ${n}_traced *row = &${n}_trace_rows[t->row];
        if (row->step != step || row->read != read) {
            break;
        }
        ${n}_trace_row(t, row, arena + row->address);
        t->row++;
    }
}

static void ${n}_trace_after(struct ${n}_tracer *t, const struct ${n} *net, int step)
{
    if (step < 0) {
        ${n}_trace_start(t, net);
    }
    ${n}_trace_step(t, net, step, 0);
    ${hook}(net, step);
    ${n}_trace_step(t, net, step + 1, 1);
    if (t->row == ${counts.rows}u) {
        ${n}_trace_begin(t, 'E');
        ${n}_trace_char(t, ' ');
        ${n}_trace_text(t, ${n}_trace_network);
        ${n}_trace_end(t);
    }
}
`;

interface Counts {
  readonly steps: number;
  readonly tables: number;
  readonly rows: number;
  readonly inputs: number;
}

const codeLines = (text: string): string[] => text.split('\n').flatMap(wrapCode);

/** `BEGIN` declares, so it stands first in its function. */
const macros = (name: string, upper: string): string[] => [
  `#define ${upper}_BEGIN() struct ${name}_tracer tracer; ${name}_trace_after(&tracer, net, -1)`,
  `#define ${upper}_AFTER(step) ${name}_trace_after(&tracer, net, step)`,
  '',
];

const about = ({ name }: Program): string[] => [
  `Part of ${name}.c when it is compiled with -D${name.toUpperCase()}_TRACE=1 (checksums of what every layer reads and writes) or =2 (their bytes too), which it prints through ${name}_trace_putc.`,
  "thimble's docs/trace.md says what the lines mean.",
];

export function traceHeader(program: Program, info: EmitInfo): string {
  const { name } = program;
  const upper = name.toUpperCase();
  const names = fileNames(formsOf(program, info));
  const rows = tracedRows(program);
  const { places, count } = keptAt(rows);
  const tables = tracedTables(program).map((t) => must(names.tables.get(t), 'every table has a name'));
  const counts: Counts = {
    steps: program.steps.length,
    tables: tables.length,
    rows: rows.length,
    inputs: program.inputs.length,
  };
  const level = `${upper}_TRACE`;
  const { space } = placementMacros(program);
  return [
    ...comment([...provenance(info), '', ...about(program)]),
    `#ifndef ${upper}_TRACE_INC`,
    `#define ${upper}_TRACE_INC`,
    '',
    ...comment(['You write it: it sends a character to the console. In C++ it is extern "C".']),
    `void ${name}_trace_putc(char c);`,
    '',
    ...tablesText(program, tables),
    ...rowsText(program, rows, places),
    ...stateText(program, count),
    ...codeLines(lineText(name, space, counts)),
    ...codeLines(tensorText(name, level, space)).slice(1),
    ...codeLines(startText(name, level, space, counts)).slice(1),
    ...codeLines(stepText(name, `${upper}_HOOK`, space, counts)).slice(1),
    ...macros(name, upper),
    '#endif',
    '',
  ].join('\n');
}
