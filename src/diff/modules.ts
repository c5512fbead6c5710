/**
 * What PyTorch's exporters say about modules. The first one (TorchScript) names a node by its scopes:
 * `/features/features.0/conv/Conv` is the convolution of the module `features.0.conv`, and `relu_1` is the second
 * call of `relu`. The second one says them in the node's metadata, and names the node `node_conv2d_3`. Older files
 * say neither, but weights have the name of their module's parameter.
 */

/** A node of a model, as far as names go. */
export interface NamedNode {
  readonly name: string;
  /** Tensors that it reads and makes. */
  readonly inputs: readonly string[];
  readonly output: string;
  /** As the file says them; empty where it does not. */
  readonly scopes: readonly string[];
  /** Whether its second input is a constant: convolutions, linear layers, normalizations. */
  readonly weighted: boolean;
}

/** `l`, `l.0`, `c1` are `l`, `l.0`, `l.0.c1`: a child of a container carries the container's name. */
export function pathsOf(segments: readonly string[]): readonly string[] {
  let [base, path, before] = ['', '', ''];
  return segments.map((segment) => {
    const continued = before !== '' && segment.startsWith(`${before}.`);
    if (!continued) base = path === '' ? '' : `${path}.`;
    path = `${base}${segment}`;
    before = segment;
    return path;
  });
}

const segmentsOf = (node: string): readonly string[] =>
  node.startsWith('/')
    ? node
        .split('/')
        .filter((part) => part !== '')
        .slice(0, -1)
    : [];

/** Whether the file says in which module a node was called; else what follows it may be any node's. */
export const saysModules = ({ name, scopes }: NamedNode): boolean =>
  scopes.length > 0 || segmentsOf(name).length > 0;

const parameter = /^(.+)\.weight$/;

/** Of a node's modules, outermost first; the last one has called it. */
export function scopesOf({ name, scopes, weighted, inputs }: NamedNode): readonly string[] {
  if (scopes.length > 0) return scopes;
  const segments = segmentsOf(name);
  if (segments.length > 0) return pathsOf(segments);
  const module = weighted ? inputs[1]?.match(parameter)?.[1] : undefined;
  return module === undefined ? [] : [module];
}

/** `layer1.0.relu_1` as `layer1.0.relu`, segment by segment, where only the latter is a module of the capture. */
export function calledModule(path: string, isKnown: (path: string) => boolean): string {
  return path.split('.').reduce((before, segment) => {
    const whole = before === '' ? segment : `${before}.${segment}`;
    const first = whole.replace(/_\d+$/, '');
    return !isKnown(whole) && first !== whole && isKnown(first) ? first : whole;
  }, '');
}

/**
 * Whether an exporter put other weights into a module's node than the module has, as far as names tell: it folded
 * a batch normalization. A linear layer on three axes is the exception, whose weights are only transposed.
 */
export function hasOtherWeights({ inputs, weighted }: NamedNode, module: string): boolean {
  const [, weight, bias] = inputs;
  if (!weighted || weight?.startsWith('onnx::MatMul') === true) return false;
  return weight !== `${module}.weight` || ![undefined, '', `${module}.bias`].includes(bias);
}
