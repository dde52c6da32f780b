// Tokens per response, right over wrong, one panel per run, benchmark and way of prompting.
const BINS = 24;

function showHistograms() {
  const holder = document.querySelector("#lengths .panels");
  for (const score of scores) {
    const own = data.samples.filter((sample) => sample.run === score.run && sample.prompting === score.prompting &&
      data.problems[sample.problem].benchmark === score.benchmark);
    if (own.length) holder.append(histogramPanel(score, own));
  }
  document.getElementById("lengths").hidden = !holder.childElementCount;
}

function histogramPanel(score, own) {
  const limit = own.reduce((most, sample) => Math.max(most, data.problems[sample.problem].limit), 0);
  const longest = own.reduce((most, sample) => Math.max(most, sample.tokens), 1);
  const to = limit && limit <= longest * 1.6 ? Math.max(limit, longest) : longest;
  const bins = Array.from({ length: BINS }, () => ({ right: 0, wrong: 0 }));
  for (const sample of own) {
    const bin = bins[Math.min(BINS - 1, Math.floor((BINS * sample.tokens) / to))];
    bin[isRight(sample) ? "right" : "wrong"] += 1;
  }
  const run = severalRuns ? `${data.runs[score.run].name}, ` : "";
  const cut = own.filter((sample) => sample.finish === "length").length;
  const mean = score.metrics.tokens_mean;
  return make("figure", { class: "panel" },
    make("figcaption", {}, make("strong", {}, score.benchmark), ` ${run}${score.prompting}`,
      make("span", { class: "quiet" }, `mean ${whole(mean)}, ${cut ? `${whole(cut)} of ${whole(own.length)} cut` : "none cut"}`)),
    histogram(bins, to, limit, mean, `${partName(score)}: tokens of ${own.length} responses`));
}

function histogram(bins, to, limit, mean, name) {
  const [width, height, base] = [300, 120, 98];
  const most = Math.max(...bins.map(({ right, wrong }) => right + wrong));
  const step = (width - 8) / BINS;
  const at = (tokens) => 4 + ((width - 8) * tokens) / to;
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name });
  bins.forEach(({ right, wrong }, number) => {
    const tall = (count) => (88 * count) / most;
    const column = { x: 4 + number * step + 0.75, width: step - 1.5 };
    const between = `${whole((to * number) / BINS)} to ${whole((to * (number + 1)) / BINS)} tokens: ${right} right, ${wrong} wrong`;
    const bar = svg("g", {}, svg("title", {}, between));
    if (right) bar.append(svg("rect", { class: "right", ...column, y: base - tall(right), height: tall(right) }));
    if (wrong) bar.append(svg("rect", { class: "wrong", ...column, y: base - tall(right + wrong), height: Math.max(0.5, tall(wrong) - (right ? 1 : 0)) }));
    plot.append(bar);
  });
  plot.append(svg("line", { class: "axis", x1: 4, x2: width - 4, y1: base, y2: base }));
  if (mean) plot.append(svg("line", { class: "mean", x1: at(mean), x2: at(mean), y1: 6, y2: base }));
  if (limit && limit <= to) plot.append(svg("line", { class: "limit", x1: at(limit), x2: at(limit), y1: 6, y2: base }));
  for (const value of ticks(0, to, 4))
    plot.append(svg("text", { class: "tick", x: at(value), y: 114, "text-anchor": value === 0 ? "start" : at(value) > width - 24 ? "end" : "middle" }, whole(value)));
  return plot;
}
