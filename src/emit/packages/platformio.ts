/** A library of PlatformIO, for every framework. */
import { gccFlags } from '../flags.ts';
import { type FileTexts, type Library, namesOf, packageVersion, summaryOf } from '../library.ts';

/** It has no underscores in names. */
const slug = (name: string): string => name.replaceAll('_', '-').replace(/-+$/, '');

export function platformioFiles(library: Library): FileTexts {
  const manifest = {
    name: slug(library.program.name),
    version: packageVersion,
    description: summaryOf(library),
    keywords: ['neural network', 'machine learning', 'tinyml'],
    license: 'MIT-0',
    frameworks: '*',
    platforms: '*',
    headers: namesOf(library.headers),
    build: { srcDir: 'src', includeDir: 'src', flags: gccFlags(library.program) },
  };
  return new Map([['library.json', `${JSON.stringify(manifest, null, 2)}\n`]]);
}
