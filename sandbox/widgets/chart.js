// One chart of a run, drawn into its SVG.
import { clipped, gridLines, mark, upright } from "./axes.js";
import { domain, finite, linePath, logTicks, make, makeSvg, nearest, scale, showTick, ticks } from "./common.js";

export const FRAME = { width: 440, height: 210, margin: { left: 52, right: 14, top: 10, bottom: 26 } };
const MOST_MARKS = 25; // epochs and validations marked one by one

/** Draw one chart into its SVG. `cursor` is an index into the steps or -1. */
export function drawChart(svg, chart, run, cursor, empty) {
  const { width, height, margin } = FRAME;
  const xs = run.step;
  const right = Math.max(xs.at(-1) ?? 1, ...finite(chart.lines.flatMap((l) => l.xs)), 1);
  const drawn = chart.lines.filter((line) => finite(line.values).length);
  if (!drawn.length) {
    svg.replaceChildren(
      makeSvg("rect", { class: "sbx-empty", x: margin.left, y: margin.top, rx: 6,
        width: width - margin.left - margin.right, height: height - margin.top - margin.bottom }),
      makeSvg("text", { class: "sbx-tick", x: (width + margin.left - margin.right) / 2, y: height / 2,
        "text-anchor": "middle" }, empty));
    return;
  }
  const [low, high] = chart.range
    ?? domain(drawn.flatMap((line) => line.values), { log: chart.log, zero: chart.zero });
  const x = scale(0, right, margin.left, width - margin.right);
  const y = scale(low, high, height - margin.bottom, margin.top, chart.log);
  const inside = (at, over) => at >= margin.top - over && at <= height - margin.bottom + over;
  const across = (chart.log ? logTicks(low, high) : ticks(low, high, 5)).filter((value) => inside(y(value), 1));
  const parts = [...gridLines(across, y, FRAME, chart.tick),
    ...ticks(0, right, 6).filter(Number.isInteger).map((value) => mark(x(value), height - 8, showTick(value)))];
  const epochs = (run.points.epoch?.at(-1) ?? 0) - (run.points.epoch?.[0] ?? 0);
  run.points.epoch?.forEach((epoch, i) => {
    if (i && epochs <= MOST_MARKS && epoch !== run.points.epoch[i - 1]) {
      parts.push(upright(x((xs[i] + xs[i - 1]) / 2), FRAME, "sbx-epoch"));
    }
  });
  const plot = clipped(FRAME, 3);
  parts.push(plot);
  for (const line of drawn) {
    plot.append(makeSvg("path", {
      class: `sbx-line sbx-${line.color} ${line.faint ? "sbx-faint" : ""} ${line.dots ? "sbx-dashed" : ""}`,
      "data-dash": line.dash, d: linePath(line.xs, line.values, x, y),
    }));
    if (line.dots && line.xs.length <= MOST_MARKS) {
      line.xs.forEach((step, i) => {
        const at = y(line.values[i]);
        if (inside(at, 0)) {
          parts.push(makeSvg("circle", { class: `sbx-dot sbx-${line.color}`, cx: x(step), cy: at, r: 3.6 }));
        }
      });
    }
  }
  if (cursor >= 0 && cursor < xs.length) {
    parts.push(upright(x(xs[cursor]), FRAME, "sbx-cursor"));
  }
  svg.replaceChildren(...parts);
}

/** The keys of a chart's lines, where there are several. */
export function legend(chart) {
  const named = chart.lines.filter((line) => !line.faint && finite(line.values).length);
  if (named.length < 2) return [];
  return named.map((line) => make("span", { class: "sbx-key" },
    makeSvg("svg", { width: 22, height: 8, "aria-hidden": "true" },
      makeSvg("line", { class: `sbx-line sbx-${line.color} ${line.dots ? "sbx-dashed" : ""}`,
        "data-dash": line.dash, x1: 0, x2: 22, y1: 4, y2: 4 }),
      ...(line.dots ? [makeSvg("circle", { class: `sbx-dot sbx-${line.color}`, cx: 11, cy: 4, r: 3 })] : [])),
    line.label));
}

/** What a chart's lines say at a place of the run. */
export function reading(chart, run, cursor) {
  const step = run.step[cursor];
  return chart.lines.filter((line) => !line.faint && finite(line.values).length).map((line) => {
    const at = line.xs === run.step ? cursor : nearest(line.xs, step);
    return `${line.label} ${chart.format(line.values[at])}`;
  }).join(", ");
}
