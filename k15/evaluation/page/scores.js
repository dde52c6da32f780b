// Tables of scores: one line per run, benchmark and way of prompting; then by group.
const scores = data.runs.flatMap((run, number) => run.scores.map((score) => ({ ...score, run: number })));
const severalRuns = data.runs.length > 1;

function scoreNames() {
  const names = [...new Set(scores.flatMap((score) => Object.keys(score.metrics)))];
  const order = (name) => (name.startsWith("pass") ? 0 : 1e6) + Number(name.split("@")[1]);
  return names.filter((name) => name.includes("@")).sort((a, b) => order(a) - order(b));
}

function showScores() {
  const names = scoreNames();
  const broken = scores.some((score) => score.ungraded);
  const found = scores.some((score) => Object.keys(score.found || {}).length);
  const head = ["Benchmark", ...(severalRuns ? ["Run"] : []), "Prompting", "Problems", "Accuracy, %", "95 % interval", ""];
  const last = ["Tokens", "p95", "Cut, %", "Score per 1k tokens", ...(broken ? ["Ungraded"] : []), ...(found ? ["Answers found"] : [])];
  const rows = scores.map((score) => {
    const metrics = score.metrics;
    const accuracy = metrics.accuracy || null;
    const asked = whole(score.problems) + (score.samples > 1 ? ` × ${score.samples}` : "");
    const per1k = metrics.score_per_1k_tokens;
    return [
      score.benchmark,
      ...(severalRuns ? [data.runs[score.run].name] : []),
      score.prompting,
      asked,
      make("strong", {}, percent(accuracy && accuracy.value)),
      range(accuracy),
      intervalBar(accuracy, 0, 1),
      ...names.map((name) => estimated(metrics[name])),
      whole(metrics.tokens_mean),
      whole(metrics.tokens_p95),
      percent(metrics.truncated),
      per1k === null || per1k === undefined ? missing : per1k.toFixed(3),
      ...(broken ? [whole(score.ungraded)] : []),
      ...(found ? [Object.entries(score.found || {}).map(([rule, count]) => `${whole(count)} ${rule}`).join(", ")] : []),
    ];
  });
  const section = document.getElementById("scores");
  section.querySelector(".wide").append(table([...head, ...names, ...last], rows, severalRuns ? 3 : 2));
  section.querySelector(".note").textContent = scoreNote(broken);
}

function estimated(estimate) {
  if (!estimate || estimate.value === null) return missing;
  return make("span", { title: `95 % interval ${range(estimate)}` }, percent(estimate.value));
}

function scoreNote(broken) {
  const note =
    "Accuracy is the mean over problems of the share of right samples; intervals are by bootstrap over problems. " +
    "Cut: responses that reached the token limit.";
  return broken ? note + " Ungraded: responses whose grader broke; they count neither way." : note;
}

// One table per run, benchmark and key: groups down, ways of prompting across.
function showGroups() {
  const holder = document.querySelector("#groups .grouped");
  const tables = new Map();
  for (const score of scores) {
    for (const key of Object.keys(score.groups)) {
      const name = JSON.stringify([score.run, score.benchmark, key]);
      tables.set(name, [...(tables.get(name) || []), score]);
    }
  }
  for (const [name, own] of tables) holder.append(groupTable(JSON.parse(name)[2], own));
  document.getElementById("groups").hidden = !holder.childElementCount;
}

function groupTable(key, own) {
  const groups = [...new Set(own.flatMap((score) => Object.keys(score.groups[key] || {})))];
  const rows = groups.map((group) => {
    const entries = own.map((score) => (score.groups[key] || {})[group]);
    const most = Math.max(...entries.map((entry) => (entry ? entry.problems : 0)));
    return [group, whole(most), ...entries.map((entry) => (entry ? groupCell(entry.accuracy) : missing))];
  });
  const run = severalRuns ? `${data.runs[own[0].run].name}, ` : "";
  const caption = make("figcaption", {}, make("strong", {}, own[0].benchmark), ` ${run}accuracy by ${key}, %`);
  const body = table([key, "Problems", ...own.map((score) => score.prompting)], rows, 1);
  return make("figure", {}, caption, make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": caption.textContent }, body));
}

function groupCell(accuracy) {
  return make("span", { class: "estimate", title: `95 % interval ${range(accuracy)}` },
    make("strong", {}, percent(accuracy.value)), intervalBar(accuracy, 0, 1, 56));
}
