// The list of samples that pass the filters, and the chosen one in full.
const PAGE = 200;
const state = { shown: [], chosen: null, raw: false };
const list = document.getElementById("list");
const detail = document.getElementById("detail");

function verdictBadge(sample) {
  return isRight(sample) ? make("span", { class: "badge right" }, "✓ right") : make("span", { class: "badge wrong" }, "✗ wrong");
}

function addressOf(sample) {
  const problem = data.problems[sample.problem];
  return "#" + [sample.run, problem.benchmark, sample.prompting, problem.id, sample.index].map(encodeURIComponent).join("/");
}

function refresh() {
  const { inside, shown } = filtered();
  state.shown = shown;
  paintFilters(inside);
  document.getElementById("count").textContent =
    shown.length === data.samples.length ? `${whole(shown.length)} samples` : `${whole(shown.length)} of ${whole(data.samples.length)} samples`;
  show(shown.includes(state.chosen) ? state.chosen : shown.length ? shown[0] : null);
}

function show(number) {
  state.chosen = number;
  paintList();
  paintDetail();
}

function choose(number) {
  show(number);
  history.replaceState(null, "", addressOf(data.samples[number]));
}

function move(by) {
  const at = state.shown.indexOf(state.chosen) + by;
  if (at >= 0 && at < state.shown.length) choose(state.shown[at]);
}

function paintList() {
  const page = Math.max(0, Math.floor(state.shown.indexOf(state.chosen) / PAGE));
  const rows = state.shown.slice(page * PAGE, (page + 1) * PAGE);
  list.replaceChildren(...rows.map(listRow));
  list.setAttribute("aria-activedescendant", state.chosen === null ? "" : `sample-${state.chosen}`);
  const row = list.querySelector("[aria-selected=true]");
  if (row) {
    const over = row.offsetTop;
    if (over < list.scrollTop) list.scrollTop = over;
    else if (over + row.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = over + row.offsetHeight - list.clientHeight;
  }
  paintPages(page, Math.ceil(state.shown.length / PAGE));
}

function listRow(number) {
  const sample = data.samples[number];
  const problem = data.problems[sample.problem];
  const where = [severalRuns ? data.runs[sample.run].name : null, problem.benchmark, sample.prompting].filter(Boolean).join(" · ");
  return make("div", { role: "option", id: `sample-${number}`, class: "row", "aria-selected": String(number === state.chosen), onclick: () => choose(number) },
    make("span", { class: "name" }, problem.id, make("span", { class: "quiet" }, ` #${sample.index}`)),
    make("span", { class: "quiet where" }, where),
    make("span", { class: "badges" }, verdictBadge(sample), sample.finish === "length" ? make("span", { class: "badge cut" }, "cut") : null),
    make("span", { class: "quiet tokens" }, whole(sample.tokens)));
}

function paintPages(page, pages) {
  const to = (number, text) => make("button", { type: "button", disabled: number < 0 || number >= pages, onclick: () => choose(state.shown[number * PAGE]) }, text);
  const parts = pages > 1 ? [to(page - 1, "Previous"), make("span", { class: "quiet" }, `page ${page + 1} of ${pages}`), to(page + 1, "Next")] : [];
  document.querySelector("#samples .pages").replaceChildren(...parts);
}

function paintDetail() {
  if (state.chosen === null) return detail.replaceChildren(make("p", { class: "quiet" }, "No sample passes the filters."));
  const sample = data.samples[state.chosen];
  const problem = data.problems[sample.problem];
  detail.replaceChildren(detailHead(sample, problem), problemBlock(problem), verdictBlock(sample, problem), responseBlock(sample), siblingBlock(sample));
}

function detailHead(sample, problem) {
  const finish = { length: "cut at the token limit", repetition: "ended: it repeated itself", stop: "ended by itself", given: "given" };
  const run = severalRuns ? `${data.runs[sample.run].name} · ` : "";
  return make("header", {},
    make("h3", {}, `${problem.id} `, make("span", { class: "quiet" }, `#${sample.index}`)),
    make("p", { class: "quiet" }, `${run}${problem.benchmark} · ${sample.prompting} · ${whole(sample.tokens)} tokens of ${whole(problem.limit)} · ${finish[sample.finish] || sample.finish}`),
    make("p", { class: "chips" }, ...Object.entries(problem.groups).map(([key, value]) =>
      make("span", { class: "chip", title: key }, [value].flat().join(", ")))));
}

function problemBlock(problem) {
  const pictures = problem.images.map((number, at) =>
    make("img", { src: data.images[number], alt: `Picture ${at + 1} of problem ${problem.id}` }));
  return make("section", {}, make("h4", {}, "Problem"),
    pictures.length ? make("div", { class: "pictures" }, ...pictures) : null,
    make("div", { class: "text question" }, rich(problem.question)));
}

function verdictBlock(sample, problem) {
  const line = (name, ...content) => make("div", {}, make("dt", {}, name), make("dd", {}, ...content));
  const none = (text) => make("span", { class: "quiet" }, text);
  return make("dl", { class: `verdict ${isRight(sample) ? "right" : "wrong"}` },
    line("Verdict", verdictBadge(sample), sample.finish === "length" ? make("span", { class: "badge cut" }, "cut") : null,
      make("span", { class: "how" }, sample.how)),
    line("Extracted", sample.extracted === null ? none("no answer found") : rich(sample.extracted)),
    line("Reference", problem.answer === null ? none("none") : rich(problem.answer)));
}

function responseBlock(sample) {
  const raw = make("button", { type: "button", id: "raw", "aria-pressed": String(state.raw), onclick: () => { state.raw = !state.raw; paintDetail(); document.getElementById("raw").focus(); } }, "Source");
  return make("section", {}, make("div", { class: "split" }, make("h4", {}, "Response"), raw),
    make("div", { class: state.raw ? "text response raw" : "text response" }, state.raw ? source(sample.response) : rich(sample.response)));
}

function siblingBlock(sample) {
  const others = siblings.get(sample.problem);
  const parts = new Map();
  for (const number of others) {
    const { run, prompting } = data.samples[number];
    const name = severalRuns ? `${data.runs[run].name} · ${prompting}` : prompting;
    parts.set(name, [...(parts.get(name) || []), number]);
  }
  const link = (number) => make("button", { type: "button", class: "sibling", "aria-current": number === state.chosen ? "true" : null, onclick: () => choose(number) },
    `#${data.samples[number].index} `, isRight(data.samples[number]) ? "✓ right" : "✗ wrong");
  return make("section", {}, make("h4", {}, "All samples of this problem"),
    ...[...parts].map(([name, numbers]) => make("div", { class: "siblings" }, make("span", { class: "quiet" }, name), ...numbers.map(link))));
}

list.addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by) { event.preventDefault(); move(by); }
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const by = { j: 1, k: -1 }[event.key];
  if (by) move(by);
});
