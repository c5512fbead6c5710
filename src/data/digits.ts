/**
 * Handwritten-like digits that thimble draws itself, so that demos and tests need no data set. Each digit is a
 * few strokes; a seed bends, slants and thickens them. What comes out looks as MNIST's digits do: 28x28, white
 * on black, the ink in a box of 20x20, its centre of mass in the middle (LeCun et al., 1998).
 */
import { must } from '../base/errors.ts';
import { mulberry32, normal } from '../base/random.ts';

export const digitSide = 28;
const box = 20;

export type Point = readonly [x: number, y: number];
/** A smooth curve through the points; where two strokes share an end there is a corner. */
type Stroke = readonly Point[];

/**
 * Points of the strokes in hundredths of the digit's height, x to the right and y downwards, strokes divided by
 * bars. The writer picks one variant of each digit.
 */
const glyphs: readonly (readonly string[])[] = [
  [
    '50,0 24,14 14,50 24,86 46,100 70,86 80,50 72,14 50,0',
    '56,2 28,12 14,48 22,84 46,100 72,82 82,44 68,12 40,6',
  ],
  ['50,0 50,50 50,100', '56,0 52,50 48,100', '42,14 48,8 54,0 | 54,0 53,50 50,100'],
  [
    '16,24 32,5 60,3 76,22 64,50 40,76 14,97 | 14,97 50,94 88,96',
    '18,18 40,2 68,10 72,34 50,68 26,92 12,88 24,78 50,88 90,96',
  ],
  [
    '20,12 46,0 72,14 64,36 40,47 | 40,47 68,54 78,74 60,95 34,100 12,90',
    '16,6 50,2 74,16 60,38 42,46 66,56 74,76 52,97 14,96',
  ],
  [
    '26,4 20,30 16,52 | 16,52 50,54 84,50 | 74,6 70,50 66,100',
    '62,0 36,30 12,62 | 12,62 50,62 90,60 | 66,28 64,60 62,100',
  ],
  [
    '82,3 56,4 32,6 | 32,6 28,24 24,44 | 24,44 52,40 76,58 70,86 42,100 12,92',
    '88,0 60,6 36,6 | 36,6 26,22 28,42 54,46 72,64 60,90 34,100 10,94',
  ],
  [
    '66,0 40,20 22,52 20,82 42,100 68,90 72,68 50,56 24,72',
    '50,0 30,30 20,66 30,94 56,98 74,80 62,62 40,62 24,80',
  ],
  [
    '12,8 50,7 84,5 | 84,5 60,46 44,100',
    '10,16 18,6 50,6 84,4 | 84,4 64,40 50,70 42,100',
    '12,8 50,7 84,5 | 84,5 60,46 44,100 | 36,52 58,50 78,48',
  ],
  [
    '50,46 28,30 28,10 50,0 70,10 68,30 50,46 26,68 26,90 48,100 70,90 70,68 50,46',
    '74,10 50,0 28,14 36,36 60,58 68,82 48,100 26,86 36,62 60,38 74,10',
  ],
  [
    '70,16 50,1 26,12 22,34 42,46 62,36 72,14 | 72,14 70,50 64,100',
    '68,10 42,2 22,22 34,44 58,38 72,10 | 72,10 68,56 50,98',
  ],
];

const parseStroke = (text: string): Stroke =>
  text
    .trim()
    .split(' ')
    .map((pair) => {
      const [x = 0, y = 0] = pair.split(',').map(Number);
      return [x / 100, y / 100];
    });

/** Catmull and Rom's spline through the points, the ends doubled: 12 pieces per span. */
function smooth(stroke: Stroke): Point[] {
  const at = (i: number): Point =>
    must(stroke[Math.min(Math.max(i, 0), stroke.length - 1)], 'a stroke has points');
  const out: Point[] = [];
  for (let i = 0; i + 1 < stroke.length; i++)
    for (let k = 0; k < 12; k++) out.push(between([at(i - 1), at(i), at(i + 1), at(i + 2)], k / 12));
  return [...out, at(stroke.length - 1)];
}

/** q(t) = (2b + (c - a)t + (2a - 5b + 4c - d)t^2 + (3b - a - 3c + d)t^3) / 2 */
function between([a, b, c, d]: readonly [Point, Point, Point, Point], t: number): Point {
  const on = (axis: 0 | 1): number => {
    const [p, q, r, s] = [a[axis], b[axis], c[axis], d[axis]];
    return q + (t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)))) / 2;
  };
  return [on(0), on(1)];
}

type Move = (point: Point) => Point;

/** Slant, rotation and stretch of one hand. */
function hand(random: () => number): Move {
  const slant = 0.12 + 0.16 * normal(random);
  const angle = 0.08 * normal(random);
  const stretch = 1.14 + 0.14 * normal(random);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return ([x, y]) => {
    const u = stretch * (x - 0.5) - slant * (y - 0.5);
    return [u * cos - (y - 0.5) * sin, u * sin + (y - 0.5) * cos];
  };
}

/** Moves the points of all strokes a little, the same way where strokes meet. */
function wobble(random: () => number): Move {
  const moved = new Map<string, Point>();
  return (point) => {
    const key = point.join();
    const known = moved.get(key) ?? [point[0] + 0.03 * normal(random), point[1] + 0.03 * normal(random)];
    moved.set(key, known);
    return known;
  };
}

interface Bounds {
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

function boundsOf(points: readonly Point[]): Bounds {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, size: Math.max(Math.max(...xs) - x, Math.max(...ys) - y) };
}

/** Scales the ink, `thickness` included, to a box of `side`; in pixels from its corner. */
function toBox(strokes: readonly (readonly Point[])[], thickness: number, side: number): Point[][] {
  const { x, y, size } = boundsOf(strokes.flat());
  const scale = size === 0 ? 0 : (side - thickness) / size;
  return strokes.map((points) =>
    points.map(([px, py]) => [(px - x) * scale + thickness / 2, (py - y) * scale + thickness / 2]),
  );
}

/** Squared distance of (x, y) from the segment a b. */
function distance2(x: number, y: number, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length2 = dx * dx + dy * dy;
  const t = length2 === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length2));
  return (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2;
}

function nearest(x: number, y: number, strokes: readonly (readonly Point[])[]): number {
  let best = Number.POSITIVE_INFINITY;
  for (const points of strokes)
    for (let i = 0; i < Math.max(1, points.length - 1); i++) {
      const a = points[i];
      if (a !== undefined) best = Math.min(best, distance2(x, y, a, points[i + 1] ?? a));
    }
  return Math.sqrt(best);
}

/** How wide the edge of a stroke fades out, in pixels. */
const softness = 1.5;

/** How thick strokes are, and by how much they are moved, in pixels. */
interface Pen {
  readonly thickness: number;
  readonly dx: number;
  readonly dy: number;
}

/** `side` x `side` pixels of ink, row-major, between 0 and 255. The strokes are in pixels. */
export function render(
  strokes: readonly (readonly Point[])[],
  side: number,
  { thickness, dx, dy }: Pen,
): Uint8Array {
  return Uint8Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [(i % side) + 0.5 - dx, Math.floor(i / side) + 0.5 - dy];
    const inside = (thickness / 2 - nearest(x, y, strokes)) / softness + 0.5;
    return Math.round(255 * Math.min(1, Math.max(0, inside)));
  });
}

function centreOf(pixels: Uint8Array, side: number): Point {
  let [mass, sumX, sumY] = [0, 0, 0];
  pixels.forEach((ink, i) => {
    mass += ink;
    sumX += ink * ((i % side) + 0.5);
    sumY += ink * (Math.floor(i / side) + 0.5);
  });
  return [sumX / mass, sumY / mass];
}

/**
 * Strokes of any size as MNIST has its digits: the ink in a box of 20/28 of the side, its centre of mass in
 * the middle.
 * @param strokes at least one point, in any unit
 * @param thickness of the pen, in pixels
 */
export function centred(strokes: readonly (readonly Point[])[], side: number, thickness: number): Uint8Array {
  const inner = (side * box) / digitSide;
  const margin = (side - inner) / 2;
  const boxed = toBox(strokes, thickness, inner);
  const [x, y] = centreOf(render(boxed, side, { thickness, dx: margin, dy: margin }), side);
  return render(boxed, side, { thickness, dx: margin + side / 2 - x, dy: margin + side / 2 - y });
}

/**
 * A digit as this seed's hand writes it: 28x28 pixels, row-major, 0 black to 255 white. The same arguments
 * give the same picture everywhere.
 */
export function drawDigit(digit: number, seed: number): Uint8Array {
  const variants = must(glyphs[digit], `digits are 0 to 9, not ${digit}`);
  const random = mulberry32(seed * 10 + digit);
  random();
  const glyph = must(variants[Math.floor(random() * variants.length)], 'a variant of the digit');
  const thickness = Math.min(3.6, Math.max(2, 2.7 + 0.4 * normal(random)));
  const [jitter, move] = [wobble(random), hand(random)];
  const strokes = glyph.split('|').map((stroke) => smooth(parseStroke(stroke).map(jitter)).map(move));
  return centred(strokes, digitSide, thickness);
}
