"""Inputs from a seed, the same numbers in Python and in TypeScript (test/support/network-data.ts).

Every number is made of uniform ones by additions and multiplications in float64, in the order written here, and
rounded to float32 once: no function of a library is called whose last bit could differ.
"""

import numpy as np


def uniforms(seed, count):
    """The first `count` numbers of mulberry32: from 0 to below 1."""
    i = np.arange(1, count + 1, dtype=np.uint64)
    a = (np.uint64(seed) + i * np.uint64(0x6D2B79F5)).astype(np.uint32)
    with np.errstate(over="ignore"):
        t = (a ^ (a >> np.uint32(15))) * (a | np.uint32(1))
        t ^= t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61))
        t ^= t >> np.uint32(14)
    return t.astype(np.float64) / 4294967296.0


def near_normal(u):
    """Sums of four uniform numbers, with mean 0 and variance 1."""
    a = u.reshape(-1, 4)
    return (a[:, 0] + a[:, 1] + a[:, 2] + a[:, 3] - 2.0) * 1.7320508


def normal(shape, seed, spec):
    """Deviation `std` (1) around `mean` (0)."""
    n = int(np.prod(shape))
    return (near_normal(uniforms(seed, 4 * n)) * spec.get("std", 1.0) + spec.get("mean", 0.0)).reshape(shape)


def even(shape, seed, spec):
    """Evenly between `low` (0) and `high` (1); `whole`: rounded down."""
    low, high = spec.get("low", 0.0), spec.get("high", 1.0)
    x = (uniforms(seed, int(np.prod(shape))) * (high - low) + low).reshape(shape)
    return np.floor(x) if spec.get("whole", False) else x


def image(shape, seed, spec):
    """Patches of 4x4 pixels with grain on a colour of the whole image, from 0 to `high` (1). `whole`: rounded down;
    `last`: channels are last."""
    last = spec.get("last", False)
    c, h, w = (shape[-1], shape[-3], shape[-2]) if last else shape[-3:]
    rows, columns = (h + 3) // 4, (w + 3) // 4
    u = uniforms(seed, c + c * rows * columns + c * h * w)
    colour, u = u[:c].reshape(c, 1, 1), u[c:]
    patches = u[: c * rows * columns].reshape(c, rows, columns)
    grain = u[c * rows * columns :].reshape(c, h, w)
    x = colour * 0.5 + patches.repeat(4, 1).repeat(4, 2)[:, :h, :w] * 0.375 + grain * 0.125
    x = x * spec.get("high", 1.0)
    x = np.floor(x) if spec.get("whole", False) else x
    return (x.transpose(1, 2, 0) if last else x).reshape(shape)


def wave(shape, seed, spec):
    """Each number is 0.9 of the one before it along `axis` (the last) and some noise: deviation about 1."""
    x = np.moveaxis(normal(shape, seed, {}), spec.get("axis", -1), -1)
    y = np.zeros_like(x)
    before = np.zeros_like(x[..., 0])
    for i in range(x.shape[-1]):
        before = before * 0.9 + x[..., i] * 0.4359
        y[..., i] = before
    return np.moveaxis(y, -1, spec.get("axis", -1))


def table(shape, seed, spec):
    """Columns with a mean and a deviation each, of other sizes."""
    x = normal(shape, seed, {})
    return x * np.array(spec["std"], dtype=np.float64) + np.array(spec["mean"], dtype=np.float64)


def tokens(shape, seed, spec):
    """Whole numbers from 0 to below `count`."""
    return even(shape, seed, {"high": float(spec["count"]), "whole": True})


KINDS = {f.__name__: f for f in (normal, even, image, wave, table, tokens)}


def sample(inputs, seed):
    """One array for each input, [{shape, dtype, data: {kind, ...}}]; input i has the seed `seed + 1000 i`."""
    made = []
    for i, spec in enumerate(inputs):
        x = KINDS[spec["data"]["kind"]](tuple(spec["shape"]), seed + 1000 * i, spec["data"])
        made.append(np.ascontiguousarray(x).astype(spec["dtype"]))
    return made
