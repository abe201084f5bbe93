// The page of `segedu export --page`: a picture in, the classes of its pixels out, by onnxruntime-web.
// segedu/exporting/page.py puts parts.js before it, and the data into the page's elements.

const about = JSON.parse(document.getElementById("about").textContent);

async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function opened() {
  const source = URL.createObjectURL(new Blob([await unpacked("runtime")], { type: "text/javascript" }));
  const ort = await import(source);
  ort.env.wasm.numThreads = 1; // more need a server that says so in its headers
  ort.env.wasm.wasmBinary = (await unpacked("machine")).buffer;
  const session = await ort.InferenceSession.create(await unpacked("model"), { executionProviders: ["wasm"] });
  return { ort, session };
}

// (C, H, W) in 0...1 of the canvas's pixels; grey as Pillow's "L" makes it.
function planes({ data, width, height }) {
  const area = width * height;
  const image = new Float32Array(about.channels * area);
  for (let pixel = 0; pixel < area; pixel++) {
    const [red, green, blue] = [data[4 * pixel], data[4 * pixel + 1], data[4 * pixel + 2]];
    if (about.channels === 1) {
      image[pixel] = ((red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16) / 255;
    } else {
      image[pixel] = red / 255;
      image[area + pixel] = green / 255;
      image[2 * area + pixel] = blue / 255;
    }
  }
  return image;
}

// The class with the largest logit of each pixel; the first one if several are.
function argmax(logits, classes, area) {
  const mask = new Uint8Array(area);
  for (let pixel = 0; pixel < area; pixel++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[c * area + pixel] > logits[best * area + pixel]) best = c;
    mask[pixel] = best;
  }
  return mask;
}

function drawMask(canvas, mask, width, height) {
  [canvas.width, canvas.height] = [width, height];
  const pixels = new ImageData(width, height);
  mask.forEach((number, pixel) => pixels.data.set([...about.colours[number], 255], 4 * pixel));
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function shares(mask) {
  const counts = new Array(about.names.length).fill(0);
  for (const number of mask) counts[number]++;
  const rows = counts
    .map((count, number) => [count, number])
    .filter(([count]) => count)
    .sort(([a], [b]) => b - a)
    .map(([count, number]) =>
      element("tr", {},
        element("td", {}, swatch(about.colours[number])),
        element("td", {}, about.names[number]),
        element("td", {}, `${((100 * count) / mask.length).toFixed(1)} %`)));
  return element("table", { "aria-label": "Share of each class" }, ...rows);
}

const picture = element("canvas", { role: "img", "aria-label": "The picture", id: "picture" });
const answer = element("canvas", { role: "img", "aria-label": "The class of each pixel, in colour", id: "mask" });
const status = element("p", { role: "status", id: "status" }, "The network is being opened …");
const table = element("div");
const stage = element("div", { class: "stage", hidden: "" }, picture, answer);
const file = element("input", { type: "file", accept: "image/*", id: "file", "aria-label": "Picture", disabled: "" });
const first = about.side ?? 512; // as in training
const sides = [...new Set([256, 512, 1024, 2048, first])].sort((a, b) => a - b);
const side = element("select", { id: "side" }, ...sides.map((n) => element("option", { value: n }, `${n}`)));
side.value = `${first}`;
const opacity = slider("Mask ", { min: 0, max: 100, step: 5, value: 60, shown: (value) => `${value} %` }, (value) => {
  answer.style.opacity = value / 100;
});
answer.style.opacity = 0.6;
const save = button("Save the mask", () => {
  const link = element("a", { href: answer.toDataURL("image/png"), download: "mask.png" });
  link.click();
});
save.disabled = true;
document.querySelector("main").append(
  element("div", { class: "segedu" },
    group("Picture", file, element("label", { class: "segedu-slider" }, "Longest side at most ", side, " pixels "), opacity, save),
    status,
    stage,
    table));

let chosen = null;
let network = null;
let busy = false;

async function segment() {
  if (!chosen || !network || busy) return;
  busy = true;
  const asked = [chosen, side.value];
  save.disabled = true;
  try {
    status.textContent = "Computing …";
    const bitmap = await createImageBitmap(chosen); // turned as its EXIF says
    const scale = Math.min(1, Number(side.value) / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((length) => Math.round(length * scale));
    if (Math.min(width, height) < about.smallest) {
      throw new Error(`it would have ${height} × ${width} pixels, and the network needs ${about.smallest} of each`);
    }
    stage.hidden = false;
    [picture.width, picture.height] = [width, height];
    const context = picture.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white"; // under what is transparent
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, width, height);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); // let the page show it
    const { ort, session } = network;
    const image = planes(context.getImageData(0, 0, width, height));
    const started = performance.now();
    const output = await session.run({ image: new ort.Tensor("float32", image, [1, about.channels, height, width]) });
    const milliseconds = performance.now() - started;
    const mask = argmax(output.logits.data, about.names.length, width * height);
    drawMask(answer, mask, width, height);
    table.replaceChildren(shares(mask));
    save.disabled = false;
    status.textContent = `${height} × ${width} pixels in ${(milliseconds / 1000).toFixed(2)} s`;
  } catch (error) {
    answer.width = 0;
    table.replaceChildren();
    status.textContent = `This picture could not be segmented: ${error.message ?? error}.`;
  } finally {
    busy = false;
  }
  if (asked[0] !== chosen || asked[1] !== side.value) segment(); // another one was chosen meanwhile
}

function choose(files) {
  if (files.length) chosen = files[0];
  segment();
}

file.addEventListener("change", () => choose(file.files));
side.addEventListener("change", segment);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  choose(event.dataTransfer.files);
});

try {
  network = await opened();
  file.disabled = false;
  status.textContent = "Ready.";
  segment();
} catch (error) {
  status.textContent = `This browser cannot run the network: ${error.message ?? error}. A newer one may.`;
}
