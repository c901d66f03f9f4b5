// A training run as plain data: what charts, tiles and tables are drawn from. No page is touched.
import { finite, nearest, parseTable, percent, quantile, show, showTick, smooth } from "./common.js";

/** The run as columns: what the charts, the tiles and the table are drawn from. */
export function readRun(model) {
  const points = parseTable(model.get("points"), model.get("columns"));
  const checks = parseTable(model.get("validations"), ["step", "epoch", "score", "loss"]);
  // "0", "1", ... or, of many, "mean" and "slowest".
  const ranks = Object.keys(points).filter((name) => name.startsWith("rate:")).map((name) => name.slice(5));
  return { points, checks, ranks, step: points.step ?? [] };
}

/** What a rank, or what stands for many of them, is called. */
export const rankLabel = (rank) => (Number.isNaN(Number(rank)) ? `${rank} of the ranks` : `rank ${rank}`);

/** The four charts as plain data: title, lines, axes. */
export function describeCharts(run, scoreName, logLoss, unit = "images") {
  const { points, checks, ranks, step } = run;
  const share = scoreName === "accuracy";
  const title = scoreName.charAt(0).toUpperCase() + scoreName.slice(1);
  const all = { label: "all ranks", color: "ink", values: smooth(points.rate ?? []) };
  const each = ranks.map((rank, k) => ({
    label: rankLabel(rank), color: `rank${k % 6}`, dash: k % 4, values: smooth(points[`rate:${rank}`]),
  }));
  const low = quantile(points.recent ?? [], 0.04);
  return [
    {
      key: "loss", title: "Loss", log: logLoss, format: show,
      lines: [
        { label: "each step", color: "train", faint: true, values: points.loss ?? [] },
        { label: "training, smoothed", color: "train", values: smooth(points.loss ?? []) },
        { label: "validation", color: "check", dots: true, xs: checks.step, values: checks.loss },
      ],
    },
    {
      key: "score", title, format: share ? percent : show,
      tick: share ? (v) => `${Number((100 * v).toPrecision(4))} %` : showTick,
      range: share && Number.isFinite(low) ? [Math.max(0, Math.min(0.9, low)), 1.003] : undefined,
      lines: [
        { label: "training, last steps", color: "train", values: points.recent ?? [] },
        { label: "validation", color: "check", dots: true, xs: checks.step, values: checks.score },
      ],
    },
    {
      key: "learning-rate", title: "Learning rate", zero: true, format: show,
      lines: [{ label: "learning rate", color: "rate", values: points.learning_rate ?? [] }],
    },
    {
      key: "speed", title: `${unit[0].toUpperCase()}${unit.slice(1)} per second`, zero: true, format: show,
      lines: ranks.length > 1 ? [...each, all] : each.length ? each : [all],
    },
  ].map((chart) => ({ ...chart, lines: chart.lines.map((line) => ({ xs: step, ...line })) }));
}

/** Rows/s over several points of the same number of rows: not the mean of their rates. */
export function meanRate(rates) {
  const known = finite(rates).filter((rate) => rate > 0);
  return known.length / known.reduce((sum, rate) => sum + 1 / rate, 0);
}

/** Rows of the data table, one an epoch: mean loss and rate, the score at its end, its validation. */
export function epochRows(run) {
  const { epoch, loss, score, rate } = run.points;
  const rows = [];
  run.step.forEach((step, i) => {
    if (!rows.length || rows.at(-1).epoch !== epoch[i]) rows.push({ epoch: epoch[i], from: i });
    Object.assign(rows.at(-1), { step, score: score[i], to: i + 1 });
  });
  for (const row of rows) {
    const losses = finite(loss.slice(row.from, row.to));
    row.loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    row.rate = meanRate(rate.slice(row.from, row.to));
    Object.assign(row, { checkScore: NaN, checkLoss: NaN });
  }
  run.checks.step.forEach((step, i) => {
    // A point may stand for several iterations, so a validation belongs to the nearest row.
    const row = rows[nearest(rows.map((r) => r.step), step)];
    if (row) Object.assign(row, { checkScore: run.checks.score[i], checkLoss: run.checks.loss[i] });
  });
  return rows;
}

/** Share of compute, wait and exchange of each rank over the newest `count` points. */
export function rankShares(run, count = 50) {
  return run.ranks.map((rank) => {
    const sum = (name) => finite((run.points[`${name}:${rank}`] ?? []).slice(-count))
      .reduce((a, b) => a + b, 0);
    const parts = ["compute", "wait", "exchange"].map(sum);
    const total = parts.reduce((a, b) => a + b, 0);
    return { rank, shares: parts.map((part) => (total ? part / total : NaN)) };
  });
}
