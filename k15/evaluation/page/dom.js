// Elements, numbers, and text with formulas.
const data = JSON.parse(document.getElementById("data").textContent);

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const missing = "–";

function percent(share) {
  return share === null || share === undefined ? missing : (100 * share).toFixed(1);
}

function points(share) {
  const text = (100 * share).toFixed(1);
  return share > 0 ? "+" + text : text.replace("-", "−");
}

function whole(value) {
  return value === null || value === undefined ? missing : Math.round(value).toLocaleString("en-US");
}

function range(estimate, show = percent) {
  return estimate && estimate.low !== null ? `${show(estimate.low)} to ${show(estimate.high)}` : missing;
}

// Parts as k15.evaluation.formulas makes them: text, number of a formula, or code.
// Line ends beside what stands on lines of its own are left out.
function rich(parts) {
  const fragment = document.createDocumentFragment();
  parts.forEach((part, at) => {
    if (typeof part === "string") fragment.append(trimmed(part, parts[at - 1], parts[at + 1]));
    else if (typeof part === "number") fragment.append(formula(part));
    else if (part[0] === "block") fragment.append(make("pre", {}, unfenced(part[1])));
    else fragment.append(make("code", {}, part[1].replace(/^`([^`]*)`$/, "$1")));
  });
  return fragment;
}

function trimmed(text, before, after) {
  const start = standsAlone(before) ? text.replace(/^\s*\n/, "") : text;
  return standsAlone(after) ? start.replace(/\n\s*$/, "") : start;
}

function standsAlone(part) {
  if (typeof part === "number") return data.formulas[part][1].startsWith('<math display="block"');
  return Array.isArray(part) && part[0] === "block";
}

function formula(number) {
  const holder = make("span", { class: "formula", title: data.formulas[number][0] });
  holder.innerHTML = data.formulas[number][1]; // MathML of known elements, text escaped
  return holder;
}

function unfenced(text) {
  return text.replace(/^```[^\n]*\n?/, "").replace(/\n?```$/, "");
}

function source(parts) {
  return parts
    .map((part) => (typeof part === "string" ? part : typeof part === "number" ? data.formulas[part][0] : part[1]))
    .join("");
}

function partName(part) {
  return `${part.benchmark} ${part.prompting}`;
}

// One horizontal scale with an interval and a dot; for a screen reader the numbers say it already.
function intervalBar(estimate, from, to, width = 96) {
  const at = (value) => 4 + ((width - 8) * (Math.min(Math.max(value, from), to) - from)) / (to - from);
  const bar = svg("svg", { class: "interval", width, height: 14, viewBox: `0 0 ${width} 14`, "aria-hidden": "true" });
  bar.append(svg("line", { class: "track", x1: at(from), x2: at(to), y1: 7, y2: 7 }));
  if (from < 0) bar.append(svg("line", { class: "zero", x1: at(0), x2: at(0), y1: 1, y2: 13 }));
  if (!estimate || estimate.value === null) return bar;
  if (estimate.low !== null)
    bar.append(svg("line", { class: "whisker", x1: at(estimate.low), x2: at(estimate.high), y1: 7, y2: 7 }));
  bar.append(svg("circle", { class: "dot", cx: at(estimate.value), cy: 7, r: 3.5 }));
  return bar;
}

function table(head, rows, labels) {
  const cell = (tag, column) => (content, at) =>
    make(tag, { class: at < labels ? null : "number", scope: column && tag === "th" ? column : null }, content);
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...head.map(cell("th", "col")))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((content, at) =>
      at === 0 ? make("th", { scope: "row" }, content) : cell("td")(content, at))))),
  );
}
