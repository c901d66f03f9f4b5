import { bound, exact, make, makeSvg, ownKeys, parseTable, show, watchKernel, weightColor } from "./common.js";
import { frame, paint, pointing } from "./pixels.js";

/** Where the numbers of each stage begin. */
export function offsets(stages) {
  let at = 0;
  return stages.map((stage) => {
    const from = at;
    at += stage.shape.reduce((a, b) => a * b, 1);
    return from;
  });
}

/** The stages that have a place in the drawing. */
export function drawn(stages) {
  return stages.filter((stage) => stage.weights || stage.window.length || stage.name === "image");
}

/** A shape as one reads it. */
export function written(shape) {
  return shape.join(" × ");
}

/** What one number of a stage is made of: rows, columns and size on the maps before it. */
export function windowOf(stage, row, column) {
  const [size, stride, padding] = stage.window;
  return { row: row * stride - padding, column: column * stride - padding, size };
}

/** Why the maps have the size they have. */
export function why(stage, before) {
  if (!stage.window.length) return "";
  const [size, stride, padding] = stage.window;
  const side = before.shape[1];
  const wide = padding ? `${side} + ${2 * padding}` : `${side}`;
  if (stride === 1) return `${wide} − ${size} + 1 = ${stage.shape[1]} places for a window of ${size}`;
  if (stride === size && !padding) return `${side} : ${size} = ${stage.shape[1]} windows of ${size} side by side`;
  return `(${wide} − ${size}) : ${stride} + 1 = ${stage.shape[1]} places for a window of ${size}`;
}

const HEIGHT = 132;
const PIXEL = 8;

function render({ model, el }) {
  const view = { map: 0, from: 0, row: 0, column: 0, timer: 0 };
  const drawing = makeSvg("svg", { class: "sbx-chart sbx-network", role: "img" });
  const buttons = make("div", { class: "sbx-presets", role: "group", "aria-label": "Layers" });
  const play = make("button", { type: "button", class: "sbx-button", onclick: () => (view.timer ? halt() : start()) }, "▶ slide");
  const slider = (label, set) => make("input", { type: "range", class: "sbx-range sbx-short", min: "0", step: "1",
    "aria-label": label, oninput: (event) => { set(Number(event.target.value)); draw(); } });
  const map = slider("map of this layer", (v) => { view.map = v; });
  const from = slider("map before it", (v) => { view.from = v; });
  const mapAt = make("span", { class: "sbx-at" });
  const fromAt = make("span", { class: "sbx-at" });
  const fromLabel = make("label", { class: "sbx-check" }, "looks at map ", from, fromAt);
  const controls = make("div", { class: "sbx-controls" }, play,
    make("label", { class: "sbx-check" }, "map ", map, mapAt), fromLabel);
  ownKeys(controls);
  ownKeys(buttons);
  const panel = (title) => {
    const canvas = make("canvas", { class: "sbx-pixels", role: "img" });
    const caption = make("figcaption", {}, title);
    return { canvas, caption, figure: make("figure", { class: "sbx-panel" }, caption, canvas) };
  };
  const [before, middle, after] = ["before", "window", "after"].map(panel);
  const three = make("div", { class: "sbx-three" }, before.figure, middle.figure, after.figure);
  const text = make("p", { class: "sbx-equation sbx-lines", "aria-live": "polite" });
  const root = make("section", { class: "sbx sbx-net", "aria-label": "A network, layer by layer" },
    make("figure", { class: "sbx-figure" },
      make("figcaption", { class: "sbx-note" }, "each layer: the shape of what comes out, and how many weights it has"), drawing),
    buttons, controls, three, text);
  el.replaceChildren(root);

  const stages = model.get("stages");
  const start0 = offsets(stages);
  const all = parseTable(model.get("values"), ["v"]).v;
  const weights = parseTable(model.get("filters"), ["v"]).v;
  const place = () => Math.max(0, stages.findIndex((stage) => stage.name === model.get("chosen")));

  function plane(index, channel) {
    const [, height, width] = stages[index].shape;
    const at = start0[index] + channel * height * width;
    return all.slice(at, at + height * width);
  }

  function choose(name) {
    halt();
    model.set("chosen", name);
    model.save_changes();
    Object.assign(view, { map: 0, from: 0, row: 0, column: 0 });
    draw();
  }

  function halt() {
    clearInterval(view.timer);
    view.timer = 0;
    play.textContent = "▶ slide";
  }

  function start() {
    play.textContent = "❚❚ hold";
    view.timer = setInterval(() => {
      const [, height, width] = stages[place()].shape;
      view.column = (view.column + 1) % width;
      if (!view.column) view.row = (view.row + 1) % height;
      draw();
    }, 90);
  }

  function picture(panel_, values, rows, columns, color, marks) {
    const zoom = Math.max(PIXEL, Math.floor(180 / columns));
    paint(panel_.canvas, values, rows, columns, zoom, color);
    for (const one of marks) frame(panel_.canvas, one, zoom);
  }

  function drawStages(current) {
    const shown = drawn(stages);
    const step = 88;
    drawing.setAttribute("viewBox", `0 0 ${shown.length * step} ${HEIGHT}`);
    const total = stages.reduce((sum, stage) => sum + stage.weights, 0);
    drawing.setAttribute("aria-label", `${shown.map((s) => `${s.name} ${written(s.shape)}`).join(", ")}; ${total} weights.`);
    drawing.replaceChildren(...shown.map((stage, k) => {
      const x = k * step + 6;
      const parts = [];
      if (stage.shape.length === 3) {
        const [count, side] = stage.shape;
        const size = 12 + Math.min(42, 1.5 * side);
        const sheets = Math.min(count, 6);
        for (let i = sheets - 1; i >= 0; i--) {
          parts.push(makeSvg("rect", { class: "sbx-sheet", x: x + 3 * i, y: 78 - size - 3 * i + 6, width: size, height: size }));
        }
      } else {
        const height = 14 + 14 * Math.log10(Math.max(stage.shape[0], 1)) * 1.6;
        parts.push(makeSvg("rect", { class: "sbx-sheet", x: x + 18, y: 84 - height, width: 12, height }));
      }
      const line = (y, words, strong) => makeSvg("text", { class: strong ? "sbx-tick sbx-strong" : "sbx-tick", x, y }, words);
      return makeSvg("g", { class: "sbx-stage", "data-stage": stage.name, "aria-current": String(stage.name === current.name),
        onclick: () => choose(stage.name) },
      makeSvg("rect", { class: "sbx-hit", x: k * step, y: 0, width: step - 4, height: HEIGHT, rx: 6 }), ...parts,
      line(98, stage.name, true), line(111, stage.shape.join("×")),
      line(124, stage.weights ? stage.weights.toLocaleString("en") : ""));
    }));
  }

  function draw() {
    const index = place();
    const stage = stages[index];
    const prior = stages[Math.max(0, index - 1)];
    const flat = stage.shape.length !== 3;
    const slides = stage.window.length > 0 && prior.shape.length === 3;
    drawStages(stage);
    buttons.replaceChildren(...drawn(stages).map((one) => make("button", { type: "button", class: "sbx-button",
      "aria-pressed": String(one.name === stage.name), onclick: () => choose(one.name) }, one.name)));
    controls.hidden = flat;
    play.hidden = !slides;
    if (flat) {
      halt();
      three.hidden = true;
      const numbers = all.slice(start0[index], start0[index] + stage.shape[0]);
      const head = numbers.slice(0, 12).map((v, i) => `${i}: ${show(v)}`).join("   ");
      text.textContent = `${stage.name}: ${stage.shape[0]} numbers, each a weighted sum of all numbers before.\n${head}${numbers.length > 12 ? "   …" : ""}`;
      return;
    }
    three.hidden = false;
    const [maps, height, width] = stage.shape;
    view.map = Math.min(view.map, maps - 1);
    const single = stage.weights === 0; // pooling looks at the map of the same number
    view.from = slides && single ? view.map : Math.min(view.from, prior.shape[0] - 1);
    view.row = Math.max(0, Math.min(height - 1, view.row));
    view.column = Math.max(0, Math.min(width - 1, view.column));
    map.max = String(maps - 1);
    map.value = String(view.map);
    mapAt.textContent = `${view.map} of 0–${maps - 1}`;
    from.max = String(prior.shape[0] - 1);
    from.value = String(view.from);
    fromAt.textContent = `${view.from}`;
    fromLabel.hidden = !slides || single || prior.shape[0] === 1;
    const values = plane(index, view.map);
    const top = bound(all.slice(start0[index], start0[index] + maps * height * width));
    const gray = stage.name === "image";
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    picture(after, values, height, width, gray ? (v) => Array(3).fill(Math.round((255 * (v - low)) / span)) : (v) => weightColor(v / top),
      slides ? [{ row: view.row, column: view.column, size: 1 }] : []);
    after.caption.textContent = `${stage.name}, map ${view.map}`;
    before.figure.hidden = middle.figure.hidden = !slides;
    const value = values[view.row * width + view.column];
    text.textContent = `${stage.name}: ${maps} maps of ${height} × ${width}.`;
    if (!slides) return;
    const window_ = windowOf(stage, view.row, view.column);
    const source = plane(index - 1, view.from);
    const reach = bound(all.slice(start0[index - 1], start0[index - 1] + prior.shape[0] * prior.shape[1] * prior.shape[2]));
    picture(before, source, prior.shape[1], prior.shape[2], (v) => weightColor(v / reach), [window_]);
    before.caption.textContent = `${prior.name}, map ${view.from}`;
    const inside = Array.from({ length: window_.size ** 2 }, (_, i) => {
      const row = window_.row + Math.floor(i / window_.size);
      const column = window_.column + (i % window_.size);
      const there = row >= 0 && column >= 0 && row < prior.shape[1] && column < prior.shape[2];
      return there ? source[row * prior.shape[2] + column] : 0;
    });
    if (stage.filters === undefined) {
      picture(middle, inside, window_.size, window_.size, (v) => weightColor(v / reach), []);
      middle.caption.textContent = `its ${window_.size} × ${window_.size} numbers`;
      const told = inside.map((v) => show(Number(v.toFixed(2)))).join(", ");
      text.textContent += ` ${why(stage, prior)}.\n`
        + `row ${view.row}, column ${view.column}: ${stage.type === "MaxPool2d" ? "the largest" : "the mean"} of ${told} is ${show(Number(value.toFixed(2)))}`;
      return;
    }
    const size = window_.size ** 2;
    const filter = weights.slice(stage.filters + (view.map * prior.shape[0] + view.from) * size).slice(0, size);
    picture(middle, filter, window_.size, window_.size, (v) => weightColor(v / bound(filter)), []);
    middle.caption.textContent = `filter ${view.map}${prior.shape[0] > 1 ? `, its part for map ${view.from}` : ""}`;
    const part = filter.reduce((sum, w, i) => sum + w * inside[i], 0);
    text.textContent += ` ${why(stage, prior)}.\n`
      + `row ${view.row}, column ${view.column}: ${size} products sum up to ${exact(Number(part.toFixed(3)))}`
      + `${prior.shape[0] > 1 ? ` on this map; with all ${prior.shape[0]} maps and the bias` : "; with the bias"}: ${exact(Number(value.toFixed(3)))}`;
  }

  pointing(after.canvas, () => stages[place()].shape.slice(1), () => view, (row, column, event) => {
    if (view.timer && event.type === "pointermove") return; // it slides by itself
    Object.assign(view, { row, column });
    draw();
  });
  model.on("change:chosen", draw);
  const leaveKernel = watchKernel(model, root);
  draw();
  return () => {
    halt();
    model.off("change:chosen", draw);
    leaveKernel();
  };
}

export default { render };
