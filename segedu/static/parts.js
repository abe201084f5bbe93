// What all figures use: controls, a slider, keys that stay in the figure. segedu/widgets/page.py puts it before each script.

const VOID = 255; // segedu.labels.IGNORE_INDEX
const GREY = [128, 128, 128]; // segedu.labels.IGNORE_COLOUR, which no class has

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function button(text, onClick, attributes = {}) {
  const node = element("button", { type: "button", ...attributes }, text);
  node.addEventListener("click", onClick);
  return node;
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function swatch(colour) {
  const node = element("span", { class: "segedu-swatch", "aria-hidden": "true" });
  node.style.background = `rgb(${(colour || GREY).join(" ")})`;
  return node;
}

function group(name, ...children) {
  return element("div", { class: "segedu-row", role: "group", "aria-label": name }, ...children);
}

function slider(text, { min, max, step, value, shown }, onInput) {
  const input = element("input", { type: "range", min, max, step, value });
  const reading = element("span", { class: "segedu-value" }, shown(value));
  input.addEventListener("input", () => {
    reading.textContent = shown(input.valueAsNumber);
    onInput(input.valueAsNumber);
  });
  return element("label", { class: "segedu-slider" }, text, input, reading);
}

// A key pressed on a control belongs to it: without this, JupyterLab takes the arrow keys for a move to another cell.
// It looks for the attribute on the focused node itself.
function keepKeys(el) {
  for (const control of el.querySelectorAll("button, input, select, canvas, summary")) {
    control.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}
