/* Asking the server that this page came from. */

const $ = (id) => document.getElementById(id);

/* An answer that says what is wrong, in words for a person. */
class Refusal extends Error {
  constructor({ what, where, expected, found, hint, texts }) {
    const parts = [what];
    if (expected) parts.push(`expected: ${expected}`);
    if (found) parts.push(`found: ${found}`);
    if (hint) parts.push(`try: ${hint}`);
    super(parts.join("\n"));
    this.where = where;
    this.texts = texts;
  }
}

const GONE = { what: "The server does not answer: it has ended, or was started anew.", hint: "run clay-eval explore again" };

async function respond(path, body, method = body === undefined ? "GET" : "POST") {
  const options = { method, headers: {} };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(`api/${path}`, options);
  } catch {
    throw new Refusal(GONE);
  }
  if (answer.ok) return answer;
  const told = (answer.headers.get("Content-Type") ?? "").startsWith("application/json");
  throw new Refusal(told ? (await answer.json()).error : { what: `The server answered ${answer.status}.` });
}

const ask = async (path, body, method) => (await respond(path, body, method)).json();
const here = (path) => `${encodeURIComponent(state.entity)}/${path}`;

/* Save an answer as a file of the name that it brings. */
async function save(answer) {
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "file";
  return saveAs(name, await answer.blob());
}

function saveAs(name, content) {
  const link = make("a", { href: URL.createObjectURL(content), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return name;
}

/* Elements; texts are never markup. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

let announcing = 0;
/* Tell a screen reader, once nothing has changed for a moment. */
function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => ($("status").textContent = text), 400);
}

function complain(error) {
  $("fault-text").textContent = error.message;
  $("fault").hidden = false;
}
const content = () => ($("fault").hidden = true);
$("fault-close").addEventListener("click", content);

/* `work`, its refusals shown above the page. */
async function told(work) {
  try {
    const done = await work();
    content();
    return done;
  } catch (error) {
    complain(error);
    return undefined;
  }
}
