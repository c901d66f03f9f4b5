import { bound, exact, make, ownKeys, parseTable, sumOf, weightColor } from "./common.js";
import { frame, paint, pointing } from "./pixels.js";

export const PRESETS = {
  "vertical edges": [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  "horizontal edges": [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  "outline": [-1, -1, -1, -1, 8, -1, -1, -1, -1],
  "blur": Array(9).fill(0.11),
  "diagonal strokes": [-1, -1, 2, -1, 2, -1, 2, -1, -1],
  "nothing": [0, 0, 0, 0, 1, 0, 0, 0, 0],
};

/** Slide a square filter over an image: the sum of products at each place, no padding. */
export function convolve(image, height, width, kernel, relu = false) {
  const k = Math.sqrt(kernel.length);
  const rows = height - k + 1;
  const columns = width - k + 1;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let i = 0; i < k * k; i++) {
        sum += kernel[i] * image[(row + Math.floor(i / k)) * width + column + (i % k)];
      }
      values[row * columns + column] = relu ? Math.max(0, sum) : sum;
    }
  }
  return { values, rows, columns };
}

/** The products that make one pixel of the result, a line for each row of the filter, and their sum. */
export function equation(image, width, kernel, row, column) {
  const k = Math.sqrt(kernel.length);
  const products = kernel.map((weight, i) => {
    const pixel = image[(row + Math.floor(i / k)) * width + column + (i % k)];
    return [weight, Math.round(100 * pixel) / 100]; // hundredths, as float32 they are a little off
  });
  const text = sumOf(products).split(/(?<=\S) (?=[+−] )/);
  const lines = Array.from({ length: k }, (_, i) => text.slice(i * k, (i + 1) * k).join(" "));
  return { sum: products.reduce((sum, [weight, pixel]) => sum + weight * pixel, 0), lines };
}

/** The place whose sum is largest: where the image looks most like the filter. */
export function peak({ values, columns }) {
  const best = values.indexOf(Math.max(...values));
  return { row: Math.floor(best / columns), column: best % columns };
}

const PIXEL = 9;

function render({ model, el }) {
  const view = {};
  const input = make("canvas", { class: "sbx-pixels", role: "img", "aria-label": "The digit" });
  const output = make("canvas", { class: "sbx-pixels", role: "img" });
  const cells = Array.from({ length: model.get("kernel").length }, (_, i) =>
    make("input", { type: "number", step: "0.5", "aria-label": `weight ${i}`, onchange: () => {
      const next = [...model.get("kernel")];
      next[i] = Number(Number(cells[i].value).toFixed(3)); // as many decimals as are shown
      choose(next);
    } }));
  const size = Math.sqrt(cells.length);
  const square = make("table", { class: "sbx-kernel" }, ...Array.from({ length: size }, (_, row) =>
    make("tr", {}, ...cells.slice(row * size, (row + 1) * size).map((cell) => make("td", {}, cell)))));
  const relu = make("input", { type: "checkbox", onchange: () => draw() });
  const names = size === 3 ? Object.keys(PRESETS) : [];
  const buttons = names.map((name) => make("button", { type: "button", class: "sbx-button",
    onclick: () => choose(PRESETS[name]) }, name));
  const sum = make("p", { class: "sbx-equation sbx-lines", "aria-live": "polite" });
  const middle = make("div", {}, square, make("label", { class: "sbx-check" }, relu, " then ReLU: below 0 becomes 0"));
  ownKeys(middle);
  el.replaceChildren(make("section", { class: "sbx sbx-convolution", "aria-label": "A convolution by hand" },
    make("div", { class: "sbx-presets", role: "group", "aria-label": "Filters to try" }, ...buttons),
    make("div", { class: "sbx-three" },
      make("figure", { class: "sbx-panel" }, make("figcaption", {}, "image"), input),
      make("figure", { class: "sbx-panel" }, make("figcaption", {}, "filter (type your own)"), middle),
      make("figure", { class: "sbx-panel" }, make("figcaption", {}, "result (point at it)"), output)),
    sum));

  function choose(kernel) {
    model.set("kernel", [...kernel]);
    model.save_changes();
    draw();
  }

  function draw() {
    const kernel = model.get("kernel");
    const [height, width] = model.get("shape");
    const image = parseTable(model.get("image"), ["v"]).v;
    const result = convolve(image, height, width, kernel, relu.checked);
    if (view.row === undefined) Object.assign(view, peak(result));
    view.row = Math.max(0, Math.min(result.rows - 1, view.row));
    view.column = Math.max(0, Math.min(result.columns - 1, view.column));
    const top = bound(result.values);
    paint(input, image, height, width, PIXEL, (v) => Array(3).fill(Math.round(255 * v)));
    frame(input, { ...view, size }, PIXEL);
    paint(output, result.values, result.rows, result.columns, PIXEL, (v) => weightColor(v / top));
    frame(output, { ...view, size: 1 }, PIXEL);
    const strongest = bound(kernel);
    cells.forEach((cell, i) => {
      if (document.activeElement !== cell) cell.value = String(Number(kernel[i].toFixed(3)));
      const color = weightColor(kernel[i] / strongest);
      cell.style.backgroundColor = `rgb(${color})`;
      cell.style.color = color[0] + color[1] + color[2] < 330 ? "#ffffff" : "#1f2328";
    });
    buttons.forEach((button, i) => button.setAttribute("aria-pressed",
      String(PRESETS[names[i]].every((v, j) => v === kernel[j]))));
    const made = equation(image, width, kernel, view.row, view.column);
    const after = relu.checked ? ` → ReLU → ${exact(Math.max(0, made.sum))}` : "";
    sum.textContent = `row ${view.row}, column ${view.column}: weights × pixels\n`
      + `${made.lines.join("\n")}  =  ${exact(made.sum)}${after}`;
    output.setAttribute("aria-label", `The result, ${result.rows} by ${result.columns}. Arrow keys move the pixel.`);
  }

  pointing(output, () => [output.height / PIXEL, output.width / PIXEL], () => view, (row, column) => {
    Object.assign(view, { row, column });
    draw();
  });
  for (const name of ["kernel", "image", "shape"]) model.on(`change:${name}`, draw);
  draw();
  return () => {
    for (const name of ["kernel", "image", "shape"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
