/** The viewer's page: its script with everything it imports, and its style sheet, for src/view/page.ts. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { defineConfig } from 'rolldown';

const style = {
  name: 'style',
  writeBundle() {
    mkdirSync('dist/view', { recursive: true });
    copyFileSync('src/view/app/app.css', 'dist/view/app.css');
  },
};

export default defineConfig({
  input: 'src/view/app/main.ts',
  platform: 'browser',
  plugins: [style],
  output: { file: 'dist/view/app.js', format: 'iife', minify: true },
});
