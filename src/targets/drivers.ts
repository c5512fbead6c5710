/** The C of the test programs that feed a generated network and write down what it leaves behind. */

import { outputFunctions, portStems, returnsOutput, runType } from '../emit/port-names.ts';
import { arenaFill, type Program } from '../program/program.ts';
import { inputSlots, outputSlots, slotBytes } from '../program/slots.ts';

/** The driver reads `in.bin`, inputs one after the other, and writes these files. */
export const driverFiles = { input: 'in.bin', output: 'out.bin', stack: 'stack.bin' } as const;

const head = (program: Program): string => `#include "test-lab.h"
#include "${program.name}.h"
#include <string.h>

static struct ${program.name} fixed, *net;
static lab_file in, out;
`;

/** Every executor begins with the same bytes in the arena. */
const feed = (program: Program): string => `        memset(net, ${arenaFill}, sizeof *net);
${readInputs(program, 'net')}`;

/** Statements that read all inputs. */
export const readInputs = (program: Program, net: string): string =>
  inputSlots(program)
    .map((slot, i) => `        lab_read(in, ${portStems(program, 'input')[i]}(${net}), ${slotBytes(slot)}u);`)
    .join('\n');

/** Statements that write all outputs; `result` is what the run returned, of networks with one output. */
const writeOutputs = (program: Program, result: string): string =>
  outputSlots(program)
    .map((slot, i) => {
      const accessor = outputFunctions(program)[i];
      const from = accessor === undefined ? result : `${accessor}(net)`;
      return `        lab_write(out, ${from}, ${slotBytes(slot)}u);`;
    })
    .join('\n');

/** A call; its result, if it has one, is kept in `result`. */
const runKept = (program: Program, f: string): string =>
  `        ${returnsOutput(program) ? 'result = ' : ''}${f}(net);`;

const resultVariable = (program: Program): string =>
  returnsOutput(program) ? '        const void *result;\n' : '';

const runAndWrite = (program: Program): string =>
  returnsOutput(program)
    ? writeOutputs(program, `${program.name}_run(net)`)
    : `        ${program.name}_run(net);\n${writeOutputs(program, '')}`;

const openFiles = `    in = lab_open("${driverFiles.input}", 0);
    out = lab_open("${driverFiles.output}", 1);`;

const closeFiles = `    lab_close(in);
    lab_close(out);
    return 0;`;

const begin = `    net = lab_memory(&fixed, sizeof fixed);
${openFiles}`;

const end = `    lab_release(net);
${closeFiles}`;

/** Runs every input, and nothing else. */
export function plainDriver(program: Program, inputs: number): string {
  return `${head(program)}
int main(void)
{
${begin}
    for (uint32_t i = 0; i < ${inputs}u; i++) {
${feed(program)}
${runAndWrite(program)}
    }
${end}
}
`;
}

/** One instruction that is called as the network is. */
const nothing = (program: Program): string => `
typedef ${runType(program)}function(struct ${program.name} *);

__attribute__((naked, noinline))
static ${runType(program)}nothing(struct ${program.name} *unused __attribute__((unused)))
{
#ifdef __arm__
    __asm__ volatile("bx lr");
#else
    __asm__ volatile("ret");
#endif
}

static function *volatile functions[2] = { nothing, ${program.name}_run };
`;

/**
 * Runs every input between two marks, and measures the stack. `nothing` comes first, from the same place, so
 * that the difference is the network's own count less one.
 */
export function countedDriver(program: Program, inputs: number): string {
  return `${head(program)}${nothing(program)}
int main(void)
{
    uint32_t deepest = 0;
    lab_file stack;
${begin}
    for (uint32_t i = 0; i <= ${inputs}u; i++) {
        function *f = functions[i != 0];
${resultVariable(program)}        uint32_t depth;
        if (i != 0) {
${feed(program)}
        }
        lab_stack_paint();
        lab_mark(0);
${runKept(program, 'f')}
        lab_mark(1);
        depth = lab_stack_depth();
        if (i != 0) {
            deepest = depth > deepest ? depth : deepest;
${writeOutputs(program, 'result')}
        }
    }
    stack = lab_open("${driverFiles.stack}", 1);
    lab_write(stack, &deepest, sizeof deepest);
    lab_close(stack);
${end}
}
`;
}

/**
 * Runs every input with the hook, between two marks. `keep`: the hook writes the arena down. Two calls of the
 * hook that do nothing come first; they measure what the hook itself costs.
 */
export function hookedDriver(program: Program, inputs: number, keep: boolean): string {
  const { name } = program;
  return `${head(program)}
static int recording;

void native_hook(const struct ${name} *n, int step)
{
    lab_mark(0);
    if (recording && step >= 0) lab_write(out, n, ${program.arenaBytes}u);
    lab_mark(1);
}

int main(void)
{
${begin}
    native_hook(net, -1);
    native_hook(net, -1);
    recording = ${keep ? 1 : 0};
    for (uint32_t i = 0; i < ${inputs}u; i++) {
${resultVariable(program)}${feed(program)}
${runKept(program, `${name}_run`)}
${writeOutputs(program, 'result')}
    }
${end}
}
`;
}

export interface BatchMember {
  readonly program: Program;
  readonly inputs: number;
}

const memberFunction = ({ program, inputs }: BatchMember, i: number, record: string): string => {
  const { name } = program;
  return `void batch_hook_${i}(const struct ${name} *net, int step)
{
    if (step >= 0) ${record}(net, ${program.arenaBytes}u);
}

static void member_${i}(void)
{
    struct ${name} *net = lab_memory(&fixed.n${i}, sizeof *net);
    for (uint32_t i = 0; i < ${inputs}u; i++) {
        memset(net, ${arenaFill}, sizeof *net);
${readInputs(program, 'net')}
${runAndWrite(program)}
    }
    lab_release(net);
}
`;
};

const recorders = `static void whole(const void *arena, uint32_t bytes) { lab_write(out, arena, bytes); }

/* FNV-1a, 32 bits. */
static void checksum(const void *arena, uint32_t bytes)
{
    const uint8_t *p = arena;
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 16777619u;
    lab_write(out, &hash, sizeof hash);
}
`;

/** Many networks in one program, one after the other in the same memory. */
export function batchDriver(members: readonly BatchMember[], checksums: boolean): string {
  const record = checksums ? 'checksum' : 'whole';
  const names = members.map(({ program }) => program.name);
  return `#include "test-lab.h"
#include <string.h>
${names.map((name) => `#include "${name}.h"`).join('\n')}

static lab_file in, out;
static union {
${names.map((name, i) => `    struct ${name} n${i};`).join('\n')}
} fixed;

${recorders}
${members.map((member, i) => memberFunction(member, i, record)).join('\n')}
int main(void)
{
${openFiles}
    (void)whole, (void)checksum;
${names.map((_, i) => `    member_${i}();`).join('\n')}
${closeFiles}
}
`;
}

/** A header that turns every member's hook on, for `-include`. */
export const batchHooks = (members: readonly BatchMember[]): string =>
  members.map(({ program }, i) => `#define ${program.name.toUpperCase()}_HOOK batch_hook_${i}\n`).join('');
