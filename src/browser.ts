/** `thimble` outside of Node: all of the compiler, and compiled networks to be called. */

export * from './index.ts';
export * from './net/ndarray.ts';
export * from './net/net.ts';
