/** `npm run test:quick` leaves out what starts other programs or runs whole commands, by what the files import, and nothing else. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { slowTests } from '../support/quick.ts';
import { root } from '../support/shared.ts';

const files = {
  'test/support/tool.ts': "import { spawnSync } from 'node:child_process';\n",
  'test/support/plain.ts': "import { readFileSync } from 'node:fs';\n",
  'test/support/again.ts': "import { a } from './again.ts';\nimport { b } from './tool.ts';\n",
  'test/a/through.test.ts': "import {\n  a,\n  b,\n} from '../support/again.ts';\n",
  'test/a/itself.test.ts': "import { chromium } from 'playwright-core';\n",
  'test/support/cli.ts': "import { readFileSync } from 'node:fs';\n",
  'test/a/command.test.ts': "import { bench } from '../support/cli.ts';\n",
  'test/a/none.test.ts': "import { c } from '../support/plain.ts';\nimport { d } from '../../src/d.ts';\n",
};

test('files are followed within test/, to the programs', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'thimble-quick-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
    expect(slowTests(folder)).toEqual([
      'test/a/command.test.ts',
      'test/a/itself.test.ts',
      'test/a/through.test.ts',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('of the project: the comparison on targets is out, the laws of the compiler are in', () => {
  const out = slowTests(root);
  expect(out).toContain('test/laws/native.test.ts');
  expect(out).toContain('test/targets/native.test.ts');
  expect(out).not.toContain('test/laws/compiler.test.ts');
});
