export function doubled(files: readonly string[]): readonly string[];
