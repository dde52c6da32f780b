// Which samples are shown: by run, benchmark, prompting, verdict, words.
const filters = { run: "", benchmark: "", prompting: "", wrong: false, truncated: false, disagreeing: false, words: "" };
const SIGNS = { wrong: "Wrong", truncated: "Truncated", disagreeing: "Disagreeing" };

function isRight(sample) {
  return sample.correct > 0.5;
}

// Samples of one problem, asked one way, that got different verdicts, over all runs shown.
const verdicts = new Map();
const siblings = new Map();
data.samples.forEach((sample, number) => {
  const key = `${sample.problem} ${sample.prompting}`;
  verdicts.set(key, (verdicts.get(key) || new Set()).add(isRight(sample)));
  siblings.set(sample.problem, [...(siblings.get(sample.problem) || []), number]);
});

function has(sample, sign) {
  if (sign === "wrong") return !isRight(sample);
  if (sign === "truncated") return sample.finish === "length";
  return verdicts.get(`${sample.problem} ${sample.prompting}`).size > 1;
}

function searched(sample) {
  const problem = data.problems[sample.problem];
  sample.searched ??= [problem.id, source(problem.question), source(sample.response), sample.extracted ? source(sample.extracted) : ""]
    .join("\n").toLowerCase();
  return sample.searched;
}

function inPart(sample) {
  return (filters.run === "" || String(sample.run) === filters.run) &&
    (filters.benchmark === "" || data.problems[sample.problem].benchmark === filters.benchmark) &&
    (filters.prompting === "" || sample.prompting === filters.prompting) &&
    (filters.words === "" || searched(sample).includes(filters.words));
}

function filtered() {
  const inside = data.samples.map((_, number) => number).filter((number) => inPart(data.samples[number]));
  const signs = Object.keys(SIGNS).filter((sign) => filters[sign]);
  return { inside, shown: inside.filter((number) => signs.every((sign) => has(data.samples[number], sign))) };
}

function showFilters(changed) {
  const holder = document.querySelector("#samples .filters");
  const choices = (values) => [...new Set(values)];
  if (severalRuns) holder.append(selectFilter("run", "Run", data.runs.map((run, number) => [String(number), run.name]), changed));
  const benchmarks = choices(data.problems.map((problem) => problem.benchmark)).map((name) => [name, name]);
  const promptings = choices(data.samples.map((sample) => sample.prompting)).map((name) => [name, name]);
  holder.append(selectFilter("benchmark", "Benchmark", benchmarks, changed));
  holder.append(selectFilter("prompting", "Prompting", promptings, changed));
  holder.append(make("div", { class: "signs", role: "group", "aria-label": "Show only" }, ...Object.keys(SIGNS).map((sign) =>
    make("button", { type: "button", id: `filter-${sign}`, class: "sign", "aria-pressed": "false", onclick: () => {
      filters[sign] = !filters[sign];
      changed();
    } }))));
  let waiting = 0;
  holder.append(make("label", { class: "words" }, "Search", make("input", { type: "search", id: "filter-words", placeholder: "id, question, response", oninput: (event) => {
    clearTimeout(waiting);
    const words = event.target.value.trim().toLowerCase();
    waiting = setTimeout(() => { filters.words = words; changed(); }, 150);
  } })));
}

function selectFilter(name, label, choices, changed) {
  const select = make("select", { id: `filter-${name}`, onchange: (event) => { filters[name] = event.target.value; changed(); } },
    make("option", { value: "" }, "all"), ...choices.map(([value, text]) => make("option", { value }, text)));
  return make("label", {}, label, select);
}

function paintFilters(inside) {
  for (const [sign, text] of Object.entries(SIGNS)) {
    const button = document.getElementById(`filter-${sign}`);
    const count = inside.filter((number) => has(data.samples[number], sign)).length;
    button.setAttribute("aria-pressed", String(filters[sign]));
    button.replaceChildren(text, make("span", { class: "count" }, whole(count)));
  }
  for (const name of ["run", "benchmark", "prompting"]) {
    const select = document.getElementById(`filter-${name}`);
    if (select) select.value = filters[name];
  }
}
