import type { Feature } from './features.ts';
export const fitted = {} as Record<string, Readonly<Record<Feature, number>>>;
