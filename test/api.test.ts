/** docs/api.md. `npm run build && npx vitest run test/api.test.ts --update` writes it. */
import { expect, test } from 'vitest';
import { apiPage, namesOfDoor } from './support/api-page.ts';
import { root } from './support/shared.ts';

test('every name of every door has a docstring that says what it is', () => {
  const names = namesOfDoor('node');
  expect(names.length).toBeGreaterThan(150);
  expect(names.filter(({ doc }) => doc === '' || doc.startsWith('@')).map(({ name }) => name)).toEqual([]);
});

test('docs/api.md is up to date', async () => {
  await expect(apiPage()).toMatchFileSnapshot(`${root}/docs/api.md`);
});
