import { clipped, gridLines, mark } from "./axes.js";
import { exact, linePath, make, makeSvg, ownKeys, parseTable, scale, show, showTick, ticks, watchKernel } from "./common.js";

const hundredths = (v) => Math.round(100 * v) / 100 || 0;
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** The mean squared error of y = w x. */
export function lossAt(w, { x, y }) {
  return mean(x.map((v, i) => (w * v - y[i]) ** 2));
}

/** Its slope, in hundredths: what is shown is what is used. */
export function slopeAt(w, { x, y }) {
  return hundredths(mean(x.map((v, i) => 2 * v * (w * v - y[i]))));
}

/** The weight after a step against the slope. */
export function step(w, rate, table) {
  return Math.round(1e4 * (w - hundredths(rate) * slopeAt(w, table))) / 1e4;
}

/** The lowest place of the curve, and how far to both sides the axis goes. */
export function reach(path, { x, y }) {
  const best = mean(x.map((v, i) => v * y[i])) / (mean(x.map((v) => v * v)) || 1);
  // What runs away leaves the picture: it is not to flatten the valley.
  const far = Math.min(4 * Math.abs(path[0] - best), Math.max(...path.map((w) => Math.abs(w - best))));
  return { best, half: 1.25 * Math.max(far, 0.4) };
}

const FRAME = { width: 330, height: 200, margin: { left: 40, right: 12, top: 10, bottom: 30 } };

function axes(x, y, [left, right], [low, high], names) {
  const { width, height, margin } = FRAME;
  return [...gridLines(ticks(low, high, 4), y, FRAME),
    ...ticks(left, right, 5).map((v) => mark(x(v), height - 16, showTick(v))),
    makeSvg("text", { class: "sbx-tick", x: width - margin.right, y: height - 3, "text-anchor": "end" }, names[0]),
    makeSvg("text", { class: "sbx-tick", x: margin.left + 4, y: margin.top + 8 }, names[1])];
}

/** The scales of both axes. */
function scales([left, right], [low, high]) {
  const { width, height, margin } = FRAME;
  return [scale(left, right, margin.left, width - margin.right), scale(low, high, height - margin.bottom, margin.top)];
}

function render({ model, el }) {
  const button = (text, count) => make("button", { type: "button", class: "sbx-button",
    onclick: () => walk(count) }, text);
  const again = make("button", { type: "button", class: "sbx-button",
    onclick: () => { put([model.get("path")[0]]); } }, "start again");
  const rate = make("input", { type: "range", class: "sbx-range sbx-short", min: "0", max: "1.2", step: "0.01",
    "aria-label": "learning rate", oninput: () => {
      model.set("rate", Number(rate.value));
      model.save_changes();
      draw();
    } });
  const at = make("span", { class: "sbx-at" });
  const controls = make("div", { class: "sbx-controls" }, button("step", 1), button("10 steps", 10), again,
    make("label", { class: "sbx-check" }, "learning rate ", rate), at);
  ownKeys(controls);
  const svg = (label) => makeSvg("svg", { class: "sbx-chart", viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: "img", "aria-label": label });
  const line = svg("The examples and the line that the weight draws.");
  const valley = svg("The loss over the weight, and the way so far.");
  const text = make("p", { class: "sbx-equation sbx-lines", "aria-live": "polite" });
  const root = make("section", { class: "sbx sbx-descent", "aria-label": "Gradient descent on one weight" }, controls,
    make("div", { class: "sbx-pair" },
      make("figure", { class: "sbx-figure" }, make("figcaption", { class: "sbx-title" }, "examples, and y = w · x"), line),
      make("figure", { class: "sbx-figure" }, make("figcaption", { class: "sbx-title" }, "loss over the weight w"), valley)),
    text);
  el.replaceChildren(root);

  const read = () => parseTable(model.get("table"), ["x", "y"]);

  function put(path) {
    model.set("path", path);
    model.save_changes();
    draw();
  }

  function walk(count) {
    const path = [...model.get("path")];
    for (let i = 0; i < count && Math.abs(path.at(-1)) < 1e6; i++) path.push(step(path.at(-1), model.get("rate"), read()));
    put(path);
  }

  function drawLine(table, w, first) {
    const right = 1.1 * Math.max(...table.x, 0);
    const left = Math.min(...table.x, 0);
    const low = Math.min(...table.y, 0, first * right); // where the line begins is seen, too
    const high = 1.1 * Math.max(...table.y, 0);
    const [x, y] = scales([left, right], [low, high]);
    line.replaceChildren(...axes(x, y, [left, right], [low, high], ["x", "y"]),
      clipped(FRAME, 0,
        ...table.x.map((v, i) => makeSvg("line", { class: "sbx-miss", x1: x(v), x2: x(v), y1: y(table.y[i]), y2: y(w * v) })),
        makeSvg("path", { class: "sbx-line sbx-check", d: linePath([left, right], [w * left, w * right], x, y) }),
        ...table.x.map((v, i) => makeSvg("circle", { class: "sbx-dot sbx-train", cx: x(v), cy: y(table.y[i]), r: 3.5 }))));
  }

  function drawValley(table, path) {
    const { best, half } = reach(path, table);
    const [left, right] = [best - half, best + half];
    const weights = Array.from({ length: 81 }, (_, i) => left + (i / 80) * (right - left));
    const losses = weights.map((w) => lossAt(w, table));
    const high = 1.05 * Math.max(...losses);
    const [x, y] = scales([left, right], [0, high]);
    const w = path.at(-1);
    const slope = slopeAt(w, table);
    const touch = [w - half / 3, w + half / 3];
    valley.replaceChildren(...axes(x, y, [left, right], [0, high], ["w", "loss"]),
      clipped(FRAME, 4,
        makeSvg("path", { class: "sbx-line sbx-train", d: linePath(weights, losses, x, y) }),
        makeSvg("path", { class: "sbx-line sbx-rate sbx-dashed", // the slope where the weight stands
          d: linePath(touch, touch.map((v) => lossAt(w, table) + slope * (v - w)), x, y) }),
        makeSvg("path", { class: "sbx-line sbx-check sbx-thin", d: linePath(path, path.map((v) => lossAt(v, table)), x, y) }),
        ...path.map((v, i) => makeSvg("circle", { class: "sbx-dot sbx-check", cx: x(v), cy: y(lossAt(v, table)),
          r: i === path.length - 1 ? 5 : 2.5 }))));
  }

  function draw() {
    const table = read();
    const path = model.get("path");
    const w = path.at(-1);
    rate.value = String(model.get("rate"));
    const used = hundredths(model.get("rate"));
    at.textContent = exact(used);
    drawLine(table, w, path[0]);
    drawValley(table, path);
    const slope = slopeAt(w, table);
    const after = path.length > 1 && lossAt(w, table) > lossAt(path.at(-2), table)
      ? "  The last step went too far: the loss has risen." : "";
    text.textContent = `step ${path.length - 1}: weight ${exact(w)}, loss ${show(lossAt(w, table))}, slope ${exact(slope)}.${after}\n`
      + `next weight: ${exact(w)} − ${exact(used)} × ${slope < 0 ? `(${exact(slope)})` : exact(slope)} = ${exact(step(w, used, table))}`;
  }

  const names = ["table", "path", "rate"];
  for (const name of names) model.on(`change:${name}`, draw);
  const leaveKernel = watchKernel(model, root);
  draw();
  return () => {
    for (const name of names) model.off(`change:${name}`, draw);
    leaveKernel();
  };
}

export default { render };
