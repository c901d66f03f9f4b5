import { bound, halves, make, ownKeys, show, watchKernel, weightColor } from "./common.js";

const MOST_TILES = 256;

/** Rows, columns and size of the tiles of a parameter of this shape. */
export function layout(shape) {
  const [kh, kw] = shape.length >= 3 ? shape.slice(-2) : [shape.length > 1 ? shape[0] : 1, shape.at(-1)];
  const outer = shape.length === 4 ? shape[0] : 1;
  const inner = shape.length === 4 ? shape[1] : shape.length === 3 ? shape[0] : 1;
  // One input channel: the filters fill a block; more: a row a filter, a column a channel.
  const count = outer * inner;
  const columns = inner > 1 ? inner : Math.ceil(Math.sqrt(outer * 1.5));
  const shown = Math.min(count, Math.max(columns, Math.floor(MOST_TILES / columns) * columns));
  return { kh, kw, inner, count, shown, columns, rows: Math.ceil(shown / columns) };
}

/** What a tile is called. */
export function tileName(grid, tile) {
  return grid.inner > 1
    ? `filter ${Math.floor(tile / grid.inner)}, channel ${tile % grid.inner}` : `filter ${tile}`;
}

/** Norm of each tile before and now, and by how much it changed. */
export function tileNorms(before, now, grid) {
  const size = grid.kh * grid.kw;
  return Array.from({ length: grid.shown }, (_, tile) => {
    let a = 0, b = 0, d = 0;
    for (let i = tile * size; i < (tile + 1) * size; i++) {
      a += before[i] ** 2;
      b += now[i] ** 2;
      d += (now[i] - before[i]) ** 2;
    }
    return { before: Math.sqrt(a), now: Math.sqrt(b), change: Math.sqrt(d) / (Math.sqrt(a) || 1) };
  });
}

/** Paint the tiles side by side, one canvas pixel a weight and one between tiles. */
function paint(canvas, values, grid, top, chosen) {
  const { kh, kw, columns, rows, shown } = grid;
  const width = columns * (kw + 1) + 1;
  const height = rows * (kh + 1) + 1;
  const zoom = Math.max(1, Math.min(15, Math.floor(300 / width), Math.floor(420 / height)));
  canvas.width = width * zoom;
  canvas.height = height * zoom;
  const context = canvas.getContext("2d");
  for (let tile = 0; tile < shown; tile++) {
    const left = (tile % columns) * (kw + 1) + 1;
    const above = Math.floor(tile / columns) * (kh + 1) + 1;
    for (let i = 0; i < kh * kw; i++) {
      const [r, g, b] = weightColor(values[tile * kh * kw + i] / top);
      context.fillStyle = `rgb(${r},${g},${b})`;
      context.fillRect((left + (i % kw)) * zoom, (above + Math.floor(i / kw)) * zoom, zoom, zoom);
    }
    if (tile === chosen) {
      context.lineWidth = Math.max(3, zoom / 3);
      context.strokeStyle = "#e6a500";
      context.strokeRect(left * zoom, above * zoom, kw * zoom, kh * zoom);
    }
  }
  return zoom;
}

function render({ model, el }) {
  const view = { index: -1, follow: true, chosen: -1, timer: 0 };
  const slider = make("input", { type: "range", min: 0, step: 1, class: "sbx-range",
    "aria-label": "Step of the training" });
  const at = make("output", { class: "sbx-at" });
  const play = make("button", { type: "button", class: "sbx-button" }, "▶ Play");
  const follow = make("input", { type: "checkbox" });
  const followLabel = make("label", { class: "sbx-check" }, follow, " follow the training");
  const bar = make("div", { class: "sbx-controls", role: "group", "aria-label": "Time" },
    play, slider, at, followLabel);
  ownKeys(bar);
  const panels = ["before", "now", "change"].map((key) => {
    const canvas = make("canvas", { class: "sbx-filters", tabindex: "0", role: "img", "data-panel": key });
    const title = make("figcaption", {});
    const low = make("span", {}), high = make("span", {});
    const ramp = make("div", { class: "sbx-ramp", "aria-hidden": "true" }, low,
      make("i", {}), high);
    canvas.setAttribute("data-lm-suppress-shortcuts", "true");
    return { key, canvas, title, low, high,
      figure: make("figure", { class: "sbx-panel" }, title, canvas, ramp) };
  });
  const numbers = make("div", { class: "sbx-numbers", "aria-live": "polite" });
  const norms = make("div", { class: "sbx-tables" });
  const details = make("details", { class: "sbx-details", ontoggle: () => draw() },
    make("summary", {}, "Numbers as a table"), norms);
  const heading = make("strong", { class: "sbx-name" });
  const spoken = make("p", { class: "sbx-summary", role: "status" });
  const root = make("section", { class: "sbx sbx-filterview", "aria-label": "Filters of a layer" },
    make("header", { class: "sbx-head" }, heading, bar),
    make("div", { class: "sbx-panels" }, ...panels.map((p) => p.figure)), numbers, spoken, details);
  el.replaceChildren(root);

  const grid = () => layout(model.get("shape"));
  const frame = (index) => {
    const size = model.get("shape").reduce((a, b) => a * b, 1);
    return halves(model.get("frames"), index * size, size);
  };
  // steps and frames arrive together but are two traits: trust the shorter.
  const count = () => {
    const size = model.get("shape").reduce((a, b) => a * b, 1);
    return Math.min(model.get("steps").length, Math.floor(model.get("frames").byteLength / 2 / size));
  };

  function draw() {
    const frames = count();
    if (!frames) return;
    const steps = model.get("steps");
    if (view.follow || view.index >= frames || view.index < 0) view.index = frames - 1;
    const shape = grid();
    const before = frame(0);
    const now = frame(view.index);
    const change = now.map((v, i) => v - before[i]);
    const common = Math.max(bound(before), bound(now), bound(frame(frames - 1)));
    const tops = [common, common, bound(change)];
    const alone = frames === 1;
    panels.forEach((panel, i) => {
      panel.figure.hidden = alone && i !== 1;
      const values = [before, now, change][i];
      panel.zoom = paint(panel.canvas, values, shape, tops[i], view.chosen);
      panel.title.textContent = [`before (step ${show(steps[0])})`,
        `${view.index === frames - 1 ? "now" : "then"} (step ${show(steps[view.index])})`, "difference"][i];
      panel.low.textContent = `−${show(tops[i])}`;
      panel.high.textContent = `+${show(tops[i])}`;
      panel.canvas.setAttribute("aria-label", `${shape.shown} filters, ${panel.title.textContent}.`
        + " Arrow keys choose one.");
    });
    heading.textContent = `${model.get("parameter")}  ${model.get("shape").join(" × ")}`
      + (shape.shown < shape.count ? ` (first ${shape.shown} of ${shape.count} tiles)` : "");
    slider.max = String(frames - 1);
    slider.value = String(view.index);
    slider.setAttribute("aria-valuetext", `step ${steps[view.index]}`);
    at.textContent = `step ${show(steps[view.index])}`;
    follow.checked = view.follow;
    followLabel.hidden = !model.get("live");
    slider.hidden = play.hidden = at.hidden = alone;
    el.firstChild.dataset.frames = String(frames);
    spoken.textContent = model.get("summary");
    drawNumbers(before, now, shape);
    if (details.open) {
      norms.replaceChildren(make("table", { class: "sbx-table" },
        make("thead", {}, make("tr", {}, ...["", "size before", "size now", "changed by"].map((t) =>
          make("th", { scope: "col" }, t)))),
        make("tbody", {}, ...tileNorms(before, now, shape).map((n, tile) => make("tr", {},
          make("th", { scope: "row" }, tileName(shape, tile)), make("td", {}, show(n.before)),
          make("td", {}, show(n.now)), make("td", {}, `${(100 * n.change).toFixed(0)} %`))))));
    }
  }

  function drawNumbers(before, now, shape) {
    const tile = view.chosen;
    if (tile < 0 || tile >= shape.shown || shape.kh * shape.kw > 121) {
      numbers.replaceChildren();
      return;
    }
    const size = shape.kh * shape.kw;
    const square = (title, values) => make("table", { class: "sbx-kernel" }, make("caption", {}, title),
      ...Array.from({ length: shape.kh }, (_, row) => make("tr", {},
        ...Array.from({ length: shape.kw }, (_, column) =>
          make("td", {}, (Math.round(100 * values[tile * size + row * shape.kw + column]) / 100 || 0).toFixed(2))))));
    numbers.replaceChildren(square(`${tileName(shape, tile)}, before`, before),
      square(`${tileName(shape, tile)}, now`, now));
  }

  for (const panel of panels) {
    panel.canvas.addEventListener("click", (event) => {
      const shape = grid();
      const box = panel.canvas.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * panel.canvas.width;
      const y = ((event.clientY - box.top) / box.height) * panel.canvas.height;
      const column = Math.floor((x / panel.zoom - 1) / (shape.kw + 1));
      const row = Math.floor((y / panel.zoom - 1) / (shape.kh + 1));
      const tile = row * shape.columns + column;
      view.chosen = tile === view.chosen || tile < 0 || tile >= shape.shown ? -1 : tile;
      draw();
    });
    panel.canvas.addEventListener("keydown", (event) => {
      const shape = grid();
      const from = view.chosen;
      const moves = { ArrowLeft: from - 1, ArrowRight: from + 1, ArrowUp: from - shape.columns,
        ArrowDown: from + shape.columns, Escape: -1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      view.chosen = event.key === "Escape" ? -1 : Math.max(0, Math.min(shape.shown - 1, moves[event.key]));
      draw();
    });
  }
  slider.addEventListener("input", () => {
    view.index = Number(slider.value);
    view.follow = view.index === count() - 1 && model.get("live");
    draw();
  });
  follow.addEventListener("change", () => { view.follow = follow.checked; draw(); });
  const halt = () => {
    clearInterval(view.timer);
    view.timer = 0;
    play.textContent = "▶ Play";
  };
  play.addEventListener("click", () => {
    if (view.timer) return halt();
    view.follow = false;
    if (view.index >= count() - 1) view.index = 0;
    play.textContent = "❚❚ Hold";
    view.timer = setInterval(() => {
      view.index += 1;
      if (view.index >= count() - 1) halt();
      draw();
    }, 80);
    return undefined;
  });

  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  const names = ["frames", "steps", "shape", "summary", "live"];
  for (const name of names) model.on(`change:${name}`, later);
  const leaveKernel = watchKernel(model, root);
  draw();
  return () => {
    halt();
    leaveKernel();
    for (const name of names) model.off(`change:${name}`, later);
  };
}

export default { render };
