/** onnxruntime for Node, which `npm run toolchain` installs in test/onnxruntime. Missing, it skips tests loudly; in CI it fails them. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'vitest';
import { root } from './shared.ts';

export interface OrtTensor {
  readonly dims: readonly number[];
  readonly data: unknown;
}

interface Session {
  run(inputs: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

/** As much of it as is used. */
interface Onnxruntime {
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
}

const folder = join(root, 'test/onnxruntime');
const advice = 'missing: onnxruntime-node; npm ci --ignore-scripts --prefix test/onnxruntime installs it';
const isThere = (): boolean => existsSync(join(folder, 'node_modules/onnxruntime-node'));

/** @throws where it is not installed */
export function onnxruntime(): Onnxruntime {
  if (!isThere()) throw new Error(advice);
  return createRequire(join(folder, 'package.json'))('onnxruntime-node') as Onnxruntime;
}

/** A test that calls `onnxruntime`. */
export function testWithOnnxruntime(title: string, body: () => Promise<void>): void {
  if (isThere() || process.env.CI) {
    test(title, body);
    return;
  }
  console.warn(`SKIPPED: ${title}: ${advice}`);
  test.skip(`${title} (${advice})`);
}
