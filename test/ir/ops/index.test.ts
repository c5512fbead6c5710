import { expect, test } from 'vitest';
import { isCanonical } from '../../../src/ir/graph/op.ts';
import { newestOpset } from '../../../src/ir/ops/common/inputs.ts';
import { opOfOnnx, ops, supportedOnnx } from '../../../src/ir/ops/index.ts';

test('kinds are unique', () => {
  expect(new Set(ops.map((op) => op.kind)).size).toBe(ops.length);
});

test('no ONNX operator means two operators in one opset', () => {
  const types = new Set(ops.flatMap((op) => Object.keys(op.onnx ?? {})));
  for (const type of types)
    for (let opset = 1; opset <= newestOpset; opset++) {
      const matches = ops.filter((op) => {
        const rule = op.onnx?.[type];
        return rule !== undefined && rule.since <= opset && opset <= rule.upTo;
      });
      expect(matches.length, `${type}, opset ${opset}`).toBeLessThanOrEqual(1);
      expect(opOfOnnx(type, opset)?.op).toBe(matches[0]);
    }
});

test('operators of the imported stage become canonical ones, and those stay as they are; each has a name of its own', () => {
  const kinds = ops.map(({ kind }) => kind);
  expect(new Set(kinds).size).toBe(kinds.length);
  expect(ops.filter(isCanonical).length).toBeGreaterThan(60);
  for (const op of ops) expect('canonicalize' in op && 'explicit' in op).toBe(false);
});

test('what is supported is listed in order, with opsets', () => {
  const list = supportedOnnx();
  expect(list).toEqual([...list].sort());
  expect(list).toContain('Clip (opset 1 to 25)');
  expect(list).toContain('Reshape (opset 5 to 25)');
});
