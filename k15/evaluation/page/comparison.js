// Every later run against the first, on the problems they share.
function showComparison() {
  if (!data.comparison) return;
  const { pairs, runs } = data.comparison;
  const many = runs.length > 2;
  const bounds = pairs.flatMap(({ difference }) => [difference.low, difference.high, difference.value]);
  const reach = Math.max(0.02, ...bounds.map((bound) => Math.abs(bound || 0)));
  const rows = pairs.map((pair) => [
    pair.benchmark,
    ...(many ? [pair.runs[1]] : []),
    [...new Set(pair.prompting)].join(" / "),
    whole(pair.problems),
    percent(pair.accuracy[0]),
    percent(pair.accuracy[1]),
    make("strong", {}, points(pair.difference.value)),
    range(pair.difference, points),
    intervalBar(pair.difference, -reach, reach, 120),
    pair.p_value < 0.001 ? "< 0.001" : pair.p_value.toFixed(3),
    verdictOf(pair),
    `${whole(pair.better)} / ${whole(pair.worse)}`,
    `${whole(pair.tokens_mean[0])} → ${whole(pair.tokens_mean[1])}`,
  ]);
  const head = ["Benchmark", ...(many ? ["Run"] : []), "Prompting", "Problems", `${runs[0]}, %`,
    many ? "Run, %" : `${runs[1]}, %`, "Points", "95 % interval", "", "p", "At 5 %", "Better / worse", "Tokens"];
  const section = document.getElementById("comparison");
  section.hidden = false;
  section.querySelector(".wide").append(table(head, rows, many ? 3 : 2));
  section.querySelector(".note").textContent =
    "Paired over the problems that both runs answered. p: two-sided, by random signs of the differences, exact " +
    "(McNemar) where all have one size; not corrected for the number of lines. Better / worse: problems.";
}

function verdictOf(pair) {
  if (pair.p_value >= 0.05) return "may be chance";
  return pair.difference.value > 0 ? "better" : "worse";
}
