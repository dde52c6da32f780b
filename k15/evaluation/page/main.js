// Puts everything into the frame.
function showSummary() {
  const problems = new Set(data.samples.map((sample) => sample.problem)).size;
  const runs = severalRuns ? `${data.runs.map((run) => `${run.name}: ${run.model}`).join(" · ")} · ` : "";
  document.getElementById("summary").textContent =
    `${runs}${whole(problems)} problems · ${whole(data.samples.length)} samples`;
}

function showSettings() {
  const section = document.getElementById("settings");
  for (const run of data.runs) {
    section.append(make("details", {}, make("summary", {}, run.name),
      make("pre", {}, JSON.stringify(run.settings, null, 2))));
  }
}

function showNavigation() {
  const sections = [...document.querySelectorAll("main > section")].filter((section) => !section.hidden);
  document.querySelector("nav").append(...sections.map((section) =>
    make("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)));
}

function samplesOf(mark) {
  Object.assign(filters, { run: severalRuns ? String(mark.run) : "", benchmark: mark.benchmark, prompting: mark.prompting });
  refresh();
  document.getElementById("samples").scrollIntoView();
}

// The sample that the address names, such as #0/algebra/cot/quadratic-002/1.
function addressed() {
  if (!location.hash.includes("/")) return;
  const number = data.samples.findIndex((sample) => addressOf(sample) === location.hash);
  if (number < 0) return;
  if (!state.shown.includes(number)) {
    Object.assign(filters, { run: "", benchmark: "", prompting: "", wrong: false, truncated: false, disagreeing: false });
    refresh();
  }
  show(number);
  document.getElementById("samples").scrollIntoView();
}

showSummary();
showComparison();
showScores();
showScatter(samplesOf);
showHistograms();
showGroups();
showFilters(refresh);
showSettings();
showNavigation();
refresh();
addressed();
window.addEventListener("hashchange", addressed);
