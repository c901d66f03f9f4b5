import { drawChart, FRAME, legend, reading } from "./chart.js";
import { finite, make, makeSvg, nearest, ownKeys, percent, show, watchKernel } from "./common.js";
import { describeCharts, epochRows, rankLabel, rankShares, readRun } from "./runs.js";

const WATCHED = ["points", "validations", "run", "stage", "share", "held", "failure", "summary", "live"];
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
    make("label", {}, make("span", { class: "sbx-roomy" }, "Learning "), "rate ", rate),
    make("button", { type: "submit", class: "sbx-button" }, "Set"));
  const controls = make("div", { class: "sbx-controls", role: "group", "aria-label": "Training controls" },
    pause, stop, rateForm);
  ownKeys(controls);

  const charts = ["loss", "score", "learning-rate", "speed"].map((key) => {
    const svg = makeSvg("svg", { viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, class: "sbx-chart", tabindex: "0",
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
      const { width, margin } = FRAME;
      const at = ((event.clientX - box.left) / box.width) * width;
      const step = ((at - margin.left) / (width - margin.left - margin.right)) * right;
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
    const scored = finite(run.points.recent ?? []).length > 0; // not every score is measured while training
    tiles.replaceChildren(...(last < 0 ? [] : [
      tile(model.get("epochs") ? `epoch of ${show(model.get("epochs"))}` : "epoch", String(run.points.epoch[last]), "epoch"),
      tile(model.get("total") ? `step of ${show(model.get("total"))}` : "step", show(run.step[last]), "step"),
      tile("loss, smoothed", show(described[0].lines[1].values[last]), "loss"),
      ...(scored ? [tile(scoreName, format(run.points.recent[last]), "score")] : []),
      tile(scored ? "validation" : `validation ${scoreName}`, format(run.checks.score.at(-1) ?? NaN), "validation"),
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
    const shares = rankShares(run).map((row) => [rankLabel(row.rank), ...row.shares.map((s) => percent(s, 1))]);
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
