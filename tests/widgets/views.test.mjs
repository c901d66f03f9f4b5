import assert from "node:assert/strict";
import { test } from "node:test";

const load = (name) => import(`file://${process.env.BUNDLES}/${name}.mjs`);
const curves = await load("curves");
const filters = await load("filters");
const convolution = await load("convolution");

function floats(...values) {
  return new DataView(new Float32Array(values).buffer);
}

function model(state) {
  return { get: (key) => state[key] };
}

const COLUMNS = ["step", "epoch", "loss", "learning_rate", "rate", "score", "recent",
  "rate:0", "compute:0", "wait:0", "exchange:0"];

test("a float32 table becomes named columns", () => {
  assert.deepEqual(curves.parseTable(floats(1, 2, 3, 4), ["a", "b"]), { a: [1, 3], b: [2, 4] });
  assert.deepEqual(curves.parseTable(undefined, ["a"]), { a: [] });
});

test("half precision is read exactly", () => {
  const cases = { 0: 0, 0x3c00: 1, 0xc000: -2, 0x3555: 0.333251953125, 1: 2 ** -24, 0x7c00: Infinity };
  for (const [bits, value] of Object.entries(cases)) assert.equal(filters.halfToNumber(Number(bits)), value);
  assert.ok(Number.isNaN(filters.halfToNumber(0x7e00)));
});

test("ticks are round, inside, and few", () => {
  assert.deepEqual(curves.ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(curves.ticks(0.1, 0.1), [0.1]);
  assert.deepEqual(curves.logTicks(0.05, 3), [0.1, 0.3, 1, 3]);
  assert.deepEqual(curves.logTicks(0.31, 0.75), [0.4, 0.5, 0.6]);
  assert.deepEqual(curves.logTicks(0.62, 1.05), [0.7, 0.8, 0.9, 1]);
  for (const [a, b] of [[0, 1407], [0.937, 1.003], [1e-5, 3e-5]]) {
    const found = curves.ticks(a, b);
    assert.ok(found.length >= 3 && found.length <= 8, `${found}`);
    assert.ok(found.every((t) => t >= a - 1e-9 && t <= b + 1e-9));
  }
});

test("scales go from end to end, also logarithmic ones", () => {
  const x = curves.scale(1, 100, 0, 10, true);
  assert.equal(x(10), 5);
  assert.equal(curves.scale(0, 2, 10, 0)(1), 5);
  assert.equal(curves.scale(1, 1, 3, 4)(1), 3);
});

test("domains survive no data, one value, NaN and zeros on a log axis", () => {
  assert.deepEqual(curves.domain([]), [0, 1]);
  assert.deepEqual(curves.domain([NaN, 0, -1], { log: true }), [0.1, 1]);
  const [low, high] = curves.domain([5]);
  assert.ok(low < 5 && high > 5);
});

test("a line is lifted over gaps", () => {
  const same = (v) => v;
  assert.equal(curves.linePath([0, 1, 2, 3], [1, NaN, 2, 3], same, same), "M0.0 1.0M2.0 2.0L3.0 3.0");
});

test("the nearest step is found", () => {
  assert.equal(curves.nearest([1, 2, 10], 7), 2);
  assert.equal(curves.nearest([1, 2, 10], 5), 1);
  assert.equal(curves.nearest([], 5), -1);
});

test("smoothing starts at the first value and passes over gaps", () => {
  const out = curves.smooth([4, NaN, 4]);
  assert.ok(out.every((v) => Math.abs(v - 4) < 1e-9));
});

test("weights are coloured blue, white and orange, and no number is grey", () => {
  const [cold, zero, warm] = [-1, 0, 1].map(filters.weightColor);
  assert.ok(cold[2] > cold[0] && warm[0] > warm[2]);
  assert.ok(Math.min(...zero) > 240);
  assert.deepEqual(filters.weightColor(NaN), [128, 128, 128]);
  assert.deepEqual(filters.weightColor(9), warm);
});

test("numbers are short", () => {
  assert.equal(curves.show(1234567), "1,234,567");
  assert.equal(curves.show(468), "468");
  assert.equal(curves.show(0.00004), "4.0e-5");
  assert.equal(curves.show(NaN), "–");
  assert.equal(curves.percent(0.9906), "99.06 %");
});

test("a run is read into charts and tables", () => {
  const points = floats(
    1, 1, 2.3, 0.1, 100, 0.1, 0.1, 100, 0.8, 0.1, 0.1,
    2, 1, 2.0, 0.1, 300, 0.2, 0.15, 100, 0.8, 0.1, 0.1,
    3, 2, 1.5, 0.1, 50, 0.3, 0.2, 100, 0.8, 0.1, 0.1,
  );
  const run = curves.readRun(model({ points, columns: COLUMNS, validations: floats(2, 1, 0.5, 1.2) }));
  assert.deepEqual(run.ranks, ["0"]);
  const charts = curves.describeCharts(run, "accuracy", true);
  assert.deepEqual(charts.map((c) => c.key), ["loss", "score", "learning-rate", "speed"]);
  assert.deepEqual(charts[3].lines.map((l) => l.label), ["rank 0"]);
  assert.equal(charts[3].title, "Images per second");
  assert.equal(curves.describeCharts(run, "accuracy", true, "texts")[3].title, "Texts per second");
  const rows = curves.epochRows(run);
  assert.deepEqual(rows.map((r) => [r.epoch, r.step]), [[1, 2], [2, 3]]);
  assert.ok(Math.abs(rows[0].loss - 2.15) < 1e-6);
  assert.deepEqual(rows.map((r) => Math.round(r.rate)), [150, 50]); // 2 images in 1/100 + 1/300 s
  assert.equal(rows[0].checkScore, 0.5);
  assert.ok(Number.isNaN(rows[1].checkScore));
  const [share] = curves.rankShares(run);
  assert.ok(Math.abs(share.shares[0] - 0.8) < 1e-6);
});

test("an empty run has charts without lines", () => {
  const run = curves.readRun(model({ points: undefined, columns: [], validations: undefined }));
  const charts = curves.describeCharts(run, "accuracy", true);
  assert.ok(charts.every((c) => c.lines.every((l) => l.values.length === 0)));
  assert.deepEqual(curves.epochRows(run), []);
});

test("filters are laid out by shape", () => {
  assert.deepEqual(filters.layout([6, 1, 5, 5]),
    { kh: 5, kw: 5, inner: 1, count: 6, shown: 6, columns: 3, rows: 2 });
  const many = filters.layout([64, 32, 3, 3]);
  assert.equal(many.columns, 32);
  assert.equal(many.shown, 256);
  assert.deepEqual(filters.layout([10, 84]), { kh: 10, kw: 84, inner: 1, count: 1, shown: 1, columns: 2, rows: 1 });
  assert.equal(filters.tileName(filters.layout([16, 6, 5, 5]), 7), "filter 1, channel 1");
});

test("norms say how far a filter moved", () => {
  const grid = filters.layout([1, 1, 1, 2]);
  const [norm] = filters.tileNorms([3, 4], [3, 0], grid);
  assert.deepEqual(norm, { before: 5, now: 3, change: 0.8 });
});

test("a convolution by hand", () => {
  const image = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const result = convolution.convolve(image, 3, 3, [1, 0, 0, -1]);
  assert.deepEqual([...result.values], [-4, -4, -4, -4]);
  assert.deepEqual([...convolution.convolve(image, 3, 3, [1, 0, 0, -1], true).values], [0, 0, 0, 0]);
  assert.deepEqual(convolution.peak({ values: [0, -9, 2, 5, 1, 3], columns: 3 }), { row: 1, column: 0 });
  const made = convolution.equation(image, 3, [1, 0, 0, -1], 1, 1);
  assert.equal(made.sum, -4);
  assert.deepEqual(made.lines, ["1 × 4 + 0 × 5", "+ 0 × 7 − 1 × 8"]); // nothing is left out
  for (const preset of Object.values(convolution.PRESETS)) assert.equal(preset.length, 9);
});

test("equations carry one sign a term and add up to the last digit", () => {
  const { exact, sumOf } = convolution;
  assert.equal(sumOf([[0.5, 0.27], [1, -0.46]], -0.2), "0.5 × 0.27 + 1 × (−0.46) − 0.2");
  assert.equal(sumOf([[-1, 0], [0, 0.5]], 0), "−1 × 0 + 0 × 0.5 + 0");
  assert.equal(exact(0.1 + 0.2), "0.3");
  assert.equal(exact(-1e-17), "0");
  const image = floats(0.87, 0.01, 0.33, 0.5);
  const pixels = convolution.parseTable(image, ["v"]).v;
  const made = convolution.equation(pixels, 2, [0.11, -0.25, 0, 2], 0, 0);
  const terms = made.lines.join(" ").replaceAll("−", "-").replaceAll("×", "*");
  assert.equal(exact(eval(terms)), exact(made.sum));
  assert.equal(exact(made.sum), "1.0932");
});

test("where curves will be stands what the run is doing, and for how long", () => {
  assert.equal(curves.emptyText("running", "starting Java", 0.5), "starting Java");
  assert.equal(curves.emptyText("running", "starting Spark", 7.9), "starting Spark, 7 s");
  assert.equal(curves.emptyText("idle", ""), "not started yet");
  assert.equal(curves.emptyText("failed", ""), "no steps");
  assert.equal(curves.emptyText("running", ""), "starting");
});
