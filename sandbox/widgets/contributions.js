import { bound, make, ownKeys, percent, watchKernel, weightColor } from "./common.js";

/** Probability of the second class when a word is left out, from the log-odds it adds. */
export function without(probability, value) {
  const p = Math.min(1 - 1e-12, Math.max(1e-12, probability));
  return 1 / (1 + Math.exp(-(Math.log(p / (1 - p)) - value)));
}

/** A contribution with its sign. */
export function signed(value, digits = 2) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** A short contribution for the foot of a word; nothing where it is small beside the largest, or 0.0. */
export function foot(value, top) {
  return Math.abs(value) < 0.05 * Math.max(1, top) ? "" : signed(value, Math.abs(value) < 10 ? 1 : 0);
}

/** Places of the words that add most to one side, the strongest first; 0.00 is nothing. */
export function strongest(values, side, count = 8) {
  return values.map((value, i) => [side * value, i]).filter(([value]) => value >= 0.005)
    .sort((a, b) => b[0] - a[0]).slice(0, count).map(([, i]) => i);
}

/** The verdict in words; none where no word is known. */
export function verdict(names, probability, known) {
  if (!known.some(Boolean)) return "no verdict";
  return `${names[probability >= 0.5 ? 1 : 0]}, ${percent(Math.max(probability, 1 - probability), 1)}`;
}

const PATIENCE = 500; // ms without a key before the text is judged

function render({ model, el }) {
  let chosen = 0;
  let timer = 0;
  const live = model.get("live");
  const box = make("textarea", { class: "sbx-review", rows: "3", "aria-label": "a review of your own",
    spellcheck: "false", readonly: !live, oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(ask, PATIENCE);
    } });
  const button = make("button", { type: "button", class: "sbx-button", onclick: () => ask() }, "judge");
  const answer = make("span", { class: "sbx-answer", "aria-live": "polite" });
  const form = make("div", {}, box, make("p", { class: "sbx-controls" }, button, answer));
  ownKeys(form);
  if (!live) button.hidden = true;
  const told = make("strong", { class: "sbx-name", "aria-live": "polite" });
  const mark = make("i");
  const notice = make("p", { class: "sbx-note sbx-wrap", role: "status" });
  const ends = [make("span", { class: "sbx-label" }), make("span", { class: "sbx-label" })];
  const words = make("p", { class: "sbx-words", tabindex: "0", role: "group",
    "data-lm-suppress-shortcuts": "true" }); // the arrows are ours, not the notebook's
  const line = make("p", { class: "sbx-equation", "aria-live": "polite" });
  const tables = make("div", { class: "sbx-tables" });
  const summary = make("p", { class: "sbx-summary" });
  const scale = make("div", { class: "sbx-verdict" }, ends[0],
    make("span", { class: "sbx-scale", "aria-hidden": "true" }, mark), ends[1]);
  const details = make("details", { class: "sbx-details" },
    make("summary", {}, "the strongest words as a table"), tables);
  const root = make("section", { class: `sbx sbx-contributions ${live ? "sbx-asks" : ""}`, "aria-label": "What each word adds" }, form,
    make("div", { class: "sbx-verdict" }, told, scale), notice, words, line, details, summary);
  el.replaceChildren(root);

  function ask() {
    clearTimeout(timer);
    if (!live) return;
    say("reading …", true);
    model.send({ type: "judge", text: box.value });
  }

  function say(text, ok) {
    answer.textContent = text;
    answer.dataset.ok = String(ok);
  }

  function reply(message) {
    if (message.type !== "reply") return;
    say(message.text, message.ok);
  }

  function draw() {
    const values = model.get("values");
    const names = model.get("labels");
    const p = model.get("probability");
    const known = model.get("known");
    const judged = known.some(Boolean);
    if (document.activeElement !== box) box.value = model.get("text");
    told.textContent = verdict(names, p, known);
    told.hidden = !known.length;
    scale.hidden = details.hidden = summary.hidden = line.hidden = !judged;
    notice.textContent = model.get("notice") ?? "";
    notice.hidden = !notice.textContent;
    mark.style.left = `${100 * p}%`;
    names.forEach((name, i) => { ends[i].textContent = name; });
    chosen = Math.max(0, Math.min(chosen, values.length - 1));
    const top = Math.max(0.5, bound(values)); // small differences stay pale
    words.setAttribute("aria-label", `${values.length} words, coloured by what they add. Arrow keys go from word to word.`);
    words.replaceChildren(...model.get("words").map((word, i) => {
      const share = judged ? values[i] / top : 0; // without a verdict no word speaks for it
      const item = make("span", { class: "sbx-word", "data-known": String(known[i]),
        "data-dark": String(Math.abs(share) > 0.7), "aria-current": String(i === chosen),
        style: `background: rgb(${weightColor(share)})`, onclick: () => choose(i), onpointerenter: () => choose(i) },
      make("span", {}, word), make("small", {}, judged ? foot(values[i], top) : ""));
      return item;
    }));
    tables.replaceChildren(...[0, 1].map((side) => make("table", {},
      make("caption", {}, `for ${names[side]}`), make("tbody", {},
        ...strongest(values, side ? 1 : -1).map((i) => make("tr", {}, make("th", { scope: "row" }, model.get("words")[i]),
          make("td", {}, signed(values[i]))))))));
    summary.textContent = "Each word is left out once; its figure is how far the log-odds for "
      + `“${names[1]}” fall without it. Dotted: not in the vocabulary.`;
    tell();
  }

  function choose(place) {
    words.children[chosen]?.setAttribute("aria-current", "false");
    chosen = place;
    words.children[chosen]?.setAttribute("aria-current", "true");
    tell();
  }

  function tell() {
    const value = model.get("values")[chosen];
    if (value === undefined) return;
    const p = model.get("probability");
    const name = model.get("labels")[1];
    const known = model.get("known")[chosen] ? "" : " (unknown)";
    line.textContent = `“${model.get("words")[chosen]}”${known}: ${signed(value)};  `
      + `${name} ${percent(p, 1)} with it, ${percent(without(p, value), 1)} without it`;
  }

  words.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const count = words.children.length;
    choose((chosen + step + count) % count);
    words.children[chosen].scrollIntoView({ block: "nearest" });
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      ask();
    }
  });
  model.on("msg:custom", reply);
  model.on("change", draw);
  const leaveKernel = watchKernel(model, root);
  draw();
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", reply);
    model.off("change", draw);
    leaveKernel();
  };
}

export default { render };
