/** The network's answer: a bar per output, the float network's as a tick on it. */
import { must } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import { el, onChange, type Part } from './dom.ts';
import { formatReal } from './format.ts';
import type { Lab } from './lab.ts';
import type { Store } from './state.ts';

const mostBars = 12;

interface Answer {
  readonly name: string;
  readonly index: number;
  readonly value: number;
  readonly float: number | undefined;
}

function answersOf(lab: Lab, store: Store): readonly Answer[] {
  const { sample } = store.state;
  const output = must(lab.program.outputs[0], 'a program has an output').slot;
  const own = lab.numbers(sample, output, 'program');
  const float = lab.numbers(sample, output, 'float');
  if (own.kind === 'none') return [];
  return Array.from(own.real, (value, index) => ({
    name: lab.data.classes?.[index] ?? String(index),
    index,
    value,
    float: float.kind === 'none' ? undefined : float.real[index],
  }));
}

/** The first of the largest. */
const best = (answers: readonly Answer[], of: (a: Answer) => number): Answer | undefined =>
  answers.reduce<Answer | undefined>((a, b) => (a === undefined || of(b) > of(a) ? b : a), undefined);

/** All, or those with the largest numbers, in their own order. */
function shownOf(answers: readonly Answer[]): readonly Answer[] {
  if (answers.length <= mostBars) return answers;
  const kept = new Set(answers.toSorted((a, b) => b.value - a.value).slice(0, mostBars));
  return answers.filter((answer) => kept.has(answer));
}

function bar({ name, value, float }: Answer, span: readonly [number, number], wins: boolean): HTMLElement {
  const [lo, hi] = span;
  const at = (x: number): number => (100 * (x - lo)) / (hi - lo || 1);
  const fill = el('span', { class: 'fill' });
  fill.style.left = `${at(Math.min(0, value))}%`;
  fill.style.width = `${Math.abs(at(value) - at(0))}%`;
  const zero = el('span', { class: 'zero' });
  zero.style.left = `${at(0)}%`;
  const track = el('span', { class: 'track' }, zero, fill);
  if (float !== undefined) {
    const tick = el('span', { class: 'tick', title: `float: ${formatReal(float)}` });
    tick.style.left = `${at(float)}%`;
    track.append(tick);
  }
  const label = el('span', { class: 'name' }, name);
  return el(
    'li',
    { class: wins ? 'wins' : '' },
    label,
    track,
    el('span', { class: 'value' }, formatReal(value)),
  );
}

export function predictionPart(lab: Lab, store: Store): Part {
  const verdict = el('p', { class: 'verdict', 'aria-live': 'polite' });
  const list = el('ol', { class: 'bars' });
  const note = el('p', { class: 'note' });
  const element = el(
    'section',
    { class: 'card prediction', 'aria-labelledby': 'prediction-title' },
    el('h2', { id: 'prediction-title' }, 'Prediction'),
    verdict,
    list,
    note,
  );
  const show = onChange(() => {
    const answers = answersOf(lab, store);
    const winner = must(
      best(answers, (a) => a.value),
      'a network has outputs',
    );
    const float = best(answers, (a) => a.float ?? Number.NEGATIVE_INFINITY);
    const shown = shownOf(answers);
    const numbers = shown.flatMap(({ value, float: other }) => [value, other ?? 0]);
    const span = [Math.min(0, smallestOf(numbers)), Math.max(0, largestOf(numbers))] as const;
    verdict.replaceChildren('It reads ', el('strong', {}, winner.name));
    list.replaceChildren(...shown.map((answer) => bar(answer, span, answer === winner)));
    const said =
      float?.float === undefined
        ? ''
        : `The tick on each bar is the float network, which reads ${float.name}.`;
    const left =
      answers.length > shown.length ? `The ${shown.length} largest of ${answers.length} outputs. ` : '';
    note.textContent = `${left}${said}`;
  });
  return { element, update: () => show(store.state.sample) };
}
