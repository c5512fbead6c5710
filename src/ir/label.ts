/** How messages name things. */
export const nodeLabel = (name: string, type: string): string => `node '${name}' (${type})`;
export const tensorLabel = (name: string): string => `tensor '${name}'`;
