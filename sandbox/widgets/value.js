import { make, ownKeys, watchKernel } from "./common.js";

/** The place after a wish, given what was asked for last and what is shown: one call at a time. */
export function next(wanted, asked, shown) {
  return asked !== shown || wanted === shown ? -1 : wanted;
}

function render({ model, el }) {
  let asked = model.get("shown");
  const slider = make("input", { type: "range", class: "sbx-range", min: "0", step: "1",
    oninput: () => { draw(); ask(); } });
  const at = make("span", { class: "sbx-at" });
  const name = make("span");
  const controls = make("p", { class: "sbx-controls" }, name, slider, at);
  ownKeys(controls);
  const picture = make("img", { alt: "" });
  const text = make("pre", { class: "sbx-equation", "aria-live": "polite" });
  const error = make("p", { class: "sbx-answer", "data-ok": "false", role: "alert" });
  const root = make("section", { class: "sbx sbx-asks", "aria-label": "A value to change" },
    controls, picture, text, error);
  el.replaceChildren(root);
  slider.value = "0";
  let address = "";

  // The slider may move faster than the kernel computes: ask for the newest place, once.
  function ask() {
    const place = next(Number(slider.value), asked, model.get("shown"));
    if (place < 0) return;
    asked = place;
    model.set("place", place);
    model.save_changes();
  }

  function draw() {
    const names = model.get("names");
    const place = Math.min(names.length - 1, Number(slider.value));
    name.textContent = model.get("name");
    at.textContent = names[place];
    slider.setAttribute("aria-label", model.get("name"));
    slider.setAttribute("aria-valuetext", names[place]);
  }

  function show() {
    const svg = model.get("svg");
    const drawn = Boolean(svg && svg.byteLength);
    if (address) URL.revokeObjectURL(address);
    address = drawn ? URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" })) : "";
    picture.hidden = !drawn;
    text.hidden = drawn;
    if (drawn) picture.src = address;
    picture.alt = model.get("text");
    picture.style.width = `${model.get("width")}px`;
    picture.style.maxWidth = "100%";
    text.textContent = model.get("text");
    error.hidden = !model.get("error");
    error.textContent = model.get("error");
  }

  function arrived() {
    asked = model.get("shown");
    show();
    ask();
  }

  function moved() { // by the kernel
    if (model.get("place") === asked) return;
    asked = model.get("place");
    slider.value = String(asked);
    draw();
  }

  slider.max = String(model.get("names").length - 1);
  slider.value = String(model.get("place"));
  controls.hidden = !model.get("live");
  model.on("change:shown", arrived);
  model.on("change:place", moved);
  const leaveKernel = watchKernel(model, root);
  draw();
  show();
  return () => {
    model.off("change:shown", arrived);
    model.off("change:place", moved);
    leaveKernel();
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
