/* The state of the page. All of it but pictures that were dropped in lives in the address, behind #, so that a view can be
   sent to someone who has the same data. */

const WEIGHT_STEP = 0.05;

const state = {
  entity: "",
  query: "",
  weights: {},
  methods: ["", ""],
  top: 24,
  colour: "",
  typed: {},
};

const weightText = (weight) => String(Math.round(weight * 100) / 100);
const pairs = (text) => (text ? text.split(";").map((part) => part.split("=").map(decodeURIComponent)) : []);
const paired = (entries) => entries.map((entry) => entry.map(encodeURIComponent).join("=")).join(";");

/* The state as text, in a fixed order. */
function written() {
  const weights = Object.entries(state.weights).filter(([, weight]) => weight);
  const typed = Object.entries(state.typed).map(([name, values]) => [name, values.join(",")]);
  const parts = {
    e: state.entity,
    q: state.query,
    w: paired(weights.map(([name, weight]) => [name, weightText(weight)])),
    m: state.methods.join("|"),
    n: String(state.top),
    c: state.colour,
    t: paired(typed),
  };
  const kept = Object.entries(parts).filter(([, text]) => text);
  return kept.map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join("&");
}

/* What an address says, as far as it can be read; everything else is left out. */
function readAddress() {
  const found = {};
  for (const part of location.hash.slice(1).split("&")) {
    const [name, text = ""] = part.split("=");
    try {
      found[name] = decodeURIComponent(text);
    } catch {
      continue;
    }
  }
  const safely = (text) => {
    try {
      return pairs(text);
    } catch {
      return [];
    }
  };
  const number = (text) => Math.min(10, Math.max(-1, Number(text) || 0));
  return {
    entity: found.e ?? "",
    query: found.q ?? "",
    weights: Object.fromEntries(safely(found.w).map(([name, weight]) => [name, number(weight)])),
    methods: found.m ? found.m.split("|") : [],
    top: Number(found.n) || 24,
    colour: found.c ?? "",
    typed: Object.fromEntries(safely(found.t).map(([name, values = ""]) => [name, values.split(",").filter(Boolean)])),
    given: Boolean(location.hash.slice(1)),
  };
}

/* Put the state into the address; with `step`, as a step that Back undoes. */
function keepAddress(step = false) {
  const address = `#${written()}`;
  if (address === location.hash) return;
  history[step ? "pushState" : "replaceState"](null, "", address);
}
