// The painter of a folder of pictures. The kernel holds the mask and saves it; the page shows it, and draws a stroke at
// once, before the kernel has answered. What is asked of it is a method of segedu.labelling.Labelling.

const PIECE = 400; // milliseconds of a long stroke after which it is sent, so that a page that is closed loses no more
const KEYS = [
  ["1 … 9, 0", "class"], ["b", "brush"], ["f", "fill"], ["e", "erase"], ["i", "pick class and object under the pointer"],
  ["o", "new object"], [", .", "smaller, larger brush"], ["z, y", "undo, redo (Ctrl, too)"],
  ["n, Shift+n", "next, previous picture"], ["p", "propose from this picture"], ["Shift+p", "propose from all"],
  ["a, Esc", "accept, dismiss the proposal"], ["+ − h", "zoom in, out, whole picture"],
  ["arrows, Space+drag", "move the picture"], ["?", "these keys"],
];

function render({ model, el }) {
  el.classList.add("segedu", "segedu-labeller");
  const names = model.get("classes");
  const colours = model.get("colours");
  const pictures = model.get("pictures");
  const view = Math.random().toString(36).slice(2);
  let state = model.get("state");
  let tool = "brush";
  let brush = state.brush;
  let sent = 0;
  let pending = []; // pieces of strokes that the kernel has not answered yet
  let stroke = null; // the one being drawn: {pointer, points, sentTo, at}
  let drag = null; // where the picture is being moved from
  let space = false; // whether the space bar is down
  let painted = null; // what the kernel has painted, decoded
  let proposed = null;
  let round = 0; // of the kernel's answers
  let onSheet = ""; // which picture is seen

  const paper = sheet((zoom) => {
    zoomer.querySelector("input").value = zoom;
    zoomer.querySelector(".segedu-value").textContent = `${zoom}×`;
  });
  const { canvas, frame, viewport } = paper;

  // ---------------------------------------------------------------- what is asked of the kernel

  function ask(what, arguments_ = [], options = {}) {
    sent += 1;
    model.send({ do: what, with: arguments_, options, brush, from: [view, sent] });
    return sent;
  }

  function sendStroke() {
    const points = stroke.points.slice(Math.max(stroke.sentTo - 1, 0));
    const erase = tool === "erase";
    const number = ask("stroke", [points], { erase, goes_on: stroke.sentTo > 0 });
    pending.push({ number, points, erase, brush, colour: state.paint, since: performance.now() });
    stroke.sentTo = stroke.points.length;
    stroke.at = performance.now();
  }

  // ---------------------------------------------------------------- controls

  const press = (node, on) => node.setAttribute("aria-pressed", String(on));
  const action = (text, key, onClick) => {
    const node = button(text, onClick, { "aria-label": text });
    node.append(element("kbd", {}, key));
    return node;
  };

  const menu = element("select", { "aria-label": "Picture" });
  menu.append(...pictures.map((name, i) => element("option", { value: i }, name)));
  menu.addEventListener("change", () => ask("go_to", [Number(menu.value)]) && canvas.focus({ preventScroll: true }));
  const progress = element("span", { class: "segedu-value" });
  const chips = names.map((name, id) => {
    const node = button("", () => choose(id), { class: "segedu-chip", "aria-label": name });
    node.append(swatch(colours[id]), name, ...(id < 10 ? [element("kbd", {}, String((id + 1) % 10))] : []));
    return node;
  });
  const tools = Object.fromEntries(
    [["brush", "b"], ["fill", "f"], ["erase", "e"], ["pick", "i"]].map(([name, key]) => [
      name, action(name[0].toUpperCase() + name.slice(1), key, () => take(name)),
    ]),
  );
  const newObject = action("New object", "o", () => ask("new_object"));
  newObject.hidden = !state.instances;
  const undo = action("Undo", "z", () => ask("undo"));
  const redo = action("Redo", "y", () => ask("redo"));
  const propose = action("Propose", "p", () => ask("propose"));
  const proposeAll = action(`From all, ${state.learn} s`, "⇧p", () => ask("propose", [state.learn]));
  const accept = action("Accept", "a", () => ask("accept"));
  const dismiss = action("Dismiss", "Esc", () => ask("dismiss"));
  const status = element("div", { class: "segedu-status", role: "status" });
  const largest = () => Math.max(20, Math.round(Math.max(...state.size) / 6));
  const size = slider("brush", { min: 1, max: largest(), step: 1, value: brush, shown: (v) => `${v} px` }, (v) => (brush = v));
  const fade = slider(
    "opacity", { min: 0.1, max: 1, step: 0.05, value: 0.6, shown: (v) => `${Math.round(100 * v)} %` },
    (value) => (canvas.style.opacity = value),
  );
  canvas.style.opacity = 0.6;
  const zoomer = slider("zoom", { min: 1, max: ZOOMS, step: 1, value: 1, shown: (v) => `${v}×` }, (v) => paper.zoomTo(v));
  const rows = KEYS.map(([key, what]) => element("span", {}, element("kbd", {}, key), what));
  const summary = element("summary", {}, "Keys ", element("kbd", {}, "?"));
  const keys = element("details", { class: "segedu-keys", open: "" }, summary, element("div", {}, ...rows));

  function choose(id) {
    if (id >= names.length) return;
    if (tool !== "fill") take("brush");
    state = { ...state, chosen: id, paint: colours[id] };
    chips.forEach((node, other) => press(node, other === id));
    ask("choose", [id]);
  }

  function take(name) {
    tool = name;
    for (const [other, node] of Object.entries(tools)) press(node, other === name);
    paper.hideRing();
  }

  function setInput(label, value) {
    const input = label.querySelector("input");
    input.value = value;
    input.dispatchEvent(new Event("input"));
  }

  // ---------------------------------------------------------------- drawing

  const unsent = () => ({ points: stroke.points, erase: tool === "erase", brush, colour: state.paint });
  const redraw = () => paper.draw(painted, proposed, stroke ? [...pending, unsent()] : pending);
  const decoded = (file) => (file?.byteLength ? createImageBitmap(new Blob([file], { type: "image/png" })) : null);

  // What the kernel has answered: its picture, its mask, and how far it has come with what was asked.
  async function answered() {
    const next = model.get("state");
    const mine = (round += 1);
    const maps = await Promise.all([decoded(model.get("painted")), decoded(model.get("proposed"))]);
    if (mine !== round) return; // a later answer has overtaken it
    const moved = `${next.place} ${next.size}` !== onSheet;
    state = next;
    if (state.done[0] === view) pending = pending.filter((piece) => piece.number > state.done[1]);
    if (moved) {
      stroke = null;
      showPicture();
    }
    [painted, proposed] = maps;
    redraw();
    showState();
  }

  function showPicture() {
    onSheet = `${state.place} ${state.size}`;
    paper.open(model.get("shown"), state.size, state.shown, `${state.name}, to paint on`);
    size.querySelector("input").max = largest();
    setInput(size, state.brush);
  }

  function showState() {
    const all = state.labelled.filter(Boolean).length;
    progress.textContent = `${all} of ${pictures.length} labelled`;
    [...menu.options].forEach((option, i) => (option.textContent = (state.labelled[i] ? "✓ " : "\u2007 ") + pictures[i]));
    menu.value = state.place;
    if (state.done[0] !== view || state.done[1] === sent) chips.forEach((node, id) => press(node, id === state.chosen));
    undo.disabled = !state.undo;
    redo.disabled = !state.redo;
    accept.disabled = dismiss.disabled = !state.proposal;
    for (const node of [propose, proposeAll]) node.disabled = state.busy || Boolean(state.trouble);
    frame.classList.toggle("segedu-locked", Boolean(state.trouble));
    frame.classList.toggle("segedu-busy", state.busy);
    say(state.said || state.trouble || rest(), Boolean(state.wrong || state.trouble));
  }

  function rest() {
    const objects = state.instances ? `, ${state.objects} ${state.objects === 1 ? "object" : "objects"}` : "";
    const kept = state.share > 0 ? `, saved in ${state.file}` : ", no mask yet";
    const shown = state.proposal ? " The proposal is hatched: paint over it, or accept it." : "";
    return `${state.size[1]} × ${state.size[0]} pixels, ${state.share.toFixed(1)} % painted${objects}${kept}.${shown}`;
  }

  function say(text, wrong = false) {
    status.textContent = text;
    status.classList.toggle("segedu-wrong", wrong);
  }

  // ---------------------------------------------------------------- pointer and keys

  // Focus goes back to the sheet: a button that becomes disabled would leave it to the notebook, where keys delete cells.
  el.addEventListener("click", (event) => event.target.closest("button") && canvas.focus({ preventScroll: true }));
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    if (event.button === 1 || (event.button === 0 && space)) {
      canvas.setPointerCapture(event.pointerId);
      drag = { pointer: event.pointerId, x: event.clientX, y: event.clientY };
      return;
    }
    if (event.button !== 0 || stroke || state.trouble) return;
    if (tool === "fill") return void ask("fill", paper.pixel(event));
    if (tool === "pick") {
      ask("pick", paper.pixel(event));
      return take("brush");
    }
    canvas.setPointerCapture(event.pointerId);
    stroke = { pointer: event.pointerId, points: [paper.pixel(event)], sentTo: 0, at: performance.now() };
    redraw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === drag?.pointer) {
      viewport.scrollBy(drag.x - event.clientX, drag.y - event.clientY);
      [drag.x, drag.y] = [event.clientX, event.clientY];
      return;
    }
    if (tool === "brush" || tool === "erase") paper.showRing(event, brush);
    if (event.pointerId === stroke?.pointer) extend(event, Math.max(brush / 4, 1));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (event.pointerId === drag?.pointer) drag = null;
    if (event.pointerId !== stroke?.pointer) return;
    extend(event, 1);
    endStroke();
  });
  canvas.addEventListener("pointercancel", () => {
    if (stroke) endStroke();
    drag = null;
  });
  canvas.addEventListener("pointerleave", paper.hideRing);
  viewport.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    paper.zoomBy(event.deltaY < 0 ? 1.3 : 0.77, [event.clientX, event.clientY]);
  }, { passive: false });

  function extend(event, step) {
    const point = paper.pixel(event);
    const last = stroke.points.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < step) return;
    stroke.points.push(point);
    paper.line({ ...unsent(), points: [last, point] });
    if (performance.now() - stroke.at > PIECE) sendStroke();
  }

  function endStroke() {
    if (stroke.sentTo < stroke.points.length) sendStroke();
    stroke = null;
  }

  const moves = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, -60], ArrowDown: [0, 60] };
  const bound = {
    b: () => take("brush"), f: () => take("fill"), e: () => take("erase"), i: () => take("pick"),
    o: () => state.instances && ask("new_object"), z: () => ask("undo"), y: () => ask("redo"), Z: () => ask("redo"),
    n: () => ask("next"), N: () => ask("previous"), p: () => ask("propose"), P: () => ask("propose", [state.learn]),
    a: () => state.proposal && ask("accept"), Escape: () => state.proposal && ask("dismiss"),
    ",": () => setInput(size, Math.max(1, Math.min(brush - 1, Math.round(brush / 1.25)))),
    ".": () => setInput(size, Math.max(brush + 1, Math.round(brush * 1.25))),
    "+": () => paper.zoomBy(1.5), "-": () => paper.zoomBy(0.67), h: () => paper.zoomTo(1), "?": () => (keys.open = !keys.open),
  };
  el.addEventListener("keydown", (event) => {
    const typing = event.target.matches("select, input");
    const control = event.ctrlKey || event.metaKey;
    if (event.altKey || (typing && (event.target.matches("select") || event.key.length > 1))) return;
    if (control && !"zZyY".includes(event.key)) return;
    if (stroke && (bound[event.key] || /^\d$/.test(event.key))) endStroke(); // with the tool that it was begun with
    if (event.key === " " && event.target === canvas) space = true;
    else if (moves[event.key] && event.target === canvas) viewport.scrollBy(...moves[event.key]);
    else if (/^\d$/.test(event.key)) choose((Number(event.key) + 9) % 10);
    else if (bound[event.key]) bound[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  el.addEventListener("keyup", (event) => event.key === " " && (space = false));

  const flush = () => stroke && endStroke();
  window.addEventListener("pagehide", flush);
  const clock = setInterval(() => {
    if (stroke && stroke.sentTo < stroke.points.length && performance.now() - stroke.at > PIECE) sendStroke();
    const oldest = pending[0];
    if (oldest && performance.now() - oldest.since > 2000) {
      say(`The kernel is busy or gone: ${pending.length} strokes are not saved yet.`, true);
    }
  }, 250);

  el.append(
    element(
      "div", { class: "segedu-row" },
      group("Pictures", action("Previous", "⇧n", () => ask("previous")), menu, action("Next", "n", () => ask("next"))),
      group("Steps", undo, redo), progress,
    ),
    group("Class to paint", ...chips),
    element(
      "div", { class: "segedu-row" },
      group("Tool", ...Object.values(tools), newObject), group("Proposal", propose, proposeAll, accept, dismiss),
    ),
    element("div", { class: "segedu-row" }, size, fade, zoomer), viewport, status, keys,
  );
  take("brush");
  model.on("change:state", answered);
  answered();
  keepKeys(el);
  return () => {
    model.off("change:state", answered);
    window.removeEventListener("pagehide", flush);
    clearInterval(clock);
    paper.dispose();
  };
}

export default { render };
