/**
 * Cycles of Cortex-M code by a model: what Arm's Technical Reference Manuals say of each instruction, with memory
 * that never waits. Read from the disassembly, and counted by the plugin in targets/insncount.c as it executes.
 *
 * Cortex-M0 (DDI 0432C, 3.3) and M0+ (DDI 0484C, 3.3): exact tables, with the multiplier of one cycle.
 * Cortex-M3 (DDI 0337E, 18.2 and 18.3) and M4 (DDI 0439B, 3.3): the tables, and the rules for neighbours: a load after
 * a load takes one cycle less unless it needs what that loads or either changes its base, an address that the
 * instruction before computes takes one more, IT is free behind a short instruction. Where the manual has a span the
 * model has one number: a jump to an address in the code refills in 1 cycle (vendors' delay loops of two instructions
 * take 3), one by register in 2, one by a load in 3, all of them one more to a long instruction that is not aligned
 * (1 to 3); division 7 (2 to 12); on M3 long products 4 (3 to 5), accumulating ones 5 (4 to 7).
 */
import { at } from '../base/errors.ts';

export type Core = 'Cortex-M0' | 'Cortex-M0+' | 'Cortex-M3' | 'Cortex-M4';

interface Instruction {
  readonly address: number;
  readonly bytes: number;
  /** Without `.n` and `.w`. */
  readonly op: string;
  readonly operands: string;
}

/** In cycles. `leave` and `enter` are of jumps alone: from this instruction, and to it. */
export interface Cost {
  readonly address: number;
  readonly cycles: number;
  readonly leave: number;
  readonly enter: number;
}

const conditions = '(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)';
const branch = new RegExp(`^(b|bl|bx|blx|cbn?z)${conditions}?$`);
/** The lines of `objdump -d`. */
export const disassembled = (listing: string): readonly Instruction[] =>
  [...listing.matchAll(/^ *([0-9a-f]+):\t((?:[0-9a-f]{4} ?)+)\s*\t(\S+)(?:\t([^;@\n]*))?/gm)].map(
    (found) => ({
      address: Number.parseInt(at(found, 1), 16),
      bytes: at(found, 2).replaceAll(' ', '').length / 2,
      op: at(found, 3).replace(/\.[nw]$/, ''),
      operands: (found[4] ?? '').trim(),
    }),
  );

/** How many words `{r4-r7, lr}` are. */
function listed(operands: string): number {
  const [, list = ''] = /\{(.*)\}/.exec(operands) ?? [];
  return list.split(',').reduce((sum, part) => {
    const [, bank = '', from, to] = /([a-z]+)(\d+)-[a-z]+(\d+)/.exec(part) ?? [];
    const registers = from === undefined ? 1 : Number(to) - Number(from) + 1;
    return sum + (bank === 'd' || /^ *d\d/.test(part) ? 2 : 1) * registers;
  }, 0);
}

type Kind = 'load' | 'store' | 'several' | 'jump' | 'other';

function kindOf({ op, operands }: Instruction): Kind {
  if (branch.test(op)) return 'jump';
  if (/^(v?ldm|v?stm|v?push|v?pop|ldrd|strd)/.test(op)) return 'several';
  if (/^v?ldr/.test(op)) return 'load';
  if (/^v?str/.test(op)) return 'store';
  return /^(mov|add)s?$/.test(op) && /^pc,/.test(operands) ? 'jump' : 'other';
}

const loadsPc = ({ op, operands }: Instruction): boolean =>
  (/^(pop|ldm)/.test(op) && /\bpc\b/.test(operands)) || (/^ldr/.test(op) && /^pc,/.test(operands));
const byRegister = ({ op, operands }: Instruction): boolean => /^bl?x/.test(op) || /^pc,/.test(operands);

/** The first operand: where it goes, of all but stores and comparisons. */
const destination = ({ operands }: Instruction): string => /^\w+/.exec(operands)?.[0] ?? '';
const movesBase = ({ operands }: Instruction): boolean => /\](!|, *#)/.test(operands);
const addresses = (i: Instruction, register: string): boolean =>
  register !== '' && new RegExp(`\\[[^\\]]*\\b${register}\\b`).test(i.operands);

/** Cortex-M0 and M0+: loads and stores take 2, several 1 and one each, all else 1. */
function small(i: Instruction): number {
  const kind = kindOf(i);
  switch (kind) {
    case 'load':
    case 'store':
      return 2;
    case 'several':
      return 1 + listed(i.operands);
    case 'jump':
    case 'other':
      return 1;
    default:
      return kind satisfies never;
  }
}

/** What a jump costs besides the 1 of its instruction, or of a load's registers. */
function smallLeave(i: Instruction, core: Core): number {
  const plus = core === 'Cortex-M0+' ? 1 : 0;
  if (loadsPc(i)) return 3 - plus;
  return i.op === 'bl' ? 3 - plus : 2 - plus;
}

/** What takes more than a cycle, of all that neither jumps nor meets memory. */
const slow = [
  { pattern: /^ml[as]/, m3: 2, m4: 1 },
  { pattern: /^[su]mull/, m3: 4, m4: 1 },
  { pattern: /^[su]mlal/, m3: 5, m4: 1 },
  { pattern: /^[su]div/, m3: 7, m4: 7 },
  { pattern: /^v(n?ml[as]|fn?m[as])/, m3: 3, m4: 3 },
  { pattern: /^v(div|sqrt)/, m3: 14, m4: 14 },
] as const;

/** By the manual's table, alone. */
function alone(i: Instruction, core: Core): number {
  const kind = kindOf(i);
  switch (kind) {
    case 'several':
      return 1 + (/^(ldr|str)d/.test(i.op) ? 2 : listed(i.operands));
    case 'load':
      return 2;
    case 'store':
      // With a number as offset the address is there when the instruction is decoded.
      return /^v/.test(i.op) || /\[\w+, *\w*[a-z]\w*/.test(i.operands) ? 2 : 1;
    case 'jump':
      return 1;
    case 'other':
      return slow.find(({ pattern }) => pattern.test(i.op))?.[core === 'Cortex-M3' ? 'm3' : 'm4'] ?? 1;
    default:
      return kind satisfies never;
  }
}

/** Behind its neighbour in the listing. */
function large(i: Instruction, before: Instruction | undefined, core: Core): number {
  const cycles = alone(i, core);
  if (before === undefined) return cycles;
  if (/^it[te]{0,3}$/.test(i.op)) return before.bytes === 2 ? 0 : 1;
  const [kind, earlier] = [kindOf(i), kindOf(before)];
  if (kind !== 'load' && kind !== 'store') return cycles;
  const needed = addresses(i, destination(before));
  if (earlier === 'load')
    return needed || movesBase(i) || movesBase(before) ? cycles : Math.max(1, cycles - 1);
  return earlier === 'other' && needed ? cycles + 1 : cycles;
}

const isTable = ({ op }: Instruction): boolean => /^tb[bh]/.test(op);

function largeLeave(i: Instruction): number {
  if (loadsPc(i) || isTable(i)) return 3;
  return byRegister(i) ? 2 : 1;
}

/** Cycles of the instructions of a listing, each behind the one before it. */
export function costsOf(instructions: readonly Instruction[], core: Core): readonly Cost[] {
  const isSmall = core === 'Cortex-M0' || core === 'Cortex-M0+';
  return instructions.map((i, index) => {
    const { address } = i;
    if (isSmall) return { address, cycles: small(i), leave: smallLeave(i, core), enter: 0 };
    const enter = i.bytes === 4 && address % 4 !== 0 ? 1 : 0;
    const before = instructions[index - 1];
    const next = before !== undefined && before.address + before.bytes === address ? before : undefined;
    // Its load, and the sum.
    const tables = isTable(i) ? 2 : 0;
    return { address, cycles: large(i, next, core) + tables, leave: largeLeave(i), enter };
  });
}

/** Of a function's return, `bx lr`. */
export const returnCycles = (core: Core): number =>
  costsOf([{ address: 0, bytes: 2, op: 'bx', operands: 'lr' }], core).reduce(
    (sum, c) => sum + c.cycles + c.leave,
    0,
  );

/** As the plugin reads them. */
export const costsText = (costs: readonly Cost[]): string =>
  costs
    .map(({ address, cycles, leave, enter }) => `${address.toString(16)} ${cycles} ${leave} ${enter}\n`)
    .join('');
