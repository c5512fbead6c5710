/** How the arena is declared in C, so that each tensor in it is aligned and of a type that C lets it have. */
import { DefectError } from '../base/errors.ts';
import { type Elem, elemBytes } from '../ir/kernel/kernel.ts';
import type { Program, Slot } from '../program/program.ts';
import { cType } from './c/lines.ts';

/** Bytes may be read through any type's memory; wider elements need memory declared as theirs. */
const wide = (slot: Slot): Elem | undefined => (elemBytes[slot.elem] === 1 ? undefined : signed(slot.elem));

/** C lets the signed and the unsigned type of one width share memory. */
const signed = (elem: Elem): Elem => (elem === 'u16' ? 'i16' : elem);

export interface Arena {
  /** `sizeof`: the program's bytes, rounded up to whole elements. */
  readonly bytes: number;
  /** Lines inside of the struct. */
  readonly declaration: readonly string[];
  /** A pointer to a slot, as its element type; `net` is the struct's pointer. */
  readonly pointer: (slot: Slot) => string;
}

const plus = (base: string, n: number): string => (n === 0 ? base : `${base} + ${n}`);

function elements(slot: Slot): number {
  const index = slot.address / elemBytes[slot.elem];
  if (!Number.isInteger(index)) throw new DefectError(`slot '${slot.name}' is not aligned: ${slot.address}`);
  return index;
}

/** One array; bytes and the signed twin of a wider type are reached by a cast. */
function plainArena(elem: Elem, bytes: number): Arena {
  const pointer = (slot: Slot): string => {
    if (slot.elem === elem) return plus('net->arena', elements(slot));
    if (elemBytes[slot.elem] === elemBytes[elem])
      return plus(`(${cType[slot.elem]} *)net->arena`, elements(slot));
    return plus(`(${cType[slot.elem]} *)net->arena`, slot.address);
  };
  return { bytes, declaration: [`${cType[elem]} arena[${bytes / elemBytes[elem]}];`], pointer };
}

/** Several wide types: a union with an array of each. */
function unionArena(elems: readonly Elem[], bytes: number): Arena {
  const fields = (['u8', ...elems] as const).map(
    (elem) => `    ${cType[elem]} ${elem}[${bytes / elemBytes[elem]}];`,
  );
  const pointer = (slot: Slot): string => {
    const field = elemBytes[slot.elem] === 1 ? 'u8' : signed(slot.elem);
    const cast = field === slot.elem ? '' : `(${cType[slot.elem]} *)`;
    return plus(`${cast}net->arena.${field}`, elements(slot));
  };
  return { bytes, declaration: ['union {', ...fields, '} arena;'], pointer };
}

/** @throws DefectError when a slot lies outside of the arena or is not aligned. */
export function arenaOf(program: Program): Arena {
  for (const slot of program.slots)
    if (slot.address < 0 || slot.address + slot.length * elemBytes[slot.elem] > program.arenaBytes)
      throw new DefectError(`slot '${slot.name}' lies outside of the arena`);
  const found = [...new Set(program.slots.flatMap((slot) => wide(slot) ?? []))].sort();
  const unit = Math.max(1, ...found.map((elem) => elemBytes[elem]));
  const bytes = Math.ceil(program.arenaBytes / unit) * unit;
  return found.length > 1 ? unionArena(found, bytes) : plainArena(found[0] ?? 'u8', bytes);
}
