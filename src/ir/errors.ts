/** What went wrong, in the parts that a person needs to mend it. */
export interface Complaint {
  /** Where: a node, tensor, file or option, as the user knows it. */
  readonly where?: string;
  /** What was found there. */
  readonly found: string;
  /** What would have been accepted. */
  readonly supported?: string;
  /** What to do next. */
  readonly todo?: string;
}

/**
 * The user's input cannot be used: a model, a file, an option. The message names the place, what was found,
 * what is supported and what to do. Everything else that is thrown is a defect of thimble.
 */
export class InputError extends Error {
  readonly complaint: Complaint;
  constructor(complaint: Complaint) {
    super(sentence(complaint));
    this.name = 'InputError';
    this.complaint = complaint;
  }
}

function sentence({ where, found, supported, todo }: Complaint): string {
  const parts = [where === undefined ? found : `${where}: ${found}`];
  if (supported !== undefined) parts.push(`supported: ${supported}`);
  if (todo !== undefined) parts.push(todo);
  return parts.join('; ');
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
