/** The page comes to life: data out of the document, parts into it, keys to steps. */
import { must } from '../../base/errors.ts';
import { Trap } from '../../sim/trap.ts';
import { viewDataFrom } from '../data.ts';
import { sampleOfExample } from '../sample.ts';
import { arenaPart } from './arena.ts';
import { el, type Part } from './dom.ts';
import { pointingAt } from './focus.ts';
import { inputPart } from './input.ts';
import { createLab, type Lab } from './lab.ts';
import { layerPart } from './layer.ts';
import { predictionPart } from './prediction.ts';
import { createStore, type State, type Store } from './state.ts';
import { step, stepperPart } from './stepper.ts';
import { header } from './title.ts';

function initialState({ data, program }: Lab): State {
  const example = must(data.examples[0], 'a page has an example');
  return {
    sample: sampleOfExample(program, data.preprocessing, example),
    origin: example.name,
    centre: true,
    moment: 1,
    side: 'program',
    look: 'pictures',
    pinned: false,
    theme: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
  };
}

/** Arrow keys step, unless they are for what has the keyboard; Escape lets go of a kept byte. */
function listenToKeys(lab: Lab, store: Store): void {
  document.addEventListener('keydown', (event) => {
    const { target } = event;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'Escape') store.set({ pinned: false, focus: undefined });
    if (target instanceof Element && target.closest('input, [role=application], pre, .scroll') !== null)
      return;
    if (event.key === 'ArrowLeft') step(lab, store, -1);
    else if (event.key === 'ArrowRight') step(lab, store, 1);
    else return;
    event.preventDefault();
  });
}

/** Updates all parts; a trap is the program's fault and ends the page with its sentence. */
function render(app: HTMLElement, parts: readonly Part[]): void {
  try {
    for (const part of parts) part.update();
  } catch (error) {
    if (!(error instanceof Trap)) throw error;
    app.replaceChildren(
      el('p', { class: 'complaint', role: 'alert' }, `The program traps: ${error.message}`),
    );
  }
}

function start(app: HTMLElement, text: string): void {
  const lab = createLab(viewDataFrom(text));
  const parts: Part[] = [];
  const store = createStore(initialState(lab), () => render(app, parts));
  const pointing = pointingAt(store);
  const top = header(lab, store);
  const [input, prediction] = [inputPart(lab, store), predictionPart(lab, store)];
  const [stepper, layer] = [stepperPart(lab, store), layerPart(lab, store, pointing)];
  const arena = arenaPart(lab, store, pointing);
  parts.push(top, input, prediction, stepper, layer, arena);
  const aside = el('div', { class: 'aside' }, input.element, prediction.element);
  const main = el('div', { class: 'main' }, stepper.element, layer.element, arena.element);
  app.replaceChildren(top.element, el('main', {}, aside, main));
  listenToKeys(lab, store);
  addEventListener('resize', () => store.set({}));
  render(app, parts);
}

start(
  must(document.getElementById('app'), 'the page has a place for the app'),
  must(document.getElementById('data')?.textContent, 'the page has its data'),
);
