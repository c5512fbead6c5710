/** The functions that a file brings along. */
import type { LocalFunction } from './calls.ts';
import { type AttributeProto, decodeAttribute, listOf, type ModelProto, textOf } from './proto.ts';
import { inside } from './wire.ts';

/** Numbers of fields in ONNX's schema; that of the defaults is newer than the schema behind `proto.ts`. */
const field = { functionsOfModel: 25, defaultsOfFunction: 11 } as const;

const defaultsIn = (message: Uint8Array, where: string): readonly AttributeProto[] =>
  inside(message, field.defaultsOfFunction).map((bytes) => decodeAttribute(bytes, where));

export function functionsOf(bytes: Uint8Array, model: ModelProto): readonly LocalFunction[] {
  const protos = listOf(model.functions);
  if (protos.length === 0) return [];
  const messages = inside(bytes, field.functionsOfModel);
  return protos.map((proto, i) => {
    const message = messages[i] ?? new Uint8Array();
    return { proto, defaults: defaultsIn(message, `function '${textOf(proto.name)}'`) };
  });
}
