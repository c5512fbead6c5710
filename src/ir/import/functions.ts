/** The functions that a file brings along. */
import type { LocalFunction } from './calls.ts';
import { decodeAttribute, listOf, type ModelProto } from './proto.ts';
import { inside } from './wire.ts';

/** Numbers of fields in ONNX's schema; that of the defaults is newer than the schema behind `proto.ts`. */
const field = { functionsOfModel: 25, defaultsOfFunction: 11 } as const;

export function functionsOf(bytes: Uint8Array, model: ModelProto): readonly LocalFunction[] {
  const protos = listOf(model.functions);
  if (protos.length === 0) return [];
  const messages = inside(bytes, field.functionsOfModel);
  return protos.map((proto, i) => {
    const message = messages[i] ?? new Uint8Array();
    return { proto, defaults: inside(message, field.defaultsOfFunction).map(decodeAttribute) };
  });
}
