/** A module of torch.nn as a saved file has it: its class, attributes and tensors. */
import { complain, locate } from '../../../base/errors.ts';
import type { Tensor } from '../../tensor.ts';
import { asKind, type Dict, type Instance, type Value } from './pickle.ts';

export const modulePrefix = 'torch.nn.modules.';

const entriesOf = (value: Value | undefined): Dict['entries'] => asKind(value, 'dict')?.entries ?? new Map();

/** A tuple or list with its items, which may contain it. */
function shown(value: Value | undefined): string {
  const items = asKind(value, 'tuple', 'list')?.items;
  return items === undefined ? shownItem(value) : `(${items.slice(0, 6).map(shownItem).join(', ')})`;
}

const shownItem = (value: Value | undefined): string =>
  value === null || value === undefined ? 'None' : typeof value === 'object' ? 'an object' : String(value);

/** Modules in a network, and how deep they stand in each other: a file may hold itself. */
const [largestCount, largestDepth] = [10_000, 100];

export class Module {
  /** `conv.Conv2d`, below `torch.nn.modules`, and `Conv2d`. */
  readonly name: string;
  readonly type: string;
  /** Names of the modules around it and its own: `1.0`; '' for the network itself. */
  readonly path: string;
  readonly #state: Dict['entries'];

  /** @throws InputError for a module without a state, or with hooks, which are code */
  constructor(instance: Instance, path: string) {
    this.name = instance.class.slice(modulePrefix.length);
    this.type = this.name.slice(this.name.lastIndexOf('.') + 1);
    this.path = path;
    const state = asKind(instance.states.at(-1), 'dict');
    if (state === undefined) throw complain('a module without its attributes', undefined, 'save it again');
    this.#state = state.entries;
    for (const [key, value] of this.#state) this.#requireNoHook(String(key), value);
  }

  get label(): string {
    return `module '${this.path}' (${this.type})`;
  }

  #requireNoHook(key: string, value: Value): void {
    if (!key.includes('_hooks')) return;
    const [hook] = entriesOf(value).values();
    if (hook === undefined) return;
    const what = asKind(hook, 'object')?.class ?? 'a function';
    throw complain(
      `it has a hook (${key}: ${what}), which is code`,
      'modules without hooks',
      what.includes('prune')
        ? 'call torch.nn.utils.prune.remove(module, name) first'
        : 'export with torch.export',
    );
  }

  /** Its modules by name; those that are None are left out. */
  children(): readonly (readonly [string, Instance])[] {
    return [...entriesOf(this.#state.get('_modules'))].flatMap(([name, child]) => {
      if (child === null) return [];
      const instance = asKind(child, 'object');
      if (typeof name !== 'string' || name.includes('.') || instance === undefined)
        throw complain(`a child '${shown(name)}' that is not a module`);
      return [[name, instance] as const];
    });
  }

  /** A parameter or buffer; undefined where it is None. @throws InputError where there is none of the name */
  tensor(name: string): Tensor | undefined {
    return locate(this.#nameOf(name), () => this.#saved(name)?.read());
  }

  /** As PyTorch calls it: `float16`. */
  typeOf(name: string): string | undefined {
    return this.#saved(name)?.type;
  }

  #nameOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  #saved(name: string) {
    const [parameters, buffers] = [this.#state.get('_parameters'), this.#state.get('_buffers')].map(
      entriesOf,
    );
    const value = parameters?.has(name) ? parameters.get(name) : buffers?.get(name);
    if (value === undefined)
      throw complain(`no tensor '${name}'`, 'modules as PyTorch makes them', 'export with torch.export');
    const tensor = asKind(value, 'tensor');
    if (value !== null && tensor === undefined) throw complain(`'${name}' is not a tensor`);
    return tensor;
  }

  #unlike(name: string, wanted: string): Error {
    return complain(`${name} = ${shown(this.#state.get(name))}`, wanted, 'export with torch.export');
  }

  /** What it has of that name; undefined for None, and in files of a PyTorch that did not have the attribute. */
  value(name: string): Value | undefined {
    return this.#state.get(name) ?? undefined;
  }

  number(name: string, missing?: number): number {
    const value = this.value(name) ?? missing;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#unlike(name, 'a number');
    return value;
  }

  flag(name: string, missing: boolean): boolean {
    const value = this.value(name) ?? missing;
    if (typeof value !== 'boolean') throw this.#unlike(name, 'True or False');
    return value;
  }

  text(name: string, missing: string): string {
    const value = this.value(name) ?? missing;
    if (typeof value !== 'string') throw this.#unlike(name, 'a text');
    return value;
  }

  /** A number, or several in a tuple or list. */
  numbers(name: string): readonly number[] {
    const value = this.value(name);
    const items = typeof value === 'number' ? [value] : asKind(value, 'tuple', 'list')?.items;
    return (items ?? [null]).map((item) => {
      if (typeof item !== 'number' || !Number.isFinite(item)) throw this.#unlike(name, 'numbers');
      return item;
    });
  }

  /** @throws InputError unless the attribute is `wanted`, or missing */
  require(name: string, wanted: boolean): void {
    if (this.flag(name, wanted) !== wanted) throw this.#unlike(name, wanted ? 'True' : 'False');
  }
}

/** The modules without children, in the order in which nn.Sequential calls them. */
export function leavesOf(network: Instance): readonly Module[] {
  let count = 0;
  const walk = (instance: Instance, path: string, depth: number): readonly Module[] => {
    count += 1;
    if (count > largestCount || depth > largestDepth)
      throw complain(
        'a network that contains itself, or has too many modules',
        `${largestCount} modules, ${largestDepth} in each other`,
      );
    const where = `module '${path}' (${instance.class.slice(modulePrefix.length)})`;
    const module = locate(where, () => new Module(instance, path));
    if (module.type !== 'Sequential') return [module];
    const below = path === '' ? '' : `${path}.`;
    return module.children().flatMap(([name, child]) => walk(child, below + name, depth + 1));
  };
  return walk(network, '', 0);
}
