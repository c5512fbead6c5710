/** How the learning rate and the sparsity develop while training. */

/** Linear from 0 over the first `warmup` of the training, then a half cosine down to 0. */
export function rateAt(progress: number, rate: number, warmup: number): number {
  if (progress < warmup) return (rate * progress) / warmup;
  return (rate * (1 + Math.cos((Math.PI * (progress - warmup)) / (1 - warmup)))) / 2;
}

/** The cubic of Zhu and Gupta 2017 (equation 1): fast while much is redundant, slow towards the end. */
export function sparsityAt(
  step: number,
  from: number,
  to: number,
  span: { readonly begin: number; readonly end: number },
): number {
  const share = Math.min(1, Math.max(0, (step - span.begin) / (span.end - span.begin)));
  return to + (from - to) * (1 - share) ** 3;
}
