// What stands around a chart: grid lines, numbers, and the edge beyond which nothing is drawn.
import { makeSvg, showTick } from "./common.js";

/** Lines across, each with its number on the left. `frame` is a chart's { width, height, margin }. */
export function gridLines(values, y, { width, margin }, write = showTick) {
  return values.flatMap((value) => [
    makeSvg("line", { class: "sbx-grid", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }),
    makeSvg("text", { class: "sbx-tick", x: margin.left - 6, y: y(value) + 3.5, "text-anchor": "end" }, write(value)),
  ]);
}

/** A text under a place of the horizontal axis. */
export function mark(x, y, words) {
  return makeSvg("text", { class: "sbx-tick", x, y, "text-anchor": "middle" }, words);
}

/** A line from the top to the bottom of a chart. */
export function upright(x, { height, margin }, name) {
  return makeSvg("line", { class: name, x1: x, x2: x, y1: margin.top, y2: height - margin.bottom });
}

/** An svg within the axes that cuts off what leaves them by more than `over`. */
export function clipped({ width, height, margin }, over, ...children) {
  const [x, y] = [margin.left, margin.top - over];
  const size = { width: width - margin.left - margin.right + over, height: height - margin.top - margin.bottom + 2 * over };
  return makeSvg("svg", { x, y, ...size, viewBox: `${x} ${y} ${size.width} ${size.height}` }, ...children);
}
