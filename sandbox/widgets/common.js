// Pure helpers of all widgets: numbers, scales, paths, colours. No DOM state, so node tests them.

/** Split a float32 table into named columns. `view` is the DataView a Bytes trait arrives as. */
export function parseTable(view, columns) {
  const width = columns.length;
  const out = Object.fromEntries(columns.map((name) => [name, []]));
  if (!view || !width) return out;
  const rows = Math.floor(view.byteLength / 4 / width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      out[columns[column]].push(view.getFloat32(4 * (row * width + column), true));
    }
  }
  return out;
}

/** Turn the 16 bits of a half-precision number into a number. */
export function halfToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Read `count` half-precision numbers from `view`, starting at number `start`. */
export function halves(view, start, count) {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = halfToNumber(view.getUint16(2 * (start + i), true));
  return out;
}

/** The finite numbers of a list. */
export function finite(values) {
  return values.filter(Number.isFinite);
}

/** The q-quantile (0..1) of the finite numbers, NaN if there is none. */
export function quantile(values, q) {
  const sorted = finite(values).sort((a, b) => a - b);
  if (!sorted.length) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(q * (sorted.length - 1))))];
}

/** Exponential running mean, started so that early values are not pulled to zero. */
export function smooth(values, alpha = 0.1) {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (Number.isFinite(value)) {
      mean = (1 - alpha) * mean + alpha * value;
      weight = (1 - alpha) * weight + alpha;
    }
    return weight ? mean / weight : NaN;
  });
}

/** Round numbers between low and high, about `count` of them. */
export function ticks(low, high, count = 5) {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((f) => f * power >= raw * 0.999) * power;
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    out.push(Number((i * step).toPrecision(12)));
  }
  return out;
}

/** Ticks of a logarithmic axis: powers of ten, and what lies between them where there is room. */
export function logTicks(low, high) {
  const out = [];
  const decades = Math.log10(high / low);
  const factors = decades > 3 ? [1] : decades > 1.2 ? [1, 3]
    : decades > 0.6 ? [1, 2, 5] : [1, 2, 3, 4, 5, 6, 8];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const f of factors) {
      const value = Number((f * 10 ** e).toPrecision(6));
      if (value >= low * 0.999 && value <= high * 1.001) out.push(value);
    }
  }
  return out.length < 3 ? ticks(low, high) : out; // within a small part of a decade
}

/** A function from [low, high] to [from, to]; with `log` the values are positive. */
export function scale(low, high, from, to, log = false) {
  const place = log ? (v) => Math.log(v) : (v) => v;
  const a = place(low);
  const b = place(high);
  return (value) => from + ((place(value) - a) / (b - a || 1)) * (to - from);
}

/** The lowest and highest of what is to be seen, with a little air; log axes stay positive. */
export function domain(values, { log = false, zero = false } = {}) {
  const seen = finite(values).filter((v) => !log || v > 0);
  if (!seen.length) return log ? [0.1, 1] : [0, 1];
  let low = Math.min(...seen);
  let high = Math.max(...seen);
  if (log) return high > low ? [low / 1.1, high * 1.1] : [low / 2, high * 2];
  if (zero) return [0, high * 1.08 || 1];
  const air = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low - air, high + air];
}

/** The `d` of an SVG path; it is lifted over what is not finite. */
export function linePath(xs, ys, x, y) {
  let d = "";
  let pen = false;
  for (let i = 0; i < xs.length; i++) {
    const px = x(xs[i]);
    const py = y(ys[i]);
    const ok = Number.isFinite(px) && Number.isFinite(py);
    if (ok) d += `${pen ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`;
    pen = ok;
  }
  return d;
}

/** Index of the entry of a rising list that is nearest to `value`, -1 for an empty list. */
export function nearest(sorted, value) {
  if (!sorted.length) return -1;
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle;
    else high = middle;
  }
  return value - sorted[low] <= sorted[high] - value ? low : high;
}

/** A number as a reader likes it: four figures, thousands in groups. */
export function show(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1000) return String(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size >= 100) return value.toFixed(1);
  if (size >= 0.001 || size === 0) return String(Number(value.toPrecision(4)));
  return value.toExponential(1);
}

/** A number as it is: rounded nowhere, but without the noise of binary fractions. */
export function exact(value) {
  return String(Number(value.toFixed(8))).replace(/^-0$/, "0").replace("-", "−");
}

/** Products and what is added to them as one sum; no term is left out, no sign stands twice. */
export function sumOf(products, ...added) {
  const terms = products.map(([weight, x]) =>
    [weight < 0, `${exact(Math.abs(weight))} × ${x < 0 ? `(${exact(x)})` : exact(x)}`]);
  for (const value of added) terms.push([value < 0, exact(Math.abs(value))]);
  return terms.map(([minus, term], i) =>
    (i ? ` ${minus ? "−" : "+"} ${term}` : `${minus ? "−" : ""}${term}`)).join("");
}

/** A number on an axis: short. */
export function showTick(value) {
  const size = Math.abs(value);
  if (size >= 10000) return `${Number((value / 1000).toPrecision(3))}k`;
  if (size && size < 0.001) return value.toExponential(0);
  return String(Number(value.toPrecision(3)));
}

/** A share as per cent. */
export function percent(value, digits = 2) {
  return Number.isFinite(value) ? `${(100 * value).toFixed(digits)} %` : "–";
}

const WEIGHT_STOPS = [
  [11, 79, 138],
  [90, 162, 214],
  [246, 246, 244],
  [240, 160, 90],
  [168, 70, 10],
];

/** Colour of a weight in [-1, 1]: blue below zero, white at it, orange above; told apart by all. */
export function weightColor(t) {
  if (!Number.isFinite(t)) return [128, 128, 128];
  const place = (Math.min(1, Math.max(-1, t)) + 1) * 2;
  const i = Math.min(3, Math.floor(place));
  const f = place - i;
  return WEIGHT_STOPS[i].map((c, k) => Math.round(c + f * (WEIGHT_STOPS[i + 1][k] - c)));
}

/** Largest absolute finite value, 1 if there is none. */
export function bound(values) {
  let top = 0;
  for (const v of values) if (Number.isFinite(v)) top = Math.max(top, Math.abs(v));
  return top || 1;
}

// The two makers below touch the page; everything above does not.

/** Make an HTML element: `make("button", { class: "x", onclick: f }, "text", child)`. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function makeSvg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Mark a view whose kernel is gone, and call a function when one goes; returns what ends that. */
export function watchKernel(model, root, call = () => {}) {
  let real; // what we are given does not tell whether a kernel listens
  const look = () => {
    root.classList.toggle("sbx-gone", real.comm_live === false);
    call();
  };
  let over = false;
  model.widget_manager?.get_model(model.get("identity")).then((found) => {
    if (over) return;
    real = found;
    real.on("comm_live_update", look);
    look();
  });
  return () => {
    over = true;
    real?.off("comm_live_update", look);
  };
}

/** Keep notebook shortcuts away from keys that a control of ours uses. */
export function ownKeys(node) {
  node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.addEventListener("keydown", (event) => event.stopPropagation());
}
