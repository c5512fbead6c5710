/** The parts of an error message that a user needs to correct the input. */
export interface Complaint {
  /** The place: a node, tensor, file or option, by its name for the user. */
  readonly where?: string;
  /** What was found there. */
  readonly found: string;
  /** What would have been accepted. */
  readonly supported?: string;
  /** What to do next. */
  readonly todo?: string;
  /** Behind the sentence, one below the other: the single things that were found. */
  readonly lines?: readonly string[];
}

/**
 * An error in the user's input: a model, a file or an option that cannot be used. The message names the place, what was found,
 * what is supported and what to do. Everything else that is thrown is a defect of thimble.
 */
export class InputError extends Error {
  readonly complaint: Complaint;
  constructor(complaint: Complaint) {
    super(sentence(complaint));
    this.name = 'InputError';
    this.complaint = complaint;
  }

  /** The same complaint about a known place. */
  at(where: string): InputError {
    return new InputError({ ...this.complaint, where });
  }
}

/** A shape that depends on the network's input: the imported stage lives with it, no later one can. */
export class DynamicShapeError extends InputError {
  override at(where: string): DynamicShapeError {
    return new DynamicShapeError({ ...this.complaint, where });
  }
}

/** Does `work`; complaints that do not say where they arose get `where`. */
export function locate<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError && error.complaint.where === undefined) throw error.at(where);
    throw error;
  }
}

function sentence({ where, found, supported, todo, lines = [] }: Complaint): string {
  const parts = [where === undefined ? found : `${where}: ${found}`];
  if (supported !== undefined) parts.push(`supported: ${supported}`);
  if (todo !== undefined) parts.push(todo);
  return [parts.join('; '), ...lines.map((line) => `  ${line}`)].join('\n');
}

/** A rule of the house was broken by thimble itself (a verifier found it). Never the user's fault. */
export class DefectError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DefectError';
  }
}

/** Narrows away `undefined` where an invariant promises a value; the message says which. */
export function must<T>(value: T | undefined | null, invariant: string): T {
  if (value === undefined || value === null) throw new DefectError(invariant);
  return value;
}

/** Element `index` of a list that has one there: the index is a claim. @throws DefectError where it does not hold */
export function at<T>(list: ArrayLike<T>, index: number): T {
  const found = list[index];
  if (found === undefined) throw new DefectError(`index ${index} of a list of ${list.length}`);
  return found;
}

/** The same of numbers that may be absent altogether (a bias, the values of padding, means): 0 then. */
export const atOr0 = (list: ArrayLike<number> | undefined, index: number): number =>
  list === undefined ? 0 : at(list, index);

/** Elements 0 to `count - 1` are there: said once before a loop that counts and reads them unchecked. @throws DefectError */
export function holds(list: ArrayLike<unknown>, count: number): void {
  if (list.length < count) throw new DefectError(`${count} elements of a list of ${list.length}`);
}

/** How messages name things. */
export const nodeLabel = (name: string, type: string): string => `node '${name}' (${type})`;
export const tensorLabel = (name: string): string => `tensor '${name}'`;

/** A complaint that gets its place (the node) from the caller's caller. */
export const complain = (found: string, supported?: string, todo?: string): InputError =>
  new InputError({
    found,
    ...(supported === undefined ? {} : { supported }),
    ...(todo === undefined ? {} : { todo }),
  });
