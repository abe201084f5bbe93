// The sheet that is painted on: a picture, over it the proposal and the painting, a ring for the brush; zoomed and moved.

const ZOOMS = 16;

function sheet(onZoom) {
  const picture = element("img", { alt: "", draggable: "false" });
  const under = element("canvas", { class: "segedu-proposal", "aria-hidden": "true" });
  const canvas = element("canvas", { class: "segedu-painting", tabindex: "0", role: "img" });
  const ring = element("div", { class: "segedu-ring", hidden: "" });
  const frame = element("div", { class: "segedu-frame segedu-paint" }, picture, under, canvas, ring);
  const viewport = element("div", { class: "segedu-viewport" }, frame);
  const context = canvas.getContext("2d");
  let [height, width] = [1, 1]; // of the whole picture; what is shown may be smaller
  let zoom = 1;

  // The pixel at (x, y) of the window, or the middle of what is seen, stays where it is.
  function zoomTo(value, at = null) {
    const box = viewport.getBoundingClientRect();
    const [x, y] = at ? [at[0] - box.left, at[1] - box.top] : [box.width / 2, box.height / 2];
    const across = (viewport.scrollLeft + x) / viewport.scrollWidth;
    const down = (viewport.scrollTop + y) / viewport.scrollHeight;
    zoom = Math.min(Math.max(Math.round(value), 1), ZOOMS);
    frame.style.setProperty("--segedu-zoom", zoom);
    frame.classList.toggle("segedu-crisp", frame.clientWidth >= canvas.width);
    viewport.scrollLeft = across * viewport.scrollWidth - x;
    viewport.scrollTop = down * viewport.scrollHeight - y;
    onZoom(zoom);
  }

  function line({ points, erase, brush, colour }) {
    const scale = canvas.width / width;
    const place = (value) => (value + 0.5) * scale;
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.strokeStyle = `rgb(${colour.join(" ")})`;
    context.lineWidth = Math.max(brush * scale, 1);
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(place(points[0][0]), place(points[0][1]));
    for (const [x, y] of points) context.lineTo(place(x) + 0.01, place(y)); // a dot is a line, too
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }

  return {
    canvas, frame, viewport, line, zoomTo,
    zoomBy: (factor, at) => zoomTo(factor > 1 ? Math.max(zoom * factor, zoom + 1) : Math.min(zoom * factor, zoom - 1), at),
    // A new picture: its file, its size, and how large the file is.
    open(file, size, shown, description) {
      URL.revokeObjectURL(picture.src);
      picture.src = URL.createObjectURL(new Blob([file]));
      [height, width] = size;
      for (const layer of [canvas, under]) [layer.height, layer.width] = shown;
      const fit = Math.min(960 / shown[1], 500 / shown[0]);
      frame.style.aspectRatio = `${shown[1]} / ${shown[0]}`;
      frame.style.setProperty("--segedu-width", `${Math.round(shown[1] * (fit < 1 ? fit : Math.floor(fit)))}px`);
      canvas.setAttribute("aria-label", description);
      zoomTo(1);
    },
    // The painting and the proposal as bitmaps, and over them lines that the kernel has not painted yet.
    draw(painted, proposed, lines) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      if (painted) context.drawImage(painted, 0, 0);
      lines.forEach(line);
      const below = under.getContext("2d");
      below.clearRect(0, 0, under.width, under.height);
      if (proposed) below.drawImage(proposed, 0, 0);
    },
    // The pixel [x, y] of the whole picture under the pointer; the nearest where the pointer has left it.
    pixel(event) {
      const box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * width);
      const y = Math.floor(((event.clientY - box.top) / box.height) * height);
      return [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
    },
    showRing(event, brush) {
      const box = frame.getBoundingClientRect();
      const across = Math.max((brush / width) * box.width, 2);
      ring.hidden = false;
      ring.style.width = ring.style.height = `${across}px`;
      ring.style.left = `${event.clientX - box.left - across / 2}px`;
      ring.style.top = `${event.clientY - box.top - across / 2}px`;
    },
    hideRing: () => (ring.hidden = true),
    dispose: () => URL.revokeObjectURL(picture.src),
  };
}
