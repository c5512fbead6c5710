/** The input: a pad to draw on, samples to choose, files to drop. */

import { at, InputError } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import { digitSide, type Point } from '../../data/digits.ts';
import type { Sample } from '../../program/values.ts';
import {
  type Frame,
  frameOf,
  inkOf,
  inverted,
  type Opened,
  openFile,
  sampleOfExample,
  sampleOfInk,
  sampleOfPicture,
} from '../sample.ts';
import { contextOf, pixelsOf, pointOf } from './canvas.ts';
import { button, el, onChange, type Part } from './dom.ts';
import { formatCount } from './format.ts';
import type { Lab } from './lab.ts';
import type { Store } from './state.ts';

const padSide = 280;

/** Grey pixels, or colours, of a sample as it is stored. */
function drawSample(canvas: HTMLCanvasElement, { real, raw }: Sample, frame: Frame): void {
  const [width, height] = [frame.width + 2 * frame.pad, frame.height + 2 * frame.pad];
  const plane = width * height;
  const rgba = new Uint8ClampedArray(4 * plane).fill(255);
  const [lo, hi] = raw === undefined ? [smallestOf(real), largestOf(real)] : [0, 255];
  const numbers = raw ?? real;
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++) {
      const x = at(numbers, frame.channels === 1 ? i : c * plane + i);
      rgba[4 * i + c] = Math.round((255 * (x - lo)) / (hi - lo || 1));
    }
  const context = contextOf(canvas);
  context.imageSmoothingEnabled = false;
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const [w, h] = [width * scale, height * scale];
  context.drawImage(pixelsOf(width, height, rgba), (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
}

type Strokes = readonly (readonly Point[])[];

/** The ink lies inside of the padding: strokes are in units of the frame. */
interface PadScale {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** From the frame's shorter side to the pad, in the pad's own pixels. */
function padScale(frame: Frame, side: number): PadScale {
  const [w, h] = [frame.width + 2 * frame.pad, frame.height + 2 * frame.pad];
  const each = side / Math.max(w, h);
  const scale = Math.min(frame.width, frame.height) * each;
  return { scale, x: (side - scale) / 2, y: (side - scale) / 2 };
}

function drawStrokes(canvas: HTMLCanvasElement, strokes: Strokes, frame: Frame): void {
  const context = contextOf(canvas);
  const { scale, x, y } = padScale(frame, canvas.width);
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = (3 / digitSide) * scale;
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.strokeStyle = '#fff';
  for (const points of strokes) {
    context.beginPath();
    for (const [px, py] of points) context.lineTo(x + px * scale, y + py * scale);
    const [first] = points;
    if (first !== undefined && points.length === 1)
      context.lineTo(x + first[0] * scale, y + first[1] * scale);
    context.stroke();
  }
}

/** What the network is given for what was drawn. */
function showDrawing(lab: Lab, store: Store, frame: Frame, strokes: Strokes): void {
  const ink = inkOf(strokes, frame, store.state.centre);
  const sample = sampleOfInk(lab.program, lab.data.preprocessing, frame, ink);
  store.set({ sample, strokes, origin: 'your drawing', complaint: undefined });
}

/** A run of more than this many milliseconds waits until the pen is lifted. */
const slow = 60;

/** Pointer and touch: what is drawn becomes the input while it is being drawn. */
function drawable(canvas: HTMLCanvasElement, lab: Lab, store: Store, frame: Frame): void {
  let strokes: Strokes = [];
  let drawing = false;
  const at = (event: PointerEvent): Point => {
    const point = pointOf(canvas, event);
    const { scale, x, y } = padScale(frame, canvas.getBoundingClientRect().width);
    return [(point.x - x) / scale, (point.y - y) / scale];
  };
  const show = (): void => showDrawing(lab, store, frame, strokes);
  canvas.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    strokes = [...(store.state.strokes ?? []), [at(event)]];
    show();
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!drawing) return;
    strokes = [...strokes.slice(0, -1), [...(strokes.at(-1) ?? []), at(event)]];
    if (lab.milliseconds() < slow) show();
    else drawStrokes(canvas, strokes, frame);
  });
  const end = (): void => {
    if (drawing) show();
    drawing = false;
  };
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
}

function complaintOf(error: unknown): string {
  if (error instanceof InputError) return error.message;
  return error instanceof Error ? `it cannot be read (${error.message})` : String(error);
}

/** Pictures that browsers know and our reader of PNG does not. */
async function pictureFrom(file: File): Promise<Parameters<typeof sampleOfPicture>[3]> {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context?.drawImage(bitmap, 0, 0);
  const rgba = context?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray();
  const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) =>
    at(rgba, 4 * Math.floor(i / 3) + (i % 3)),
  );
  return { where: file.name, width, height, channels: 3, pixels };
}

async function opened(lab: Lab, file: File): Promise<Opened> {
  const { program, data } = lab;
  const frame = frameOf(program, data.preprocessing);
  if (frame !== undefined && /^image\/(?!png)/.test(file.type)) {
    const sample = sampleOfPicture(program, data.preprocessing, frame, await pictureFrom(file));
    return { count: 1, sample: () => sample };
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  return openFile(program, data.preprocessing, file.name, bytes);
}

/** Shows a file's samples one at a time. */
function fileSamples(lab: Lab, store: Store): Part & { open(file: File): Promise<void> } {
  let files: { readonly name: string; readonly made: Opened; readonly at: number } | undefined;
  const text = el('span', { class: 'grow' });
  const go = (at: number): void => {
    if (files === undefined) return;
    const { made, name } = files;
    files = { ...files, at: (at + made.count) % made.count };
    const which = made.count === 1 ? '' : `, sample ${files.at + 1} of ${formatCount(made.count)}`;
    text.textContent = `${name}${which}`;
    element.hidden = made.count === 1;
    const change = { sample: made.sample(files.at), origin: `${name}${which}` };
    store.set({ ...change, strokes: undefined, complaint: undefined });
  };
  const turn = (by: number) => () => go((files?.at ?? 0) + by);
  const element = el(
    'div',
    { class: 'row', hidden: true },
    button('‹', { class: 'quiet', 'aria-label': 'previous sample of the file' }, turn(-1)),
    text,
    button('›', { class: 'quiet', 'aria-label': 'next sample of the file' }, turn(1)),
  );
  const open = async (file: File): Promise<void> => {
    try {
      files = { name: file.name, made: await opened(lab, file), at: 0 };
      go(0);
    } catch (error) {
      store.set({ complaint: complaintOf(error) });
    }
  };
  return { element, open, update: () => undefined };
}

function acceptDrops(element: HTMLElement, open: (file: File) => Promise<void>): void {
  const hint = (on: boolean) => (event: DragEvent) => {
    event.preventDefault();
    element.classList.toggle('dropping', on);
  };
  document.addEventListener('dragover', hint(true));
  document.addEventListener('dragleave', hint(false));
  document.addEventListener('drop', (event) => {
    hint(false)(event);
    const file = event.dataTransfer?.files[0];
    if (file !== undefined) void open(file);
  });
}

function thumbnails(lab: Lab, store: Store, frame: Frame | undefined): HTMLElement {
  const { program, data } = lab;
  const buttons = data.examples.map((example) => {
    const choose = (): void => {
      const sample = sampleOfExample(program, data.preprocessing, example);
      store.set({ sample, origin: example.name, strokes: undefined, complaint: undefined });
    };
    if (frame === undefined) return button(example.name, { class: 'quiet' }, choose);
    const canvas = el('canvas', { width: 64, height: 64 });
    drawSample(canvas, sampleOfExample(program, data.preprocessing, example), frame);
    const made = button('', { class: 'thumbnail', 'aria-label': example.name, title: example.name }, choose);
    made.append(canvas);
    return made;
  });
  return el('div', { class: 'thumbnails', role: 'group', 'aria-label': 'samples' }, ...buttons);
}

function filePicker(open: (file: File) => Promise<void>): HTMLElement {
  const picker = el('input', { type: 'file', id: 'file', class: 'hidden' });
  picker.addEventListener('change', () => {
    const file = picker.files?.[0];
    if (file !== undefined) void open(file);
    picker.value = '';
  });
  return el(
    'div',
    { class: 'pick' },
    picker,
    el('label', { for: 'file', class: 'button' }, 'Open a file'),
    el('span', { class: 'note' }, 'or drop a picture or .npy anywhere'),
  );
}

/** The pad, what the network sees of it, and buttons. */
function padPart(lab: Lab, store: Store, frame: Frame): Part {
  const { program, data } = lab;
  const pad = el('canvas', { width: 2 * padSide, height: 2 * padSide, class: 'pad', role: 'img' });
  pad.setAttribute('aria-label', 'drawing pad; without a pointer, choose one of the samples below');
  drawable(pad, lab, store, frame);
  const seen = el('canvas', { width: 128, height: 128, class: 'seen', role: 'img' });
  seen.setAttribute('aria-label', 'the input as the network sees it');
  const centre = el('input', { type: 'checkbox', id: 'centre' });
  centre.checked = store.state.centre;
  centre.addEventListener('change', () => {
    store.set({ centre: centre.checked });
    if (store.state.strokes !== undefined) showDrawing(lab, store, frame, store.state.strokes);
  });
  const clear = button('Clear', {}, () => showDrawing(lab, store, frame, []));
  const invert = button('Invert', {}, () =>
    store.set({ sample: inverted(program, data.preprocessing, store.state.sample), strokes: undefined }),
  );
  const label = el('label', { class: 'check' }, centre, 'centre the ink, as MNIST does');
  const controls = el('div', { class: 'grow' }, el('div', { class: 'row' }, clear, invert), label);
  const figure = el('figure', { class: 'sees' }, seen, el('figcaption', {}, 'network sees'));
  const element = el('div', {}, pad, el('div', { class: 'row top' }, controls, figure));
  const update = (): void => {
    const { strokes, sample } = store.state;
    if (strokes === undefined) drawSample(pad, sample, frame);
    else drawStrokes(pad, strokes, frame);
    drawSample(seen, sample, frame);
  };
  return { element, update };
}

export function inputPart(lab: Lab, store: Store): Part {
  const frame = frameOf(lab.program, lab.data.preprocessing);
  const files = fileSamples(lab, store);
  const pad = frame === undefined ? undefined : padPart(lab, store, frame);
  const complaint = el('p', { class: 'complaint', role: 'alert', hidden: true });
  const origin = el('p', { class: 'note' });
  const title = pad === undefined ? 'Input' : 'Draw here';
  const element = el('section', { class: 'card input', 'aria-labelledby': 'input-title' });
  element.append(el('h2', { id: 'input-title' }, title), ...(pad === undefined ? [] : [pad.element]));
  element.append(origin, complaint, thumbnails(lab, store, frame), files.element, filePicker(files.open));
  acceptDrops(element, files.open);
  const show = onChange(() => {
    pad?.update();
    origin.textContent = `Shown: ${store.state.origin}`;
    complaint.hidden = store.state.complaint === undefined;
    complaint.textContent = store.state.complaint ?? '';
  });
  return { element, update: () => show(store.state.sample, store.state.origin, store.state.complaint) };
}
