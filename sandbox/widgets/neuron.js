import { bound, exact, make, makeSvg, ownKeys, parseTable, sumOf, watchKernel, weightColor } from "./common.js";

/** The weighted sum of two inputs, before ReLU. */
export function weighted([w1, w2, bias], x1, x2) {
  return w1 * x1 + w2 * x2 + bias;
}

/** How many points are on their side: above zero for kind 1 only. */
export function right(weights, table) {
  return table.label.filter((kind, i) =>
    (weighted(weights, table.x1[i], table.x2[i]) > 0) === (kind === 1)).length;
}

const SIDE = 48;
const SIZE = 288;
const EDGE = 1.2;

function render({ model, el }) {
  let chosen = 0;
  const names = ["weight 1", "weight 2", "bias"];
  const values = names.map(() => make("span", { class: "sbx-at" }));
  const sliders = names.map((name, i) => make("input", { type: "range", class: "sbx-range", min: "-2",
    max: "2", step: "0.1", "aria-label": name, oninput: () => {
      const next = [...model.get("weights")];
      next[i] = Number(sliders[i].value);
      model.set("weights", next);
      model.save_changes();
      draw();
    } }));
  const relu = make("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const controls = make("div", {}, ...names.map((name, i) =>
    make("p", { class: "sbx-controls" }, make("span", { class: "sbx-slider" }, name), sliders[i], values[i])),
  make("label", { class: "sbx-check" }, relu, " ReLU: below 0 becomes 0"));
  ownKeys(controls);
  const plane = make("canvas", { class: "sbx-pixels", width: SIDE, height: SIDE });
  const points = makeSvg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", tabindex: "0" });
  points.setAttribute("data-lm-suppress-shortcuts", "true"); // the arrows are ours, not the notebook's
  const text = make("p", { class: "sbx-equation", "aria-live": "polite" });
  const root = make("section", { class: "sbx sbx-neuron", "aria-label": "A neuron by hand" },
    make("div", { class: "sbx-beside" }, controls, make("div", { class: "sbx-plane" }, plane, points)),
    text);
  el.replaceChildren(root);

  function draw() {
    const weights = model.get("weights");
    const table = parseTable(model.get("table"), ["x1", "x2", "label"]);
    const answer = (x1, x2) => {
      const sum = weighted(weights, x1, x2);
      return relu.checked ? Math.max(0, sum) : sum;
    };
    const at = (k) => -EDGE + (2 * EDGE * (k + 0.5)) / SIDE;
    const grid = Array.from({ length: SIDE * SIDE }, (_, i) =>
      answer(at(i % SIDE), -at(Math.floor(i / SIDE))));
    const top = bound(grid);
    const context = plane.getContext("2d");
    grid.forEach((value, i) => {
      context.fillStyle = `rgb(${weightColor(value / top)})`;
      context.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1);
    });
    sliders.forEach((slider, i) => {
      slider.value = String(weights[i]);
      values[i].textContent = exact(weights[i]);
    });
    const place = (v) => ((v + EDGE) / (2 * EDGE)) * SIZE;
    points.replaceChildren(...table.label.map((kind, i) => {
      const x = place(table.x1[i]);
      const y = SIZE - place(table.x2[i]);
      const shape = kind === 1 ? `M${x} ${y - 7}l7 12h-14z` : `M${x - 5} ${y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z`;
      const mark = makeSvg("path", { d: shape, fill: kind === 1 ? "#d55e00" : "#0072b2",
        stroke: i === chosen ? "#1f2328" : "#ffffff", "stroke-width": i === chosen ? 2.5 : 1 });
      mark.addEventListener("pointerenter", () => { if (chosen !== i) { chosen = i; draw(); } });
      return mark;
    }));
    points.append(
      makeSvg("text", { class: "sbx-tick sbx-ondata", x: SIZE - 6, y: SIZE - 6, "text-anchor": "end" }, "input x1 →"),
      makeSvg("text", { class: "sbx-tick sbx-ondata", x: 6, y: 14 }, "↑ input x2"));
    const hits = right(weights, table);
    points.setAttribute("aria-label", `The plane with ${table.label.length} points, ${hits} right.`
      + " Arrow keys go from point to point.");
    const [x1, x2] = [table.x1[chosen], table.x2[chosen]].map((v) => Math.round(100 * v) / 100);
    text.textContent = `${sumOf([[weights[0], x1], [weights[1], x2]], weights[2])}`
      + ` = ${exact(weighted(weights, x1, x2))}${relu.checked ? ` → ReLU → ${exact(answer(x1, x2))}` : ""}`
      + `;  ${hits} of ${table.label.length} points right`;
  }

  points.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const count = parseTable(model.get("table"), ["x1", "x2", "label"]).label.length;
    chosen = (chosen + step + count) % count;
    draw();
  });
  for (const name of ["table", "weights"]) model.on(`change:${name}`, draw);
  const leaveKernel = watchKernel(model, root);
  draw();
  return () => {
    leaveKernel();
    for (const name of ["table", "weights"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
