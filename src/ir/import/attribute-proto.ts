/** Attributes out of an ONNX file. */

import { InputError } from '../../base/errors.ts';
import { Attributes, type AttributeValue } from '../graph/attributes.ts';
import type { ExternalFiles } from './model-options.ts';
import { type AttributeProto, attributeType, listOf, numberOf, textOf } from './proto.ts';
import { decodeTensor } from './tensor-proto.ts';

/** @throws InputError for attributes named twice and tensors that cannot be decoded. */
export function decodeAttributes(
  attributes: readonly AttributeProto[],
  where: string,
  external?: ExternalFiles,
): Attributes {
  const values = new Map<string, AttributeValue>();
  for (const attribute of attributes) {
    const name = textOf(attribute.name);
    if (values.has(name)) throw new InputError({ where, found: `attribute '${name}' twice` });
    values.set(name, valueIn(attribute, `${where}, attribute '${name}'`, external));
  }
  return new Attributes(where, values);
}

const text = new TextDecoder();

function valueIn(attribute: AttributeProto, where: string, external?: ExternalFiles): AttributeValue {
  if (textOf(attribute.refAttrName) !== '') return { kind: 'other', value: 'reference' };
  switch (attribute.type || impliedType(attribute)) {
    case attributeType.FLOAT:
      return { kind: 'float', value: numberOf(attribute.f) };
    case attributeType.INT:
      return { kind: 'int', value: numberOf(attribute.i) };
    case attributeType.STRING:
      return { kind: 'string', value: text.decode(attribute.s ?? new Uint8Array()) };
    case attributeType.FLOATS:
      return { kind: 'floats', value: listOf(attribute.floats) };
    case attributeType.INTS:
      return { kind: 'ints', value: listOf(attribute.ints).map(numberOf) };
    case attributeType.STRINGS:
      return { kind: 'strings', value: listOf(attribute.strings).map((s) => text.decode(s)) };
    case attributeType.TENSOR:
      return { kind: 'tensor', value: decodeTensor(attribute.t ?? {}, where, external) };
    default:
      return { kind: 'other', value: attributeType[numberOf(attribute.type)] ?? `type ${attribute.type}` };
  }
}

/** Before IR version 2 the type was left to which field is set. */
function impliedType(attribute: AttributeProto): number {
  if (listOf(attribute.ints).length > 0) return attributeType.INTS;
  if (listOf(attribute.floats).length > 0) return attributeType.FLOATS;
  if (listOf(attribute.strings).length > 0) return attributeType.STRINGS;
  if (attribute.t !== null && attribute.t !== undefined) return attributeType.TENSOR;
  if (attribute.s !== null && attribute.s !== undefined && attribute.s.length > 0)
    return attributeType.STRING;
  if (attribute.f !== null && attribute.f !== undefined && attribute.f !== 0) return attributeType.FLOAT;
  return numberOf(attribute.i) === 0 ? attributeType.UNDEFINED : attributeType.INT;
}
