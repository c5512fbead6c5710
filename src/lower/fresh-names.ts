/** Names that a kernel does not have yet. */
import type { Kernel } from '../ir/kernel/kernel.ts';
import { declaredIn } from '../ir/kernel/walk.ts';

/** A new name: the stem, or the stem and a number. */
export type NewName = (stem: string) => string;

export function newNames({ params, tables, body }: Kernel): NewName {
  const used = new Set([...declaredIn(body), ...[...params, ...tables].map(({ name }) => name)]);
  return (stem) => {
    let name = stem;
    for (let n = 2; used.has(name); n++) name = `${stem}_${n}`;
    used.add(name);
    return name;
  };
}
