/** Values of fewer than 8 bits: two's complement, or indices into a codebook. */

import { DefectError } from '../../base/errors.ts';
import { and, call, int, load, shr } from '../kernel/builders.ts';
import type { Expr, StoredRows, Table } from '../kernel/kernel.ts';

export interface ValueCode {
  readonly tables: readonly Table[];
  /** The lowest bits of the result. @throws DefectError for a value that has no code. */
  readonly encode: (value: number) => number;
}

/** The value of the lowest bits of an expression; all other bits of it are ignored. */
export type Decode = (raw: Expr) => Expr;

export const signExtended = (raw: Expr, bits: number): Expr => call('sign_extend', 'i32', raw, int(bits));

function twosComplement(bits: number): ValueCode {
  const limit = 2 ** (bits - 1);
  return {
    tables: [],
    encode(value) {
      if (value < -limit || value >= limit)
        throw new DefectError(`weight ${value} does not fit ${bits} bits`);
      return value & (2 * limit - 1);
    },
  };
}

/** Every code has a value, so that whatever bits are read the load stays in the table. */
function indexed(name: string, bits: number, codebook: Int8Array): ValueCode {
  const data = new Int8Array(2 ** bits);
  data.set(codebook);
  return {
    tables: [{ name: `${name}_codebook`, elem: 'i8', data }],
    encode(value) {
      const code = codebook.indexOf(value);
      if (code < 0) throw new DefectError(`weight ${value} is not in the codebook`);
      return code;
    },
  };
}

/** Whether weights of so many bits are indices: 4 bits of up to 16 values, 2 bits of up to 4. */
export const isCoded = (bits: number, codebook: Int8Array | undefined): codebook is Int8Array =>
  codebook !== undefined && bits < 8 && codebook.length <= 2 ** bits;

export const valueCode = (name: string, bits: 8 | 4 | 2, codebook: Int8Array | undefined): ValueCode =>
  isCoded(bits, codebook) ? indexed(name, bits, codebook) : twosComplement(bits);

/** Codes have the value that the table says, others are numbers themselves. */
export const decodeOf =
  ({ codebook }: StoredRows, bits: number): Decode =>
  (raw) =>
    codebook === undefined ? signExtended(raw, bits) : load(codebook, 'i8', and(raw, 2 ** bits - 1));

/** The bits of a byte above `shift`. */
export const above = (byte: Expr, shift: number): Expr => shr(byte, shift);
