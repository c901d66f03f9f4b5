// Maps of numbers as squares on a canvas, and how one of the squares is pointed at.

/** Paint numbers, row by row, as squares of `zoom` pixels; `color` gives red, green and blue. */
export function paint(canvas, values, rows, columns, zoom, color) {
  canvas.width = columns * zoom;
  canvas.height = rows * zoom;
  const pen = canvas.getContext("2d");
  values.forEach((value, i) => {
    pen.fillStyle = `rgb(${color(value)})`;
    pen.fillRect((i % columns) * zoom, Math.floor(i / columns) * zoom, zoom, zoom);
  });
}

/** Draw a frame around `size` by `size` squares. */
export function frame(canvas, { row, column, size }, zoom) {
  const pen = canvas.getContext("2d");
  pen.lineWidth = Math.max(3, zoom / 4);
  pen.strokeStyle = "#e69f00";
  pen.strokeRect(column * zoom, row * zoom, size * zoom, size * zoom);
}

/** Call `move` with the row and column under the pointer, or an arrow key's step from `at`. */
export function pointing(canvas, shape, at, move) {
  canvas.setAttribute("tabindex", "0");
  canvas.setAttribute("data-lm-suppress-shortcuts", "true"); // the arrows are ours, not the notebook's
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const [rows, columns] = shape();
    move(Math.floor(((event.clientY - box.top) / box.height) * rows),
      Math.floor(((event.clientX - box.left) / box.width) * columns), event);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const { row, column } = at();
    move(row + step[0], column + step[1], event);
  });
}
