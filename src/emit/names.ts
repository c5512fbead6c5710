/** The names of everything in one generated C file. */

import { must } from '../base/errors.ts';
import type { Kernel, Table } from '../ir/kernel/kernel.ts';
import { primitives } from '../ir/kernel/prims/index.ts';
import { declaredIn } from '../ir/kernel/walk.ts';
import type { Program } from '../program/program.ts';
import { uniqueNames } from './c/identifier.ts';
import type { PrintOptions } from './c/kernel.ts';
import { outputFunctions, portStems } from './port-names.ts';
import { prefixOf } from './prefix.ts';
import { allKernels, type Forms } from './printed-forms.ts';

export interface FileNames {
  readonly kernels: ReadonlyMap<Kernel, string>;
  readonly tables: ReadonlyMap<Table, string>;
}

const traceParts =
  'network tables row rows crc char text hex field begin end tensor bytes start step after putc';

/** What `<name>_trace.inc` defines, and what its macros declare in a function. */
const traceNames = (name: string): string[] => [
  'tracer',
  `${name}_tracer`,
  `${name}_traced`,
  ...traceParts.split(' ').map((part) => `${name}_trace_${part}`),
];

/** Functions of the header for one output. */
export const helperNames = ['classify', 'real'] as const;

/** What is public or may be hidden by a name inside of a function. */
function takenNames(program: Program, kernels: readonly Kernel[]): string[] {
  const { name } = program;
  const stems = [...portStems(program, 'input'), ...portStems(program, 'output')];
  const types = stems.map((stem) => `${stem}_t`);
  const functions = [...portStems(program, 'input'), ...outputFunctions(program)];
  const api = [name, `${name}_run`, `${name}_run_status`, `${name}_aligned`, ...functions, ...types, 'net'];
  const inner = kernels.flatMap((k) => [...k.params.map((p) => p.name), ...declaredIn(k.body)]);
  return [
    ...api,
    ...traceNames(name),
    ...[...primitives.keys(), ...helperNames].map((own) => `${name}_${own}`),
    ...inner,
  ];
}

/** Hands out names that begin with the program's, and that nothing else in its files has. */
function uniqueIn(program: Program, kernels: readonly Kernel[]): (wish: string) => string {
  const prefix = prefixOf(program);
  const taken = takenNames(program, kernels).filter((name) => name.startsWith(prefix));
  const unique = uniqueNames(taken.map((name) => name.slice(prefix.length)));
  return (wish) => prefix + unique(wish);
}

/** All forms of a kernel have one name. */
export function fileNames(forms: Forms): FileNames {
  const kernels = allKernels(forms);
  const unique = uniqueIn(forms.program, kernels);
  const tables = new Set(plainFirst(forms).flatMap((k) => k.tables));
  return {
    kernels: new Map(
      [...forms.forms].flatMap(([kernel, each]) => {
        const name = unique(kernel.name);
        return each.map((form) => [form.kernel, name] as const);
      }),
    ),
    tables: new Map([...tables].map((t) => [t, unique(t.name)])),
  };
}

/** Further forms do not change the names of the plain ones' tables. */
const plainFirst = (forms: Forms): readonly Kernel[] => [...forms.forms.keys(), ...allKernels(forms)];

/** What a kernel and its tables are called, for its printer. */
export function namesIn(kernel: Kernel, names: FileNames): Pick<PrintOptions, 'name' | 'tables'> {
  const nameOf = (t: Table): string => must(names.tables.get(t), 'every table has a name');
  return {
    name: must(names.kernels.get(kernel), 'every kernel has a name'),
    tables: new Map(kernel.tables.map((t) => [t.name, nameOf(t)])),
  };
}
