/** Values of fewer than 8 bits: two's complement, or indices into a codebook. */
import { and, call, int, load, shr } from '../build.ts';
import { DefectError } from '../errors.ts';
import type { Expr, Table } from '../kernel.ts';

export interface ValueCode {
  readonly tables: readonly Table[];
  /** The lowest bits of the result. @throws DefectError for a value that has no code. */
  readonly encode: (value: number) => number;
  /** The value of the lowest bits of an expression; all other bits of it are ignored. */
  readonly decode: (raw: Expr) => Expr;
}

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
    decode: (raw) => signExtended(raw, bits),
  };
}

function indexed(name: string, codebook: Int8Array): ValueCode {
  return {
    tables: [{ name: `${name}_codebook`, elem: 'i8', data: codebook }],
    encode(value) {
      const code = codebook.indexOf(value);
      if (code < 0) throw new DefectError(`weight ${value} is not in the codebook`);
      return code;
    },
    decode: (raw) => load(`${name}_codebook`, 'i8', and(raw, 15)),
  };
}

/** `codebook` counts for 4 bits only. */
export const valueCode = (name: string, bits: 8 | 4 | 2, codebook: Int8Array | undefined): ValueCode =>
  bits === 4 && codebook !== undefined ? indexed(name, codebook) : twosComplement(bits);

/** The bits of a byte above `shift`. */
export const above = (byte: Expr, shift: number): Expr => shr(byte, shift);
