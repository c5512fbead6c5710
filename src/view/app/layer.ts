/** The step that has just run: what it computes, what it read, what it made. */

import { at, must } from '../../base/errors.ts';
import { portOf } from '../../program/port.ts';
import { slotAt } from '../../program/slots.ts';
import { readSlot } from '../../program/values.ts';
import { scaleOf } from '../picture.ts';
import { type Child, type Choice, choices, el, onChange, type Part } from './dom.ts';
import type { Pointing } from './focus.ts';
import { formatReal, formatSigned, formatSlot } from './format.ts';
import { type Lab, madeBy, momentName, readBy, slotName } from './lab.ts';
import { readout } from './readout.ts';
import type { Look, Side, Store } from './state.ts';
import { type Content, legend, numberTable, picture, type Shown, type TensorView } from './tensor.ts';

/** What is shown of a tensor, or why nothing is. */
function contentOf({ lab, store, slot }: Shown): Content | string {
  const { sample, side } = store.state;
  const numbers = lab.numbers(sample, slot, side);
  if (numbers.kind === 'none') return numbers.reason;
  const { real } = numbers;
  if (side === 'difference')
    return { real, scale: scaleOf([real], true), text: (i) => formatSigned(at(real, i)) };
  const others = (['program', 'float'] as const).flatMap((which) => {
    const other = lab.numbers(sample, slot, which);
    return other.kind === 'none' ? [] : [other.real];
  });
  const scale = scaleOf(others);
  if (side === 'float') return { real, scale, text: (i) => formatReal(at(real, i)) };
  const bytes = must(lab.recording(sample).tensors.get(slot), 'every tensor is made');
  const stored = readSlot(portOf(lab.program, slot), bytes);
  const isFloat = slotAt(lab.program, slot).elem === 'f32';
  return { real, scale, text: (i) => (isFloat ? formatReal(at(real, i)) : String(stored[i])) };
}

/** The colours in use; a picture of differences that are all 0 has none. */
const keyOf = ({ scale, real }: Content, side: Side): Child =>
  side === 'difference' && real.every((x) => x === 0) ? 'equal everywhere' : legend(scale);

interface Pane {
  readonly element: HTMLElement;
  draw(): void;
  mark(): void;
}

const verbs = { reads: 'reads', writes: 'writes' } as const;

function pane(shown: Shown): Pane {
  const { lab, store, slot, role } = shown;
  const view: TensorView = store.state.look === 'pictures' ? picture(shown) : numberTable(shown);
  const keys = el('span', { class: 'keys' });
  const missing = el('p', { class: 'note', hidden: true });
  const { name } = slotAt(lab.program, slot);
  const head = el(
    'h3',
    {},
    el('span', { class: `tag ${role}` }, verbs[role]),
    ` ${slotName(lab, slot)} `,
    el('span', { class: 'shape', title: `tensor ${name}` }, formatSlot(slotAt(lab.program, slot))),
  );
  const element = el('div', { class: 'pane' }, head, view.element, missing, keys);
  const draw = (): void => {
    const content = contentOf(shown);
    const none = typeof content === 'string';
    missing.hidden = !none;
    missing.textContent = none ? content : '';
    view.element.hidden = none;
    keys.replaceChildren(...(none ? [] : [keyOf(content, store.state.side)]));
    if (!none) view.draw(content);
  };
  return { element, draw, mark: view.mark };
}

function panesFor(lab: Lab, store: Store, pointing: Pointing, width: number): readonly Pane[] {
  const { moment } = store.state;
  const [read, made] = [readBy(lab, moment), madeBy(lab, moment)];
  const count = read.length + made.length;
  const each = width < 560 ? width : Math.floor((width - 24 * (count - 1)) / Math.min(count, 3));
  const room = { width: Math.max(120, each), height: 300 };
  const common = { lab, store, pointing, room };
  return [
    ...read.map((slot) => pane({ ...common, slot, role: 'reads' })),
    ...made.map((slot) => pane({ ...common, slot, role: 'writes' })),
  ];
}

function sideChoices(lab: Lab): readonly Choice<Side>[] {
  const { float, program } = lab.data;
  const unless = float.kind === 'none' ? float.reason : undefined;
  return [
    { value: 'program', label: program.arith },
    { value: 'float', label: 'float', unless },
    { value: 'difference', label: 'difference', unless },
  ];
}

const looks: readonly Choice<Look>[] = [
  { value: 'pictures', label: 'pictures' },
  { value: 'numbers', label: 'numbers' },
];

const explanations: Readonly<Record<Side, string>> = {
  program: 'What the chip computes, in the units of the network.',
  float: 'What the network that was trained computes, in float32.',
  difference: 'The chip’s number minus the float network’s, on a scale of its own.',
};

/** The generated C of the step, folded away. */
function sourcePart(lab: Lab): { readonly element: HTMLElement; show(moment: number): void } {
  const code = el('code', {});
  const summary = el('summary', {});
  const element = el('details', { class: 'source' }, summary, el('pre', { tabindex: 0 }, code));
  const show = (moment: number): void => {
    const name = momentName(lab, moment);
    const text = moment === 0 ? undefined : lab.data.sources[name];
    element.hidden = text === undefined;
    summary.textContent = `The C of ${name}`;
    code.textContent = text ?? '';
  };
  return { element, show };
}

/** The words above the pictures. */
function describe(lab: Lab, moment: number): readonly string[] {
  if (moment === 0) {
    const { inputs, rawInput } = lab.program;
    const how = rawInput === undefined ? '' : ' Scaling and normalization are in the first layer’s weights.';
    const written = inputs.map(({ slot }) => formatSlot(slotAt(lab.program, slot)));
    return [`The caller writes ${written.join(' and ')} into the arena.${how}`];
  }
  return must(lab.program.steps[moment - 1], 'a step').kernel.doc;
}

export function layerPart(lab: Lab, store: Store, pointing: Pointing): Part {
  const title = el('h2', { id: 'layer-title' });
  const doc = el('div', { class: 'doc' });
  const sides = choices('numbers of', sideChoices(lab), (side) => store.set({ side }));
  const look = choices('shown as', looks, (value) => store.set({ look: value }));
  const { float } = lab.data;
  const why = el('p', { class: 'note' }, float.kind === 'none' ? float.reason : '');
  const body = el('div', { class: 'panes' });
  const pointed = el('p', { class: 'readout' });
  const source = sourcePart(lab);
  const top = el(
    'div',
    { class: 'row spread' },
    title,
    el('div', { class: 'row' }, sides.element, look.element),
  );
  const element = el('section', { class: 'card layer', 'aria-labelledby': 'layer-title' });
  element.append(top, doc, why, body, pointed, source.element);
  let panes: readonly Pane[] = [];
  const rebuild = onChange(() => {
    const { moment } = store.state;
    panes = panesFor(lab, store, pointing, body.clientWidth);
    body.replaceChildren(...panes.map((p) => p.element));
    title.textContent = moment === 0 ? 'The input arrives' : `Step ${moment}: ${momentName(lab, moment)}`;
    doc.replaceChildren(...describe(lab, moment).map((line) => el('p', {}, line)));
    source.show(moment);
  });
  const draw = onChange(() => {
    for (const p of panes) p.draw();
    sides.show(store.state.side);
    look.show(store.state.look);
    if (float.kind === 'program') why.textContent = explanations[store.state.side];
  });
  const mark = onChange(() => {
    for (const p of panes) p.mark();
    pointed.replaceChildren(...readout(lab, store));
  });
  const update = (): void => {
    const { moment, look: shownAs, sample, side, focus, pinned } = store.state;
    rebuild(moment, shownAs, body.clientWidth);
    draw(moment, shownAs, body.clientWidth, sample, side);
    mark(focus, pinned, moment, shownAs, sample, side);
  };
  return { element, update };
}
