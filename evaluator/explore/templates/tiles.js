/* Pictures: small ones in tiles, and words in place of those that there are not. */

const entityFacts = () => about.entities[state.entity];
const isUpload = (query) => typeof query === "string" && query.startsWith("upload-");
const methodName = (spec) => spec.replace("(fusion=sum)", "");
const percent = (share) => `${Math.round(100 * share)} %`;
const decimal = (number) => number.toFixed(2).replace(/^(-?)0\./, "$1.").replace("-", "−");

function picturePath(query, side) {
  return isUpload(query) ? `api/${here(`uploaded/${query}/${side}`)}` : `api/${here(`picture/${query}/${side}`)}`;
}

/* A picture, or its name where it cannot be shown. */
function pictureOf(query, name, side = "small") {
  const words = () => make("span", { className: "none", textContent: name });
  if (!entityFacts().shown && !isUpload(query)) return words();
  const image = make("img", { alt: "", loading: "lazy", decoding: "async", draggable: false, src: picturePath(query, side) });
  image.addEventListener("error", () => image.replaceWith(words()));
  return image;
}

/* What a person who sees no tile is told of it. */
function tileWords(place, picture, similarity) {
  const values = Object.entries(picture.values ?? {}).map(([name, [value, chance]]) => `${name} ${value} ${percent(chance)}`);
  const labels = Object.entries(picture.labels).map(([name, value]) => `labelled ${name} ${value}`);
  return [`${place}. ${picture.name}`, `similarity ${decimal(similarity)}`, ...values, ...labels].join(", ");
}

/* Whether a picture's labels are the query's in all conditions that are asked for; null where that is not known. */
function agrees(picture, query) {
  const asked = Object.entries(answers.weights).filter(([name, weight]) => weight > 0 && name in picture.labels);
  if (!asked.length || !query.labels) return null;
  return asked.every(([name]) => picture.labels[name] === query.labels[name]);
}

function makeTile(row) {
  const tile = make("li", { className: "tile", role: "option", tabIndex: -1 });
  tile.dataset.row = row;
  tile.append(make("span", { className: "pic" }), make("span", { className: "line" }), make("span", { className: "chips" }));
  return tile;
}

/* Bring a tile up to date: its picture once, its words every time. */
function fillTile(tile, place, picture, similarity, query, only) {
  const [frame, line, chips] = tile.children;
  if (!frame.children.length) frame.append(pictureOf(picture.row, picture.name), make("span", { className: "ask-why", textContent: "?" }));
  frame.querySelector(".sign")?.remove();
  const same = agrees(picture, query);
  if (same !== null) frame.append(make("span", { className: same ? "sign" : "sign no", textContent: same ? "✓" : "≠" }));
  line.replaceChildren(make("span", { textContent: place }), make("span", { textContent: decimal(similarity) }));
  const said = Object.entries(picture.values ?? {}).map(([name, [value, chance]]) => {
    const alike = query.values?.[name]?.[0] === value;
    const title = `${name}: ${value} ${percent(chance)}`;
    return make("span", { className: alike ? "chip same" : "chip", title, textContent: value });
  });
  chips.replaceChildren(...said);
  tile.classList.toggle("only", only);
  tile.title = only ? `${picture.name} (only this method finds it here)` : picture.name;
  tile.setAttribute("aria-label", tileWords(place, picture, similarity));
  tile.setAttribute("aria-selected", String(selection.has(picture.row)));
}
