/** Elements from a tag, properties and children. */

/** Attributes by name; `true` is an empty attribute, `false` and undefined none. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;
export type Child = Node | string;

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes))
    if (value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : String(value));
}

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

export function button(label: string, attributes: Attributes, onClick: () => void): HTMLButtonElement {
  const element = el('button', { type: 'button', ...attributes }, label);
  element.addEventListener('click', onClick);
  return element;
}

export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  /** Why it cannot be chosen. */
  readonly unless?: string | undefined;
}

/** Radio buttons that look like one switch. Returns the fieldset, and what shows a value as chosen. */
export function choices<T extends string>(
  legend: string,
  options: readonly Choice<T>[],
  onChoose: (value: T) => void,
): { readonly element: HTMLElement; show(value: T): void } {
  const inputs = options.map(({ value, unless }) => {
    const input = el('input', { type: 'radio', name: legend, value, disabled: unless !== undefined });
    input.addEventListener('change', () => onChoose(value));
    return input;
  });
  const labels = options.map(({ label, unless }, i) =>
    el('label', { title: unless }, inputs[i] as HTMLInputElement, el('span', {}, label)),
  );
  const element = el('fieldset', { class: 'switch' }, el('legend', { class: 'hidden' }, legend), ...labels);
  const show = (value: T): void => {
    for (const input of inputs) input.checked = input.value === value;
  };
  return { element, show };
}

/** A part of the page: its element, and what brings it up to date. */
export interface Part {
  readonly element: HTMLElement;
  update(): void;
}

/** Runs `work` when one of the values is not what it was. */
export function onChange(work: () => void): (...values: readonly unknown[]) => void {
  let before: readonly unknown[] | undefined;
  return (...values) => {
    if (before !== undefined && values.every((value, i) => Object.is(value, before?.[i]))) return;
    before = values;
    work();
  };
}
