import {
  domain, finite, linePath, logTicks, make, makeSvg, nearest, ownKeys, parseTable, percent,
  quantile, scale, show, showTick, smooth, ticks, watchKernel,
} from "./common.js";

const WATCHED = ["points", "validations", "run", "stage", "share", "held", "failure", "summary", "live"];
const WIDTH = 440;
const HEIGHT = 210;
const MOST_MARKS = 25; // epochs and validations marked one by one
const MARGIN = { left: 52, right: 14, top: 10, bottom: 26 };
const RUN_WORDS = {
  idle: ["○", "Not started"],
  running: ["●", "Training"],
  paused: ["❚❚", "Paused"],
  retrying: ["↻", "Starting again"],
  done: ["✓", "Finished"],
  stopped: ["■", "Stopped"],
  failed: ["✕", "Failed"],
  gone: ["○", "Kernel gone"],
};
const GOING = ["running", "paused", "retrying"];

const NO_POINTS = { idle: "not started yet", done: "no steps", stopped: "no steps", failed: "no steps", gone: "no steps" };

/** What stands where curves will be: what the run is doing, with the seconds once it takes time. */
export function emptyText(kind, stage, seconds = 0) {
  if (!stage) return NO_POINTS[kind] ?? "starting";
  const comma = stage.endsWith("?") ? "" : ",";
  return seconds >= 3 ? `${stage}${comma} ${Math.floor(seconds)} s` : stage;
}

/** The run as columns: what the charts, the tiles and the table are drawn from. */
export function readRun(model) {
  const points = parseTable(model.get("points"), model.get("columns"));
  const checks = parseTable(model.get("validations"), ["step", "epoch", "score", "loss"]);
  const ranks = Object.keys(points).filter((name) => name.startsWith("rate:")).length;
  return { points, checks, ranks, step: points.step ?? [] };
}

/** The four charts as plain data: title, lines, axes. */
export function describeCharts(run, scoreName, logLoss, unit = "images") {
  const { points, checks, ranks, step } = run;
  const share = scoreName === "accuracy";
  const title = scoreName.charAt(0).toUpperCase() + scoreName.slice(1);
  const all = { label: "all ranks", color: "ink", values: smooth(points.rate ?? []) };
  const each = Array.from({ length: ranks }, (_, r) => ({
    label: `rank ${r}`, color: `rank${r % 6}`, dash: r % 4, values: smooth(points[`rate:${r}`]),
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
      lines: ranks > 1 ? [...each, all] : each.length ? each : [all],
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
  return Array.from({ length: run.ranks }, (_, rank) => {
    const sum = (name) => finite((run.points[`${name}:${rank}`] ?? []).slice(-count))
      .reduce((a, b) => a + b, 0);
    const parts = ["compute", "wait", "exchange"].map(sum);
    const total = parts.reduce((a, b) => a + b, 0);
    return { rank, shares: parts.map((part) => (total ? part / total : NaN)) };
  });
}

/** Draw one chart into its SVG. `cursor` is an index into the steps or -1. */
function drawChart(svg, chart, run, cursor, empty) {
  const xs = run.step;
  const right = Math.max(xs.at(-1) ?? 1, ...finite(chart.lines.flatMap((l) => l.xs)), 1);
  const drawn = chart.lines.filter((line) => finite(line.values).length);
  if (!drawn.length) {
    svg.replaceChildren(
      makeSvg("rect", { class: "sbx-empty", x: MARGIN.left, y: MARGIN.top, rx: 6,
        width: WIDTH - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom }),
      makeSvg("text", { class: "sbx-tick", x: (WIDTH + MARGIN.left - MARGIN.right) / 2, y: HEIGHT / 2,
        "text-anchor": "middle" }, empty));
    return;
  }
  const [low, high] = chart.range
    ?? domain(drawn.flatMap((line) => line.values), { log: chart.log, zero: chart.zero });
  const x = scale(0, right, MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(low, high, HEIGHT - MARGIN.bottom, MARGIN.top, chart.log);
  const parts = [];
  for (const value of chart.log ? logTicks(low, high) : ticks(low, high, 5)) {
    const at = y(value);
    if (at < MARGIN.top - 1 || at > HEIGHT - MARGIN.bottom + 1) continue;
    parts.push(
      makeSvg("line", { class: "sbx-grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: at, y2: at }),
      makeSvg("text", { class: "sbx-tick", x: MARGIN.left - 6, y: at + 3.5, "text-anchor": "end" },
        (chart.tick ?? showTick)(value)),
    );
  }
  for (const value of ticks(0, right, 6).filter(Number.isInteger)) {
    parts.push(makeSvg("text", { class: "sbx-tick", x: x(value), y: HEIGHT - 8, "text-anchor": "middle" },
      showTick(value)));
  }
  const epochs = (run.points.epoch?.at(-1) ?? 0) - (run.points.epoch?.[0] ?? 0);
  run.points.epoch?.forEach((epoch, i) => {
    if (i && epochs <= MOST_MARKS && epoch !== run.points.epoch[i - 1]) {
      const at = x((xs[i] + xs[i - 1]) / 2);
      parts.push(makeSvg("line", { class: "sbx-epoch", x1: at, x2: at, y1: MARGIN.top,
        y2: HEIGHT - MARGIN.bottom }));
    }
  });
  // An inner svg cuts off what leaves the axes.
  const box = [MARGIN.left, MARGIN.top - 3, WIDTH - MARGIN.left - MARGIN.right + 8,
    HEIGHT - MARGIN.top - MARGIN.bottom + 6];
  const plot = makeSvg("svg", { x: box[0], y: box[1], width: box[2], height: box[3], viewBox: box.join(" ") });
  parts.push(plot);
  for (const line of drawn) {
    plot.append(makeSvg("path", {
      class: `sbx-line sbx-${line.color} ${line.faint ? "sbx-faint" : ""} ${line.dots ? "sbx-dashed" : ""}`,
      "data-dash": line.dash, d: linePath(line.xs, line.values, x, y),
    }));
    if (line.dots && line.xs.length <= MOST_MARKS) {
      line.xs.forEach((step, i) => {
        const at = y(line.values[i]);
        if (at >= MARGIN.top && at <= HEIGHT - MARGIN.bottom) {
          parts.push(makeSvg("circle", { class: `sbx-dot sbx-${line.color}`, cx: x(step), cy: at, r: 3.6 }));
        }
      });
    }
  }
  if (cursor >= 0 && cursor < xs.length) {
    const at = x(xs[cursor]);
    parts.push(makeSvg("line", { class: "sbx-cursor", x1: at, x2: at, y1: MARGIN.top,
      y2: HEIGHT - MARGIN.bottom }));
  }
  svg.replaceChildren(...parts);
}

function legend(chart) {
  const named = chart.lines.filter((line) => !line.faint && finite(line.values).length);
  if (named.length < 2) return [];
  return named.map((line) => make("span", { class: "sbx-key" },
    makeSvg("svg", { width: 22, height: 8, "aria-hidden": "true" },
      makeSvg("line", { class: `sbx-line sbx-${line.color} ${line.dots ? "sbx-dashed" : ""}`,
        "data-dash": line.dash, x1: 0, x2: 22, y1: 4, y2: 4 }),
      ...(line.dots ? [makeSvg("circle", { class: `sbx-dot sbx-${line.color}`, cx: 11, cy: 4, r: 3 })] : [])),
    line.label));
}

function reading(chart, run, cursor) {
  const step = run.step[cursor];
  return chart.lines.filter((line) => !line.faint && finite(line.values).length).map((line) => {
    const at = line.xs === run.step ? cursor : nearest(line.xs, step);
    return `${line.label} ${chart.format(line.values[at])}`;
  }).join(", ");
}

function table(head, rows) {
  return make("table", { class: "sbx-table" },
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", {}, text))))));
}

function render({ model, el }) {
  const view = { cursor: -1, logLoss: true, spoken: 0, saidOf: "", timer: 0, forget: 0,
    stage: "", since: 0, clock: 0 };
  const send = (message) => model.send(message);
  const state = make("span", { class: "sbx-state" });
  const tiles = make("div", { class: "sbx-tiles" });
  const bar = make("progress", { class: "sbx-progress", max: 1, "aria-label": "Start of the training" });
  const doing = make("span", { class: "sbx-note" });
  const free = make("button", { type: "button", class: "sbx-button",
    onclick: () => send({ type: "stop_other" }) }, "■ Stop the other training");
  const starting = make("div", { class: "sbx-starting" }, bar, doing, free);
  ownKeys(free);
  const answer = make("output", { class: "sbx-answer" });
  const failure = make("p", { class: "sbx-failure", role: "alert", hidden: true });
  const grid = make("div", { class: "sbx-grid2" });
  const spoken = make("p", { class: "sbx-summary", role: "status", "aria-live": "polite" });

  const pause = make("button", { type: "button", class: "sbx-button",
    onclick: () => send({ type: model.get("run") === "paused" ? "resume" : "pause" }) });
  const stop = make("button", { type: "button", class: "sbx-button", title: "Stop after this iteration",
    onclick: () => send({ type: "stop" }) }, "■ Stop");
  const rate = make("input", { type: "number", min: "0", step: "any", size: 8, class: "sbx-input",
    "aria-label": "Learning rate", placeholder: "as planned" });
  rate.classList.add("sbx-wide");
  const setRate = (event) => {
    event.preventDefault();
    send({ type: "learning_rate", value: rate.value === "" ? null : Number(rate.value) });
  };
  const rateForm = make("form", { class: "sbx-form", onsubmit: setRate },
    make("label", {}, "Learning rate ", rate),
    make("button", { type: "submit", class: "sbx-button" }, "Set"));
  const controls = make("div", { class: "sbx-controls", role: "group", "aria-label": "Training controls" },
    pause, stop, rateForm);
  ownKeys(controls);

  const charts = ["loss", "score", "learning-rate", "speed"].map((key) => {
    const svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "sbx-chart", tabindex: "0",
      role: "img", "data-chart": key });
    const title = make("span", { class: "sbx-title" });
    const note = make("span", { class: "sbx-note" });
    const keys = make("span", { class: "sbx-keys" });
    const figure = make("figure", { class: "sbx-figure" },
      make("figcaption", {}, title, note, keys), svg);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const run = readRun(model);
      const right = Math.max(run.step.at(-1) ?? 1, 1);
      const at = ((event.clientX - box.left) / box.width) * WIDTH;
      const step = ((at - MARGIN.left) / (WIDTH - MARGIN.left - MARGIN.right)) * right;
      view.cursor = nearest(run.step, step);
      draw();
    });
    svg.addEventListener("pointerleave", () => { view.cursor = -1; draw(); });
    svg.addEventListener("keydown", (event) => {
      const count = readRun(model).step.length;
      const from = view.cursor < 0 ? count - 1 : view.cursor;
      const moves = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from + 20, PageDown: from - 20,
        Home: 0, End: count - 1, Escape: -1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      event.stopPropagation();
      view.cursor = event.key === "Escape" ? -1 : Math.max(0, Math.min(count - 1, moves[event.key]));
      draw();
      spoken.textContent = charts.map((c) => c.note.textContent).filter(Boolean).join("; ");
    });
    svg.setAttribute("data-lm-suppress-shortcuts", "true");
    return { key, svg, title, note, keys, figure };
  });
  const logButton = make("button", { type: "button", class: "sbx-link",
    onclick: () => { view.logLoss = !view.logLoss; draw(); } });
  charts[0].figure.querySelector("figcaption").append(logButton);

  const tables = make("div", { class: "sbx-tables" });
  const details = make("details", { class: "sbx-details", ontoggle: () => draw() },
    make("summary", {}, "Numbers as a table"), tables);
  const root = make("section", { class: "sbx sbx-curves", "aria-label": "Training curves" },
    make("header", { class: "sbx-head" }, state, make("div", { class: "sbx-stack" }, tiles, starting), controls), answer,
    failure, grid, spoken, details);
  grid.append(...charts.map((c) => c.figure));
  el.replaceChildren(root);

  function tile(label, value, role) {
    return make("div", { class: "sbx-tile" }, make("span", { class: "sbx-label" }, label),
      make("span", { class: "sbx-value", "data-value": role }, value));
  }

  function draw() {
    const run = readRun(model);
    const scoreName = model.get("score_name");
    const going = model.get("live") && GOING.includes(model.get("run"));
    const gone = going && root.classList.contains("sbx-gone");
    const kind = gone ? "gone" : model.get("run");
    const unit = model.get("unit") ?? "images";
    const [sign, word] = RUN_WORDS[kind] ?? ["○", kind];
    const last = run.step.length - 1;
    const stage = gone ? "" : model.get("stage") ?? "";
    if (stage !== view.stage) Object.assign(view, { stage, since: Date.now() });
    const empty = emptyText(kind, stage, (Date.now() - view.since) / 1000);
    clearTimeout(view.clock);
    if (stage && going) view.clock = setTimeout(draw, 1000);
    starting.hidden = !stage;
    tiles.hidden = last < 0;
    const held = going && !gone && Boolean(model.get("held"));
    free.hidden = !held;
    bar.hidden = held;
    bar.value = model.get("share") ?? 0;
    doing.textContent = empty;
    state.dataset.run = kind;
    state.textContent = `${sign} ${held ? "Waiting" : stage && kind === "running" ? "Starting" : word}`;
    const described = describeCharts(run, scoreName, view.logLoss, unit);
    const format = described[1].format;
    tiles.replaceChildren(...(last < 0 ? [] : [
      tile(model.get("epochs") ? `epoch of ${show(model.get("epochs"))}` : "epoch", String(run.points.epoch[last]), "epoch"),
      tile(model.get("total") ? `step of ${show(model.get("total"))}` : "step", show(run.step[last]), "step"),
      tile("loss, smoothed", show(described[0].lines[1].values[last]), "loss"),
      tile(scoreName, format(run.points.recent[last]), "score"),
      tile("validation", format(run.checks.score.at(-1) ?? NaN), "validation"),
      tile(`${unit}/s`, show(Math.round(model.get("speed"))), "rate"),
      ...(going && model.get("left") ? [tile("time left", model.get("left"), "left")] : []),
    ]));
    // What failed stands where curves would; below it nothing waits for a run that is over.
    const failed = kind === "failed" ? model.get("failure") ?? "" : "";
    if (failure.textContent !== failed) failure.textContent = failed;
    failure.hidden = !failed;
    grid.hidden = details.hidden = Boolean(failed) && last < 0;
    root.classList.toggle("sbx-asks", going);
    root.classList.toggle("sbx-over", !going && last >= 0);
    // It would say that the training is starting, or the failure once more.
    spoken.hidden = (gone || Boolean(failed)) && last < 0;
    // Their place stays: nothing below may move while somebody reads it.
    for (const part of [controls, answer]) part.style.visibility = going ? "" : "hidden";
    pause.textContent = kind === "paused" ? "▶ Go on" : "❚❚ Pause";
    logButton.textContent = view.logLoss ? "linear scale" : "log scale";
    described.forEach((chart, i) => {
      const parts = charts[i];
      parts.svg.dataset.points = String(run.step.length);
      drawChart(parts.svg, chart, run, view.cursor, held ? "waiting" : empty);
      parts.title.textContent = chart.title;
      parts.note.textContent = view.cursor >= 0
        ? `step ${show(run.step[view.cursor])}: ${reading(chart, run, view.cursor)}` : "";
      parts.keys.replaceChildren(...(view.cursor >= 0 ? [] : legend(chart)));
      parts.svg.setAttribute("aria-label", `${chart.title}: ${reading(chart, run, last) || "no data yet"}`
        + ". Arrow keys move along the steps.");
    });
    speak();
    if (details.open) drawTables(run, scoreName, format);
  }

  function speak() {
    const now = Date.now();
    clearTimeout(view.timer);
    const wait = 4000 - (now - view.spoken);
    const kind = model.get("run");
    if (wait > 0 && kind === "running" && view.saidOf === kind) {
      view.timer = setTimeout(speak, wait);
      return;
    }
    view.spoken = now;
    view.saidOf = kind;
    if (view.cursor < 0) spoken.textContent = model.get("summary");
  }

  function drawTables(run, scoreName, format) {
    const epochs = epochRows(run).map((row) => [row.epoch, show(row.step), show(row.loss),
      format(row.score), show(row.checkLoss), format(row.checkScore), show(Math.round(row.rate))].map(String));
    const shares = rankShares(run).map((row) => [`rank ${row.rank}`, ...row.shares.map((s) => percent(s, 1))]);
    tables.replaceChildren(
      table(["epoch", "step", "mean loss", scoreName, "validation loss", `validation ${scoreName}`, `${model.get("unit") ?? "images"}/s`],
        epochs),
      ...(shares.length ? [table(["rank", "compute", "wait", "exchange"], shares)] : []));
  }

  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  const onMessage = (message) => {
    if (message.type !== "reply") return;
    answer.textContent = message.text;
    answer.dataset.ok = String(message.ok);
    clearTimeout(view.forget);
    if (message.ok) view.forget = setTimeout(() => { answer.textContent = ""; }, 8000);
  };
  for (const name of WATCHED) model.on(`change:${name}`, later);
  model.on("msg:custom", onMessage);
  const leaveKernel = watchKernel(model, root, later);
  draw();
  return () => {
    for (const timer of [view.timer, view.forget, view.clock]) clearTimeout(timer);
    for (const name of WATCHED) model.off(`change:${name}`, later);
    model.off("msg:custom", onMessage);
    leaveKernel();
  };
}

export default { render };
