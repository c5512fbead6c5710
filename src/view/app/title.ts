import { button, el, onChange, type Part } from './dom.ts';
import { formatBytes, formatCount } from './format.ts';
import type { Lab } from './lab.ts';
import type { Store } from './state.ts';

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function factsOf({ program }: Lab): readonly string[] {
  const tables = program.steps.flatMap(({ kernel }) => kernel.tables);
  const each = { u8: 1, i8: 1, u16: 2, i16: 2, i32: 4, f32: 4 };
  return [
    program.arith,
    `${program.steps.length} kernels`,
    `${formatBytes(program.arenaBytes)} of RAM`,
    `${formatBytes(sum(tables.map(({ elem, data }) => each[elem] * data.length)))} of constants`,
    `${formatCount(sum(program.steps.map(({ kernel }) => kernel.macs)))} multiply-accumulates`,
  ];
}

export function header(lab: Lab, store: Store): Part {
  const { program, data } = lab;
  const theme = button('', { class: 'quiet' }, () =>
    store.set({ theme: store.state.theme === 'dark' ? 'light' : 'dark' }),
  );
  const facts = el('ul', { class: 'facts' }, ...factsOf(lab).map((fact) => el('li', {}, fact)));
  const lead =
    'This page runs the same kernels as the chip, byte for byte. Change the input, step through the kernels ' +
    'with the arrow keys, and point at any pixel or byte to learn what it is and who wrote it.';
  const element = el(
    'header',
    {},
    el(
      'div',
      { class: 'title' },
      el('h1', {}, program.name),
      facts,
      el('span', { class: 'version' }, `thimble ${data.version}`),
      theme,
    ),
    el('p', { class: 'lead' }, lead),
  );
  const show = onChange(() => {
    document.documentElement.dataset.theme = store.state.theme;
    theme.textContent = store.state.theme === 'dark' ? 'Light theme' : 'Dark theme';
  });
  return { element, update: () => show(store.state.theme) };
}
