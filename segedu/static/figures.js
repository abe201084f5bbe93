// Two figures that live in the browser: a painter ("scribble") and a mask over its picture ("overlay").
// Every pixel is handled here, so that no movement of the pointer waits for the kernel.

// An opaque colour [red, green, blue] as the four bytes of a canvas pixel; null is a clear one.
function packed(colour) {
  return colour && new Uint32Array(new Uint8Array([...colour, 255]).buffer)[0];
}

// The picture with a canvas over it, one canvas pixel a picture pixel. Small pictures are enlarged by a whole number.
function stage(model, description) {
  const [height, width] = model.get("size");
  const url = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/png" }));
  const picture = element("img", { src: url, alt: "", draggable: "false" });
  const canvas = element("canvas", { width, height, tabindex: "0", role: "img", "aria-label": description });
  const frame = element("div", { class: "segedu-frame" }, picture, canvas);
  const context = canvas.getContext("2d");
  const layer = context.createImageData(width, height);
  const pixels = new Uint32Array(layer.data.buffer); // a pixel at once: large pictures are drawn in milliseconds
  const fit = Math.min(720 / width, 480 / height);
  frame.style.aspectRatio = `${width} / ${height}`;
  frame.style.setProperty("--segedu-width", `${Math.round(width * (fit < 1 ? fit : Math.floor(fit)))}px`);
  frame.classList.toggle("segedu-crisp", fit >= 1);
  return {
    width, height, canvas, frame,
    dispose: () => URL.revokeObjectURL(url),
    // The pixel [x, y] under the pointer; the nearest one where the pointer has left the picture.
    pixel(event) {
      const box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * height);
      return [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
    },
    // Draws one class id a pixel; colour(id) is [red, green, blue], or null for a class that stays clear; skip(i) says
    // which single pixels stay clear too.
    show(ids, colour, skip = () => false) {
      const drawn = Uint32Array.from({ length: 256 }, (_, id) => packed(colour(id)));
      for (let i = 0; i < ids.length; i++) pixels[i] = skip(i) ? 0 : drawn[ids[i]];
      context.putImageData(layer, 0, 0);
    },
  };
}

// ---------------------------------------------------------------- the painter

// Paints one piece of line into `ids`. The same rule, in the same order of operations, as segedu.strokes.draw_strokes:
// a pixel is painted when its centre is at most brush / 2 away from the line.
function paintLine(ids, width, height, id, brush, [ax, ay], [bx, by]) {
  const radius = brush / 2;
  const top = Math.max(Math.ceil(Math.min(ay, by) - radius), 0);
  const bottom = Math.min(Math.floor(Math.max(ay, by) + radius), height - 1);
  const left = Math.max(Math.ceil(Math.min(ax, bx) - radius), 0);
  const right = Math.min(Math.floor(Math.max(ax, bx) + radius), width - 1);
  const dx = bx - ax;
  const dy = by - ay;
  const length2 = dx * dx + dy * dy;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const along = length2 ? Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / length2, 0), 1) : 0;
      const gapX = x - (ax + along * dx);
      const gapY = y - (ay + along * dy);
      if (gapX * gapX + gapY * gapY <= radius * radius) ids[y * width + x] = id;
    }
  }
}

function scribble(model, el) {
  const names = model.get("names");
  const colours = model.get("colours");
  const brush = model.get("brush");
  const { width, height, canvas, frame, dispose, pixel, show } = stage(model, "Picture to paint on");
  const ids = new Uint8Array(width * height);
  let chosen = 0;
  let stroke = null; // the one being drawn: {pointer, points}
  let cleared = null; // what "Clear" took away, for "Undo"

  const classes = names.map((name, id) => button("", () => choose(id), { class: "segedu-chip" }));
  classes.forEach((node, id) => node.append(swatch(colours[id]), names[id]));
  const undo = button("Undo", () => {
    const strokes = model.get("strokes");
    store(strokes.length ? strokes.slice(0, -1) : cleared);
  });
  const clear = button("Clear", () => {
    cleared = model.get("strokes");
    store([]);
  });
  const status = element("div", { class: "segedu-status", role: "status" });

  function choose(id) {
    chosen = id;
    classes.forEach((node, other) => node.setAttribute("aria-pressed", String(other === id)));
  }

  function store(strokes) {
    if (strokes.length) cleared = null;
    model.set("strokes", strokes);
    model.save_changes();
  }

  function paint(id, points, first = 0) {
    if (points.length === 1) paintLine(ids, width, height, id, brush, points[0], points[0]);
    for (let i = Math.max(first, 1); i < points.length; i++) {
      paintLine(ids, width, height, id, brush, points[i - 1], points[i]);
    }
  }

  function redraw() {
    const strokes = model.get("strokes");
    ids.fill(VOID);
    for (const [name, points] of strokes) paint(names.indexOf(name), points);
    if (stroke) paint(chosen, stroke.points);
    refresh();
    undo.disabled = !strokes.length && !cleared;
    clear.disabled = !strokes.length;
    const share = (100 * ids.reduce((sum, id) => sum + (id !== VOID), 0)) / ids.length;
    status.textContent = strokes.length
      ? `${strokes.length} ${strokes.length === 1 ? "stroke" : "strokes"}, ${share.toFixed(1)} % of the pixels painted`
      : "Choose a class, then draw on the picture.";
  }

  function refresh() {
    show(ids, (id) => (id < names.length ? colours[id] : null));
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || stroke) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    stroke = { pointer: event.pointerId, points: [pixel(event)] };
    paint(chosen, stroke.points);
    refresh();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === stroke?.pointer) extend(event, Math.max(brush / 2, 1));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (event.pointerId !== stroke?.pointer) return;
    extend(event, 1);
    const { points } = stroke;
    stroke = null;
    store([...model.get("strokes"), [names[chosen], points]]);
  });
  canvas.addEventListener("pointercancel", (event) => {
    if (event.pointerId !== stroke?.pointer) return;
    stroke = null;
    redraw();
  });

  // Points closer than `step` pixels add nothing to a round brush, and a stroke should stay readable as numbers.
  function extend(event, step) {
    const point = pixel(event);
    const last = stroke.points.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < step) return;
    stroke.points.push(point);
    paint(chosen, stroke.points, stroke.points.length - 1);
    refresh();
  }

  frame.classList.add("segedu-paint");
  el.append(
    element("div", { class: "segedu-row" }, group("Class to paint", ...classes), group("Strokes", undo, clear)),
    element("div", { class: "segedu-viewport" }, frame),
    status,
  );
  choose(0);
  redraw();
  model.on("change:strokes", redraw);
  return () => {
    model.off("change:strokes", redraw);
    dispose();
  };
}

// ---------------------------------------------------------------- the overlay

function overlay(model, el) {
  const names = model.get("names");
  const colours = model.get("colours");
  const mask = bytes(model.get("mask_bytes"));
  const prediction = model.get("prediction_bytes") && bytes(model.get("prediction_bytes"));
  const description = "Picture with its mask; arrow keys name a pixel";
  const { width, height, canvas, frame, dispose, pixel, show } = stage(model, description);
  const maps = { mask };
  if (prediction) {
    maps.prediction = prediction;
    // Where the two differ, the predicted class; a void pixel has no right answer, so it stays void.
    maps.errors = mask.map((id, i) => (id === VOID ? VOID : prediction[i]));
  }
  const right = (i) => prediction && mask[i] === prediction[i] && mask[i] !== VOID;
  let shownMap = "mask";
  const present = [...new Set([...mask, ...(prediction ?? [])])].sort((a, b) => a - b);
  const hidden = new Set();

  const nameOf = (id) => (id === VOID ? "void (255, ignored)" : `${names[id]} (${id})`);
  const chips = present.map((id) => {
    const node = button("", () => hide([id], !hidden.has(id)), { class: "segedu-chip" });
    node.append(swatch(id === VOID ? null : colours[id]), id === VOID ? "void" : names[id]);
    return node;
  });

  function hide(ids, flag) {
    for (const id of ids) flag ? hidden.add(id) : hidden.delete(id);
    draw();
  }

  function draw() {
    chips.forEach((node, i) => node.setAttribute("aria-pressed", String(!hidden.has(present[i]))));
    const colour = (id) => (hidden.has(id) ? null : id === VOID ? GREY : (colours[id] ?? [0, 0, 0]));
    show(maps[shownMap], colour, shownMap === "errors" ? right : undefined);
  }

  const reading = element("div", { class: "segedu-status", role: "status" });
  const marker = element("div", { class: "segedu-marker", hidden: "" });
  let probe = [Math.floor(width / 2), Math.floor(height / 2)];

  function name([x, y]) {
    probe = [x, y];
    const i = y * width + x;
    const truth = `x ${x}, y ${y}: ${nameOf(mask[i])}`;
    if (!prediction) reading.textContent = truth;
    else if (right(i)) reading.textContent = `${truth}, predicted rightly`;
    else reading.textContent = `${truth}, predicted as ${nameOf(prediction[i])}`;
  }

  function rest() {
    marker.hidden = true;
    reading.textContent = "Point at the picture: the pixel is named here.";
  }

  canvas.addEventListener("pointermove", (event) => {
    marker.hidden = true;
    name(pixel(event));
  });
  canvas.addEventListener("pointerdown", (event) => name(pixel(event)));
  canvas.addEventListener("pointerleave", rest);
  canvas.addEventListener("blur", rest);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    const inside = (value, limit) => Math.min(Math.max(value, 0), limit - 1);
    name([inside(probe[0] + far * step[0], width), inside(probe[1] + far * step[1], height)]);
    marker.hidden = false;
    marker.style.left = `${((probe[0] + 0.5) / width) * 100}%`;
    marker.style.top = `${((probe[1] + 0.5) / height) * 100}%`;
  });

  const viewport = element("div", { class: "segedu-viewport" }, frame);
  const percent = (value) => `${Math.round(100 * value)} %`;
  const opacity = model.get("opacity");
  const fade = (value) => (canvas.style.opacity = value);
  const zoom = (value) => {
    // The middle of what is seen stays where it is.
    const middle = (viewport.scrollLeft + viewport.clientWidth / 2) / viewport.scrollWidth;
    const centre = (viewport.scrollTop + viewport.clientHeight / 2) / viewport.scrollHeight;
    frame.style.setProperty("--segedu-zoom", value);
    frame.classList.toggle("segedu-crisp", frame.clientWidth >= width);
    viewport.scrollLeft = middle * viewport.scrollWidth - viewport.clientWidth / 2;
    viewport.scrollTop = centre * viewport.scrollHeight - viewport.clientHeight / 2;
  };
  const controls = element(
    "div",
    { class: "segedu-row" },
    slider("opacity", { min: 0, max: 1, step: 0.01, value: opacity, shown: percent }, fade),
    slider("zoom", { min: 1, max: 8, step: 1, value: 1, shown: (value) => `${value}×` }, zoom),
  );
  if (prediction) {
    const choices = Object.keys(maps).map((key) => button(key, () => choose(key)));
    const choose = (key) => {
      shownMap = key;
      choices.forEach((node) => node.setAttribute("aria-pressed", String(node.textContent === key)));
      draw();
    };
    controls.append(group("What is shown", ...choices));
    choose("mask");
  }
  const all = button("all", () => hide(present, false), { "aria-label": "Show all classes" });
  const none = button("none", () => hide(present, true), { "aria-label": "Hide all classes" });

  frame.append(marker);
  el.append(controls, viewport, reading, group("Classes shown", ...chips, all, none));
  fade(opacity);
  rest();
  draw();
  return dispose;
}

function render({ model, el }) {
  el.classList.add("segedu");
  const dispose = { scribble, overlay }[model.get("kind")](model, el);
  keepKeys(el);
  return dispose;
}

export default { render };
