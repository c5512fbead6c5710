/** The page's script and style, as `npm run build` left them. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DefectError } from '../base/errors.ts';
import type { ViewAssets } from '../view/page.ts';

/** This file runs from dist/cli, and in tests from src/cli. */
const folders = ['../view/', '../../dist/view/'].map((path) => new URL(path, import.meta.url));

/** @throws DefectError for a package without them. */
export function viewAssets(): ViewAssets {
  const folder = folders.find((url) => existsSync(fileURLToPath(new URL('app.js', url))));
  if (folder === undefined) throw new DefectError("dist/view/app.js is missing: 'npm run build' makes it");
  const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
  return { script: read('app.js').trimEnd(), style: read('app.css').trimEnd() };
}
