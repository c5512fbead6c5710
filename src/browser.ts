/** `thimble` outside of Node: all of the compiler, and compiled networks to be called. */

export * from './index.ts';
export { fromNdarray, toNdarray } from './net/ndarray.ts';
export {
  type Classified,
  type Net,
  type NetInput,
  type NetOptions,
  type NetResult,
  netOf,
  netOfArtifact,
  type Picture,
  type RunOptions,
  type Values,
} from './net/net.ts';
