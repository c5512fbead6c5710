/**
 * Vectors as Helium's types of arm_mve.h, and the functions that load and store them. Where elements are narrower than
 * lanes, the instructions widen and narrow them.
 */
import { must } from '../../base/errors.ts';
import {
  type Elem,
  type ExprOf,
  lanesOf,
  type Stmt,
  type StmtOf,
  type Type,
  type Vector,
} from '../../ir/kernel/kernel.ts';
import { expressionsIn, statementsIn } from '../../ir/kernel/walk.ts';
import { comment, cScalar, cType, wrapCode } from './lines.ts';

const vectorTypes: Readonly<Record<Vector, string>> = {
  u8x16: 'uint8x16_t',
  i16x8: 'int16x8_t',
  i32x4: 'int32x4_t',
};

export const cTypeOf = (type: Type): string =>
  type === 'i32' || type === 'f32' ? cScalar(type) : vectorTypes[type];

/** What an intrinsic's name says: the width of elements in memory, and its lanes. */
interface Access {
  readonly memory: 'b' | 'h' | 'w';
  readonly lanes: 'u8' | 'u16' | 's16' | 'u32' | 's32';
}

const accesses: Readonly<Record<Vector, Readonly<Partial<Record<Elem, Access>>>>> = {
  u8x16: { u8: { memory: 'b', lanes: 'u8' } },
  i16x8: {
    u8: { memory: 'b', lanes: 'u16' },
    i8: { memory: 'b', lanes: 's16' },
    i16: { memory: 'h', lanes: 's16' },
  },
  i32x4: {
    u8: { memory: 'b', lanes: 'u32' },
    i8: { memory: 'b', lanes: 's32' },
    u16: { memory: 'h', lanes: 'u32' },
    i16: { memory: 'h', lanes: 's32' },
    i32: { memory: 'w', lanes: 's32' },
  },
};

/** Which instruction sets predicates for so many lanes. */
const predicates: Readonly<Record<Vector, string>> = { u8x16: 'vctp8q', i16x8: 'vctp16q', i32x4: 'vctp32q' };

type Node = ExprOf<'loadVector'> | StmtOf<'storeVector'>;

const isWhole = ({ type, count }: Node): boolean => count.kind === 'int' && count.value === lanesOf[type];

/** The name of the function that a load or store calls. */
export const accessName = (node: Node): string =>
  [
    node.kind === 'storeVector' ? 'store' : node.offsets === undefined ? 'load' : 'gather',
    ...(isWhole(node) ? [] : ['first']),
    node.type,
    node.elem,
  ].join('_');

/** Arguments behind the address. */
export const hasCount = (node: Node): boolean => !isWhole(node);

function* nodesIn(body: readonly Stmt[]): Generator<Node> {
  for (const e of expressionsIn(body)) if (e.kind === 'loadVector') yield e;
  for (const s of statementsIn(body)) if (s.kind === 'storeVector') yield s;
}

export const hasVectors = (body: readonly Stmt[]): boolean => nodesIn(body).next().done !== true;

/** By name, the loads and stores that a body calls. */
export const accessesIn = (body: readonly Stmt[]): ReadonlyMap<string, Node> =>
  new Map([...nodesIn(body)].map((node) => [accessName(node), node]));

/** Casts between vectors of the same bits. */
const cast = (to: string, from: string, text: string): string =>
  to === from ? text : `vreinterpretq_${to}_${from}(${text})`;

const unsignedLanes: Readonly<Record<Vector, Access['lanes']>> = { u8x16: 'u8', i16x8: 'u16', i32x4: 'u32' };
const ownLanes: Readonly<Record<Vector, Access['lanes']>> = { u8x16: 'u8', i16x8: 's16', i32x4: 's32' };

/** The function that loads or stores such vectors. */
export function printAccess(node: Node, prefix: string): string {
  const { memory, lanes } = must(accesses[node.type][node.elem], `${node.elem} in lanes of ${node.type}`);
  const own = ownLanes[node.type];
  const first = !isWhole(node);
  const predicate = first ? [`${predicates[node.type]}((uint32_t)count)`] : [];
  const counted = first ? ', int32_t count' : '';
  const name = `${prefix}${accessName(node)}`;
  const elem = cType[node.elem];
  const says = first ? ['count elements in the first lanes; no other is touched'] : [];
  if (node.kind === 'loadVector') {
    const isGather = node.offsets !== undefined;
    const gathers = memory === 'b' ? 'gather_offset_' : 'gather_shifted_offset_';
    const how = `${isGather ? gathers : ''}${first ? 'z_' : ''}${lanes}`;
    const places = cast(unsignedLanes[node.type], own, 'offsets');
    const args = ['from', ...(isGather ? [places] : []), ...predicate].join(', ');
    const offsets = isGather ? `, ${vectorTypes[node.type]} offsets` : '';
    const loaded = `vldr${memory}q_${how}(${args})`;
    const head = `static inline ${vectorTypes[node.type]} ${name}(const ${elem} *from${offsets}${counted})`;
    return inlined(says, head, `return ${cast(own, lanes, loaded)};`);
  }
  const args = ['to', cast(lanes, own, 'lanes'), ...predicate].join(', ');
  const head = `static inline void ${name}(${elem} *to, ${vectorTypes[node.type]} lanes${counted})`;
  return inlined(says, head, `vstr${memory}q_${first ? 'p_' : ''}${lanes}(${args});`);
}

const inlined = (says: readonly string[], head: string, line: string): string =>
  [...comment(says), ...wrapCode(head), '{', ...wrapCode(`    ${line}`), '}', ''].join('\n');
