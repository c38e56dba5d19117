/* The map: every picture a point, drawn on a canvas; it moves with the conditions, and gives selections. */

const COLOURS = ["#c2571a", "#2a78b8", "#2d8a5f", "#8f5fc4", "#b8860b", "#c8437a", "#2f97a6", "#86714f", "#6476d8", "#8e959e"];
const PLAIN = 1;
const NEAR_PIXELS = 18;
const PICTURES_BELOW = 36;
const PICTURE_SIDE = 46;
const KEPT_PICTURES = 200;
const BUSY = 20_000;
const SIDE = 65_535;

const canvas = $("map");
const brush = canvas.getContext("2d");
const selection = new Set();
const plane = { count: 0, x: new Float32Array(), y: new Float32Array(), codes: new Uint16Array(), rows: null, names: [], of: 0 };
const view = { x: 0.5, y: 0.5, zoom: 1 };
const pictures = new Map();
let lassoing = false;
let loop = null;
let mapTimer = 0;
let mapNumber = 0;
let moving = 0;

const rowOf = (point) => (plane.rows ? plane.rows[point] : point);
const scaleNow = () => Math.min(canvas.clientWidth, canvas.clientHeight) * 0.91 * view.zoom;
const toScreen = (x, y) => [(x - view.x) * scaleNow() + canvas.clientWidth / 2, (y - view.y) * scaleNow() + canvas.clientHeight / 2];
const toPlane = (px, py) => [(px - canvas.clientWidth / 2) / scaleNow() + view.x, (py - canvas.clientHeight / 2) / scaleNow() + view.y];

/* Ask for the map of the first method, once the sliders have rested. */
function refreshMap(wait = 260) {
  clearTimeout(mapTimer);
  mapTimer = setTimeout(() => told(loadMap), wait);
}

async function loadMap() {
  const number = ++mapNumber;
  const asked = { method: state.methods[0], weights: state.weights, colour: state.colour };
  const bytes = await (await respond(here("map"), asked)).arrayBuffer();
  if (number !== mapNumber) return;
  const length = new DataView(bytes).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const places = new Uint16Array(bytes, 4 + length, 2 * facts.points);
  const x = new Float32Array(facts.points);
  const y = new Float32Array(facts.points);
  for (let i = 0; i < facts.points; i++) {
    x[i] = places[2 * i] / SIDE;
    y[i] = places[2 * i + 1] / SIDE;
  }
  plane.codes = new Uint16Array(bytes, 4 + length + 4 * facts.points, facts.points);
  Object.assign(plane, { names: facts.names, rows: facts.rows, of: facts.of });
  if (facts.points === plane.count) turnLike(x, y);
  glide(x, y);
  showLegend();
  const shown = facts.rows ? `${facts.points.toLocaleString("en")} of ${facts.of.toLocaleString("en")} pictures` : `${facts.of.toLocaleString("en")} pictures`;
  const words = `${shown} by ${methodName(state.methods[0])}, the first two principal components`;
  $("map-note").textContent = words;
  canvas.setAttribute("aria-label", `Map of ${words}`);
  document.body.dataset.maps = number;
}

/* Turn and mirror a new map so that it lies on the old one as well as it can: directions of a map mean nothing. */
function turnLike(x, y) {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [nx, ny, ox, oy] = [x[i] - 0.5, y[i] - 0.5, plane.x[i] - 0.5, plane.y[i] - 0.5];
    a += nx * ox; b += nx * oy; c += ny * ox; d += ny * oy;
  }
  const mirror = Math.hypot(a - d, b + c) > Math.hypot(a + d, b - c) ? -1 : 1;
  const angle = mirror < 0 ? Math.atan2(b + c, a - d) : Math.atan2(b - c, a + d);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  for (let i = 0; i < x.length; i++) {
    const [nx, ny] = [x[i] - 0.5, mirror * (y[i] - 0.5)];
    x[i] = nx * cos - ny * sin + 0.5;
    y[i] = nx * sin + ny * cos + 0.5;
  }
}

/* Move the points to their new places. */
function glide(x, y) {
  cancelAnimationFrame(moving);
  const [fromX, fromY] = [plane.x, plane.y];
  const started = performance.now();
  const smooth = !still.matches && x.length === fromX.length && x.length <= BUSY;
  plane.count = x.length;
  if (!smooth) {
    Object.assign(plane, { x, y });
    draw();
    return;
  }
  const step = (now) => {
    const t = Math.min(1, (now - started) / 420);
    const share = 1 - (1 - t) ** 3;
    if (t < 1) {
      plane.x = x.map((end, i) => fromX[i] + (end - fromX[i]) * share);
      plane.y = y.map((end, i) => fromY[i] + (end - fromY[i]) * share);
      moving = requestAnimationFrame(step);
    } else Object.assign(plane, { x, y });
    draw();
  };
  moving = requestAnimationFrame(step);
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw() {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.clearRect(0, 0, width, height);
  const side = Math.max(plane.count > BUSY ? 1.6 : plane.count > 2000 ? 3 : 5, Math.min(7, 2 * Math.sqrt(view.zoom)));
  const seen = [];
  const tone = plane.names.length ? COLOURS : COLOURS.map(() => COLOURS[PLAIN]);
  brush.globalAlpha = plane.count > BUSY ? 0.55 : 0.85;
  const scale = scaleNow();
  const [left, top] = [width / 2 - view.x * scale, height / 2 - view.y * scale];
  let last = -1;
  for (let i = 0; i < plane.count; i++) {
    const [px, py] = [plane.x[i] * scale + left, plane.y[i] * scale + top];
    if (px < -side || py < -side || px > width + side || py > height + side) continue;
    if (seen.length <= PICTURES_BELOW) seen.push(i);
    if (plane.codes[i] !== last) {
      last = plane.codes[i];
      brush.fillStyle = tone[last];
    }
    brush.fillRect(px - side / 2, py - side / 2, side, side);
  }
  brush.globalAlpha = 1;
  if (seen.length <= PICTURES_BELOW && plane.count > seen.length && entityFacts().shown) for (const point of seen) drawPicture(point);
  drawMarks(side);
  if (loop) drawLoop();
  if (document.activeElement === canvas) drawCross(width, height);
}

function drawPicture(point) {
  const row = rowOf(point);
  let image = pictures.get(row);
  if (!image) {
    if (pictures.size > KEPT_PICTURES) pictures.clear();
    image = make("img", { src: picturePath(row, "small") });
    image.addEventListener("load", draw);
    pictures.set(row, image);
  }
  if (!image.complete || !image.naturalWidth) return;
  const [px, py] = toScreen(plane.x[point], plane.y[point]);
  const large = PICTURE_SIDE / Math.max(image.naturalWidth, image.naturalHeight);
  const [w, h] = [image.naturalWidth * large, image.naturalHeight * large];
  brush.drawImage(image, px - w / 2, py - h / 2, w, h);
  if (plane.names.length) {
    brush.strokeStyle = COLOURS[plane.codes[point]];
    brush.lineWidth = 2;
    brush.strokeRect(px - w / 2, py - h / 2, w, h);
  }
}

/* The selected ones, the neighbours by the first method, the query. */
function drawMarks(side) {
  const near = new Set(answers.methods[0]?.rows ?? []);
  const [dark, gold] = [ink("--ink"), ink("--note-line")];
  const ring = (point, radius, colour, width) => {
    const [px, py] = toScreen(plane.x[point], plane.y[point]);
    brush.beginPath();
    brush.arc(px, py, radius, 0, 7);
    brush.strokeStyle = colour;
    brush.lineWidth = width;
    brush.stroke();
  };
  for (let i = 0; i < plane.count; i++) {
    const row = rowOf(i);
    if (selection.has(row)) ring(i, side / 2 + 2.5, gold, 2);
    if (near.has(row)) ring(i, side / 2 + 2, dark, 1.2);
    if (row === current.row && !isUpload(state.query)) {
      ring(i, 9, ink("--card"), 5);
      ring(i, 9, dark, 2.5);
    }
  }
}

function drawLoop() {
  brush.beginPath();
  loop.forEach(([x, y], i) => brush[i ? "lineTo" : "moveTo"](...toScreen(x, y)));
  brush.closePath();
  brush.fillStyle = ink("--note-line");
  brush.globalAlpha = 0.15;
  brush.fill();
  brush.globalAlpha = 1;
  brush.strokeStyle = ink("--note-line");
  brush.lineWidth = 2;
  brush.stroke();
}

function drawCross(width, height) {
  brush.strokeStyle = ink("--ink");
  brush.lineWidth = 1;
  brush.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    brush.moveTo(width / 2 + 6 * dx, height / 2 + 6 * dy);
    brush.lineTo(width / 2 + 14 * dx, height / 2 + 14 * dy);
  }
  brush.stroke();
}

/* The point nearest to a place on the screen, if one is near. */
function pointAt(px, py, within = NEAR_PIXELS) {
  const [x, y] = toPlane(px, py);
  let [best, least] = [-1, (within / scaleNow()) ** 2];
  for (let i = 0; i < plane.count; i++) {
    const distance = (plane.x[i] - x) ** 2 + (plane.y[i] - y) ** 2;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

function zoomBy(factor, px = canvas.clientWidth / 2, py = canvas.clientHeight / 2) {
  const [x, y] = toPlane(px, py);
  view.zoom = Math.min(400, Math.max(0.5, view.zoom * factor));
  const [nx, ny] = toPlane(px, py);
  view.x += x - nx;
  view.y += y - ny;
  hideTip();
  draw();
}

function panBy(dx, dy) {
  view.x -= dx / scaleNow();
  view.y -= dy / scaleNow();
  draw();
}

function fitMap() {
  Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
  hideTip();
  draw();
}

/* Points within a closed line, by how often a ray crosses it. */
function pointsWithin(line) {
  const [xs, ys] = [line.map(([x]) => x), line.map(([, y]) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found = [];
  for (let i = 0; i < plane.count; i++) {
    const [x, y] = [plane.x[i], plane.y[i]];
    if (x < left || x > right || y < top || y > bottom) continue;
    let inside = false;
    for (let a = 0, b = line.length - 1; a < line.length; b = a++)
      if (ys[a] > y !== ys[b] > y && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) inside = !inside;
    if (inside) found.push(rowOf(i));
  }
  return found;
}

function pointsInView() {
  const [left, top] = toPlane(0, 0);
  const [right, bottom] = toPlane(canvas.clientWidth, canvas.clientHeight);
  return pointsWithin([[left, top], [right, top], [right, bottom], [left, bottom]]);
}

/* Colours, each a way to select what has it. */
function showLegend() {
  const items = plane.names.map((name, code) => {
    const dot = make("i");
    dot.style.background = COLOURS[code];
    const button = make("button", { type: "button", title: `select all ${name}` }, dot, name);
    button.addEventListener("click", () => {
      const rows = [];
      for (let i = 0; i < plane.count; i++) if (plane.codes[i] === code) rows.push(rowOf(i));
      select(rows);
    });
    return make("li", {}, button);
  });
  $("legend").replaceChildren(...items);
}

/* What the pointer is over. */
let tipRow = -1;
async function showTip(point) {
  const row = rowOf(point);
  const tip = $("tip");
  const [px, py] = toScreen(plane.x[point], plane.y[point]);
  tip.style.left = `${Math.min(Math.max(px + 12, 0), canvas.clientWidth - 108)}px`;
  tip.style.top = `${py > canvas.clientHeight / 2 ? py - 134 : py + 12}px`;
  if (row !== tipRow) {
    tipRow = row;
    tip.replaceChildren(pictureOf(row, ""), make("span", { textContent: "" }));
    const picture = await factsOf(row);
    if (tipRow === row && picture) tip.lastChild.textContent = picture.name;
    if (document.activeElement === canvas && picture) announce(picture.name);
  }
  tip.hidden = false;
}
function hideTip() {
  $("tip").hidden = true;
  tipRow = -1;
}

/* Pointers: one moves, lassoes or clicks; two pinch. */
const pointers = new Map();
let travelled = 0;

function placeOf(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, placeOf(event));
  travelled = 0;
  loop = pointers.size === 1 && (lassoing || event.shiftKey) ? [toPlane(...placeOf(event))] : null;
  hideTip();
});
canvas.addEventListener("pointermove", (event) => {
  const place = placeOf(event);
  const before = pointers.get(event.pointerId);
  if (!before) {
    const point = pointAt(...place);
    canvas.classList.toggle("over", point >= 0 && !lassoing);
    if (point >= 0) showTip(point).catch(hideTip);
    else hideTip();
    return;
  }
  travelled += Math.hypot(place[0] - before[0], place[1] - before[1]);
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const apart = (at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
    zoomBy(apart(place) / apart(before), (place[0] + other[0]) / 2, (place[1] + other[1]) / 2);
  } else if (loop) {
    loop.push(toPlane(...place));
    draw();
  } else if (travelled > 4) panBy(place[0] - before[0], place[1] - before[1]);
  pointers.set(event.pointerId, place);
});
function pointerEnds(event) {
  const place = pointers.get(event.pointerId);
  pointers.delete(event.pointerId);
  if (!place) return;
  const line = loop;
  loop = null;
  if (event.type === "pointerup" && travelled <= 4) {
    const point = pointAt(...place);
    if (point >= 0 && event.shiftKey) toggle(rowOf(point));
    else if (point >= 0) choose(rowOf(point));
  } else if (event.type === "pointerup" && line && line.length > 2) select(pointsWithin(line));
  draw();
}
canvas.addEventListener("pointerup", pointerEnds);
canvas.addEventListener("pointercancel", pointerEnds);
canvas.addEventListener("pointerleave", hideTip);
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * 0.0016), ...placeOf(event));
}, { passive: false });

function setLasso(on) {
  lassoing = on;
  $("lasso").setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("lasso", on);
}

function middle(then) {
  const point = pointAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 60);
  if (point >= 0) then(rowOf(point));
}
const STRIDE = 40;
const MAP_KEYS = {
  ArrowLeft: () => panBy(STRIDE, 0),
  ArrowRight: () => panBy(-STRIDE, 0),
  ArrowUp: () => panBy(0, STRIDE),
  ArrowDown: () => panBy(0, -STRIDE),
  "+": () => zoomBy(1.35),
  "=": () => zoomBy(1.35),
  "-": () => zoomBy(1 / 1.35),
  f: fitMap,
  v: () => select(pointsInView()),
  l: () => setLasso(!lassoing),
  Enter: () => middle(choose),
  " ": () => middle(toggle),
};
canvas.addEventListener("keydown", (event) => {
  const action = MAP_KEYS[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  action();
  const point = pointAt(canvas.clientWidth / 2, canvas.clientHeight / 2, 60);
  if (event.key.startsWith("Arrow") && point >= 0) showTip(point).catch(hideTip);
});
canvas.addEventListener("focus", draw);
canvas.addEventListener("blur", () => {
  hideTip();
  draw();
});
$("lasso").addEventListener("click", () => setLasso(!lassoing));
$("in-view").addEventListener("click", () => select(pointsInView()));
$("zoom-in").addEventListener("click", () => zoomBy(1.35));
$("zoom-out").addEventListener("click", () => zoomBy(1 / 1.35));
$("fit").addEventListener("click", fitMap);
$("colour").addEventListener("change", (event) => {
  state.colour = event.target.value;
  keepAddress();
  refreshMap(0);
});
new ResizeObserver(draw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

/* The selection. */
const SHOWN_CHOSEN = 14;

function select(rows) {
  for (const row of rows) selection.add(row);
  showSelection();
}
function toggle(row) {
  if (!selection.delete(row)) selection.add(row);
  showSelection();
}
function clearSelection() {
  selection.clear();
  showSelection();
}

function showSelection() {
  const count = selection.size;
  $("selection").hidden = !count;
  $("selected").textContent = count.toLocaleString("en");
  const some = [...selection].slice(0, SHOWN_CHOSEN).map((row) => pictureOf(row, ""));
  $("chosen").replaceChildren(...some);
  $("decide").hidden = !entityFacts().decisions;
  $("decide-note").textContent = entityFacts().decisions ? "" : "decisions of a review are for shards made by clay-eval";
  for (const tile of document.querySelectorAll(".tile")) tile.setAttribute("aria-selected", String(selection.has(Number(tile.dataset.row))));
  if (String(count) !== document.body.dataset.selected) announce(`${count} selected`);
  document.body.dataset.selected = count;
  draw();
}

const chosenRows = () => [...selection].sort((a, b) => a - b);
$("csv").addEventListener("click", () => told(async () => save(await respond(here("selection/csv"), { rows: chosenRows() }))));
$("clear").addEventListener("click", clearSelection);
$("decide").addEventListener("click", () => {
  $("decide-fault").textContent = "";
  $("decide-dialog").showModal();
});
