import { expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { columns } from '../../../src/emit/c/lines.ts';
import { printTable } from '../../../src/emit/c/tables.ts';

test('every row begins a line', () => {
  const table = { name: 't', elem: 'i8', data: Int8Array.of(1, -2, 3, 4, 5, -128), rowLength: 3 } as const;
  expect(printTable(table)).toBe('static const int8_t t[6] = {\n    1, -2, 3,\n    4, 5, -128,\n};\n');
});

test('a name of its own', () => {
  expect(printTable({ name: 't', elem: 'u16', data: [65535] }, { name: 't_2' })).toBe(
    'static const uint16_t t_2[1] = {\n    65535,\n};\n',
  );
});

test('rows longer than a line are filled, and nothing is lost', () => {
  const data = Int32Array.from({ length: 300 }, (_, i) => (i * 7919 * 65537) | 0);
  const text = printTable({ name: 't', elem: 'i32', data, rowLength: 150 });
  const lines = text.split('\n').slice(1, -2);
  expect(lines.every((line) => line.length <= columns)).toBe(true);
  // All lines but the last of each row are so full that no number more fits.
  expect(lines.filter((line) => line.length < columns - 12).length).toBeLessThanOrEqual(2);
  expect(lines.join('').replace(/,$/, '').split(',').map(Number)).toEqual([...data]);
});

test('floats are exact', () => {
  const text = printTable({ name: 't', elem: 'f32', data: Float32Array.of(0.1, -0, 1e30) });
  expect(text).toContain('0.1f, -0.0f, 1e+30f,');
});

test('C has no empty arrays', () => {
  expect(() => printTable({ name: 't', elem: 'u8', data: [] })).toThrow(DefectError);
});
