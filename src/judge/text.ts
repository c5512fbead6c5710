/** How near a build is to the float network, in words. */

import type { Distance } from '../base/distance.ts';
import { formatMany } from '../text/numbers.ts';
import { type Agreement, fromGiven } from './agreement.ts';
import { oddity, type SampleFacts } from './warnings/samples.ts';
import { decibelText, type Warning } from './warnings/warning.ts';

const share = ({ hits, total }: { readonly hits: number; readonly total: number }): string =>
  `${((100 * hits) / total).toFixed(1)} %`;

/** `calibrated on 461 samples, compared on 51 held back` */
export function samplesText({ calibration, samples, heldBack }: Agreement): string {
  const odd = oddity(calibration);
  const judged = heldBack ? `compared on ${samples} held back` : 'compared on the same';
  return `calibrated on ${formatMany(calibration.count, 'sample')}${odd === undefined ? '' : `, ${odd}`}; ${judged}`;
}

/** The line of every int8 build. */
export function agreementText({ output, outputs, worst, sameClass }: Agreement): string {
  const which =
    outputs === undefined ? '' : ` at output '${output.tensor}', the farthest of ${outputs.length}`;
  const same = sameClass === undefined ? '' : `, same class ${share(sameClass)}`;
  return `int8 against float: ${decibelText(fromGiven(output).sqnr)}${which}${same}; worst layer ${worst.kernel} ${decibelText(fromGiven(worst).sqnr)}`;
}

/** Where weights were changed: what quantization alone costs. */
export function storedText({ output }: Agreement): string | undefined {
  return output.given === undefined
    ? undefined
    : `with the weights that are stored: ${decibelText(output.sqnr)}`;
}

export const warningText = ({ text, todo }: Warning): string => `${text}; ${todo}`;

/** JSON has no infinities. */
const finite = (x: number): number | null => (Number.isFinite(x) ? x : null);

const distanceFields = ({
  sqnr,
  worst,
}: Distance): { sqnr: number | null; exact: boolean; worst: number } => ({
  sqnr: finite(sqnr),
  exact: sqnr === Infinity,
  worst,
});

const factFields = ({ count, distinct, zeros, constant }: SampleFacts) => ({
  count,
  distinct,
  zeros,
  constant,
});

/** What `--json` and the manifest have of it. */
export function agreementFields(agreement: Agreement) {
  const { samples, heldBack, calibration, layers, output, outputs, worst, sameClass } = agreement;
  return {
    text: agreementText(agreement),
    samples,
    heldBack,
    calibration: { ...factFields(calibration), odd: oddity(calibration) ?? null },
    sqnr: finite(fromGiven(output).sqnr),
    worst: { kernel: worst.kernel, sqnr: finite(fromGiven(worst).sqnr) },
    sameClass: sameClass === undefined ? null : { ...sameClass },
    ...(outputs === undefined
      ? {}
      : { outputs: outputs.map((o) => ({ name: o.tensor, sqnr: finite(fromGiven(o).sqnr) })) }),
    layers: layers.map(({ kernel, tensor, given, ...own }) => ({
      kernel,
      tensor,
      ...distanceFields(own),
      given: given === undefined ? null : distanceFields(given),
    })),
  };
}

export const warningFields = ({ kind, kernel, nodes, tensor, channels, sqnr, text, todo }: Warning) => ({
  kind,
  kernel: kernel ?? null,
  nodes: [...(nodes ?? [])],
  tensor: tensor ?? null,
  channels: [...(channels ?? [])],
  sqnr: sqnr === undefined ? null : finite(sqnr),
  text,
  todo,
});
