/** Relative least squares with weights of 0 or more, coordinate by coordinate: sum (w f / y - 1)^2. */
export function leastSquares(
  samples: readonly { readonly row: Float64Array; readonly value: number }[],
  size: number,
): Float64Array {
  const rows = samples.map(({ row, value }) => row.map((x) => x / value));
  const weights = new Float64Array(size).fill(1);
  const residual = rows.map((row) => row.reduce((sum, x) => sum + x, 0) - 1);
  for (let round = 0; round < 20000; round++)
    for (let f = 0; f < size; f++) {
      let [top, bottom] = [0, 1e-9];
      rows.forEach((row, i) => {
        top += (row[f] as number) * (residual[i] as number);
        bottom += (row[f] as number) ** 2;
      });
      const next = Math.max(0, (weights[f] as number) - top / bottom);
      const moved = next - (weights[f] as number);
      if (moved === 0) continue;
      weights[f] = next;
      rows.forEach((row, i) => {
        residual[i] = (residual[i] as number) + moved * (row[f] as number);
      });
    }
  return weights;
}
