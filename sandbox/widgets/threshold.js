import { gridLines, mark, upright } from "./axes.js";
import {
  linePath, logTicks, make, makeSvg, ownKeys, parseTable, percent, scale, show, showTick, watchKernel,
} from "./common.js";

/** What one threshold does: counts, shares, cost. */
export function judge(table, place, rows, positives, alarm) {
  const hits = table.hits[place];
  const alarms = table.alarms[place];
  const passed = rows - positives - alarms;
  return {
    threshold: table.threshold[place], hits, alarms, missed: positives - hits, passed,
    accuracy: (hits + passed) / rows, precision: hits / (hits + alarms), recall: hits / positives,
    cost: table.lost[place] + alarm * alarms,
  };
}

/** The place of the least cost. */
export function cheapest(table, alarm) {
  let best = 0;
  const cost = (i) => table.lost[i] + alarm * table.alarms[i];
  table.lost.forEach((_, i) => { if (cost(i) < cost(best)) best = i; });
  return best;
}

/** What is wrong with a price that was typed; empty where nothing is. */
export function priceFault(text) {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= 0) return "";
  return `The price of a false alarm must be a number of at least 0; got ${text.trim() || "nothing"}.`;
}

/** Where 1, 10, 100, ... rows are flagged: the place of each, with its threshold. */
export function flaggedTicks({ threshold, hits, alarms }) {
  const flagged = hits.map((n, i) => n + alarms[i]);
  const out = [];
  for (let count = 1; count <= Math.max(...flagged); count *= 10) {
    let best = 0; // flagged falls from place to place
    flagged.forEach((n, i) => { if (n >= count) best = i; });
    out.push({ place: best, count, threshold: threshold[best] });
  }
  return out.filter((tick, i) => i === 0 || tick.place !== out[i - 1].place);
}

/** An amount with its unit. */
export function money(value, unit, write = show) {
  return unit ? `${write(value)} ${unit}` : write(value);
}

const FRAME = { width: 440, height: 190, margin: { left: 58, right: 12, top: 8, bottom: 46 } };

function render({ model, el }) {
  const slider = make("input", { type: "range", class: "sbx-range", min: "0", step: "1",
    "aria-label": "threshold", oninput: () => move(Number(slider.value)) });
  const price = make("input", { type: "number", class: "sbx-input", min: "0", step: "1",
    "aria-label": "price of a false alarm", onchange: () => {
      fault.textContent = priceFault(price.value);
      fault.hidden = !fault.textContent;
      if (fault.textContent) return; // what was typed stays, to be corrected
      model.set("alarm", Number(price.value));
      model.save_changes();
      draw();
    } });
  const fault = make("p", { class: "sbx-answer", role: "status", "data-ok": "false", hidden: true });
  const best = make("button", { type: "button", class: "sbx-button",
    onclick: () => move(cheapest(read(), model.get("alarm"))) }, "cheapest");
  const at = make("span", { class: "sbx-at" });
  const body = make("tbody");
  const figures = make("p", { class: "sbx-equation", "aria-live": "polite" });
  const chart = makeSvg("svg", { class: "sbx-chart", viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: "img",
    "aria-label": "Cost over the thresholds; lower is better." });
  const sign = make("span");
  const controls = make("div", { class: "sbx-controls" }, "flag more", slider, "flag less", at, best,
    make("label", {}, "price of a false alarm ", price, " ", sign));
  ownKeys(controls);
  const root = make("section", { class: "sbx sbx-threshold", "aria-label": "A threshold" }, controls, fault,
    make("div", { class: "sbx-panels" },
      make("table", { class: "sbx-table" }, make("thead", {}, make("tr", {}, ...["", "flagged", "passed"]
        .map((name) => make("th", { scope: "col" }, name)))), body),
      make("figure", { class: "sbx-figure", style: `flex: 1 1 ${FRAME.width / 2}px; max-width: 620px` },
        make("figcaption", { class: "sbx-title" }, "cost at each place of the slider (logarithmic)"), chart)),
    figures);
  el.replaceChildren(root);

  function read() {
    return parseTable(model.get("table"), ["threshold", "hits", "alarms", "lost"]);
  }

  function move(place) {
    model.set("place", place);
    model.save_changes();
    draw();
  }

  function draw() {
    const table = read();
    const alarm = model.get("alarm");
    const last = table.lost.length - 1;
    const place = Math.max(0, Math.min(last, model.get("place")));
    const now = judge(table, place, model.get("rows"), model.get("positives"), alarm);
    slider.max = String(last);
    slider.value = String(place);
    if (document.activeElement !== price && fault.hidden) price.value = String(alarm);
    at.textContent = `threshold ${show(now.threshold)}`;
    const row = (name, a, b) => make("tr", {}, make("th", { scope: "row" }, name),
      make("td", {}, show(a)), make("td", {}, show(b)));
    body.replaceChildren(row("positive", now.hits, now.missed), row("negative", now.alarms, now.passed));
    const unit = model.get("unit") ?? "";
    sign.textContent = unit;
    figures.textContent = `cost ${money(now.cost, unit)};  accuracy ${percent(now.accuracy)},  `
      + `precision ${percent(now.precision, 1)},  recall ${percent(now.recall, 1)}`;
    const costs = table.lost.map((lost, i) => Math.max(1, lost + alarm * table.alarms[i]));
    const { width, height, margin } = FRAME;
    const x = scale(0, last, margin.left, width - margin.right);
    const [low, high] = [Math.min(...costs) / 1.1, Math.max(...costs, 2) * 1.1];
    const y = scale(low, high, height - margin.bottom - 6, margin.top, true);
    const name = (at, words) => makeSvg("text", { class: "sbx-tick", x: 0, y: at }, words);
    const rows = { count: height - 26, threshold: height - 9 };
    chart.replaceChildren(
      ...gridLines(logTicks(low, high), y, FRAME, (value) => money(value, unit, showTick)),
      ...flaggedTicks(table).flatMap(({ place, count, threshold }) => [
        mark(x(place), rows.count, showTick(count)),
        mark(x(place), rows.threshold, Number.isFinite(threshold) ? show(Number(threshold.toPrecision(2))) : "–")]),
      name(rows.count, "flagged"), name(rows.threshold, "from"),
      makeSvg("path", { class: "sbx-line sbx-train", d: linePath(costs.map((_, i) => i), costs, x, y) }),
      upright(x(place), FRAME, "sbx-cursor"),
      makeSvg("circle", { class: "sbx-dot sbx-check", cx: x(place), cy: y(costs[place]), r: 4 }));
  }

  const names = ["table", "alarm", "place", "unit"];
  for (const name of names) model.on(`change:${name}`, draw);
  const leaveKernel = watchKernel(model, root);
  draw();
  return () => {
    for (const name of names) model.off(`change:${name}`, draw);
    leaveKernel();
  };
}

export default { render };
