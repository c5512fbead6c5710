/** What a device printed, as captures. */
import type { TraceRun, TraceTensor } from '../trace/trace.ts';
import type { Capture, Captured } from './capture.ts';

const whole = (tensor: TraceTensor | undefined): Captured | undefined =>
  tensor?.bytes === undefined || tensor.missing.length > 0
    ? undefined
    : { kind: 'stored', bytes: tensor.bytes };

/** A capture from a device's run: the bytes of slots that arrived completely, and the checksums of the others; anything else is lost. */
export function captureOfRun({ layers }: TraceRun): Capture {
  const outputs = layers.flatMap((layer) => layer.outputs);
  const writtenTo = (slot: number) => outputs.find((tensor) => tensor.slot === slot);
  return {
    written: (slot) => whole(writtenTo(slot)),
    read: (slot, step) =>
      whole(layers.find((layer) => layer.step === step)?.inputs.find((tensor) => tensor.slot === slot)),
    checksum: (slot) => writtenTo(slot)?.crc,
    missing: () => ({ kind: 'lost', why: 'its lines were lost' }),
  };
}
