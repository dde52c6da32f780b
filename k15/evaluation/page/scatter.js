// Accuracy over mean tokens: a shape per benchmark, a label per way of prompting.
const SHAPES = [
  "M0-5A5 5 0 1 0 0 5A5 5 0 1 0 0-5Z",
  "M-4.6-4.6H4.6V4.6H-4.6Z",
  "M0-5.8L5.4 4.2H-5.4Z",
  "M0-6.2L6.2 0L0 6.2L-6.2 0Z",
  "M0 5.8L5.4-4.2H-5.4Z",
  "M-1.8-5.4H1.8V-1.8H5.4V1.8H1.8V5.4H-1.8V1.8H-5.4V-1.8H-1.8Z",
];

function shapeOf(benchmark) {
  const number = [...new Set(scores.map((score) => score.benchmark))].indexOf(benchmark);
  return { d: SHAPES[number % SHAPES.length], hollow: Math.floor(number / SHAPES.length) % 2 === 1 };
}

function ticks(from, to, most) {
  const rough = (to - from) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let number = Math.ceil(from / step - 1e-9); number * step <= to + step * 1e-9; number += 1) found.push(number * step || 0);
  return found;
}

function showScatter(choose) {
  const marks = scores.filter((score) => score.metrics.accuracy && score.metrics.tokens_mean);
  document.getElementById("scatter").hidden = !marks.length;
  if (!marks.length) return;
  const holder = document.querySelector("#scatter .chart");
  const draw = () => holder.replaceChildren(scatterLegend(marks), scatterPlot(marks, holder.clientWidth, choose));
  new ResizeObserver(draw).observe(holder);
}

function scatterLegend(marks) {
  const names = [...new Set(marks.map((mark) => mark.benchmark))];
  return make("p", { class: "legend" }, ...names.map((name) => {
    const { d, hollow } = shapeOf(name);
    return make("span", { class: "entry" },
      svg("svg", { width: 16, height: 16, viewBox: "-8 -8 16 16", "aria-hidden": "true" },
        svg("path", { d, class: hollow ? "mark hollow" : "mark" })), name);
  }));
}

function scatterPlot(marks, width, choose) {
  const height = Math.max(280, Math.min(420, width * 0.5));
  const frame = { left: 46, right: width - 14, top: 12, bottom: height - 44 };
  const lows = marks.map(({ metrics }) => metrics.accuracy.low ?? metrics.accuracy.value);
  const highs = marks.map(({ metrics }) => metrics.accuracy.high ?? metrics.accuracy.value);
  const from = Math.max(0, Math.floor(Math.min(...lows) * 10 - 0.3) / 10);
  const to = Math.min(1, Math.ceil(Math.max(...highs) * 10 + 0.3) / 10);
  const most = Math.max(...marks.map(({ metrics }) => metrics.tokens_mean)) * 1.12;
  const x = (value) => frame.left + ((frame.right - frame.left) * value) / most;
  const y = (value) => frame.bottom - ((frame.bottom - frame.top) * (value - from)) / (to - from);
  const plot = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group",
    "aria-label": "Accuracy over mean tokens per response" });
  plot.append(...axes(frame, x, y, ticks(0, most, Math.max(3, width / 120)), ticks(from, to, 6)));
  plot.append(...joined(marks, x, y));
  const placed = marks.map(({ metrics }) => box(x(metrics.tokens_mean) - 8, y(metrics.accuracy.value) - 8, 16, 16));
  for (const mark of marks) plot.append(scatterMark(mark, x, y, choose));
  for (const mark of marks) plot.append(...markLabel(mark, x, y, frame, placed));
  return plot;
}

function axes(frame, x, y, across, up) {
  const parts = up.flatMap((value) => [
    svg("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y(value), y2: y(value) }),
    svg("text", { class: "tick", x: frame.left - 8, y: y(value) + 4, "text-anchor": "end" }, Math.round(100 * value))]);
  parts.push(...across.map((value) =>
    svg("text", { class: "tick", x: x(value), y: frame.bottom + 18, "text-anchor": "middle" }, whole(value))));
  parts.push(svg("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }));
  parts.push(svg("text", { class: "axis-name", x: frame.right, y: frame.bottom + 37, "text-anchor": "end" },
    "mean tokens per response"));
  parts.push(svg("text", { class: "axis-name", transform: `translate(12 ${frame.top}) rotate(-90)`,
    "text-anchor": "end" }, "accuracy, %"));
  return parts;
}

function joined(marks, x, y) {
  const lines = new Map();
  for (const mark of marks) {
    const key = `${mark.run} ${mark.benchmark}`;
    lines.set(key, [...(lines.get(key) || []), mark]);
  }
  return [...lines.values()].filter((own) => own.length > 1).map((own) => {
    const sorted = own.toSorted((a, b) => a.metrics.tokens_mean - b.metrics.tokens_mean);
    const corners = sorted.map(({ metrics }) => `${x(metrics.tokens_mean)},${y(metrics.accuracy.value)}`);
    return svg("polyline", { class: "joined", points: corners.join(" ") });
  });
}

function scatterMark(mark, x, y, choose) {
  const { accuracy, tokens_mean: tokens } = mark.metrics;
  const { d, hollow } = shapeOf(mark.benchmark);
  const run = severalRuns ? `${data.runs[mark.run].name}: ` : "";
  const name = `${run}${partName(mark)}: ${percent(accuracy.value)} % (${range(accuracy)}) at ${whole(tokens)} tokens`;
  const pick = () => choose(mark);
  const group = svg("g", { class: "pick", tabindex: 0, role: "button", "aria-label": name, onclick: pick,
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); } } },
    svg("title", {}, name));
  if (accuracy.low !== null)
    group.append(svg("line", { class: "error", x1: x(tokens), x2: x(tokens), y1: y(accuracy.low), y2: y(accuracy.high) }));
  const other = mark.run % 2 === 1;
  group.append(svg("circle", { class: "halo", cx: x(tokens), cy: y(accuracy.value), r: 12 }));
  group.append(svg("path", { d, class: `mark${hollow ? " hollow" : ""}${other ? " other" : ""}`,
    transform: `translate(${x(tokens)} ${y(accuracy.value)})` }));
  return group;
}

function box(left, top, width, height) {
  return { left, top, right: left + width, bottom: top + height };
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

// The label at the first free place around its mark; none if all are taken, the title has it.
function markLabel(mark, x, y, frame, placed) {
  const text = severalRuns ? `${mark.prompting}, ${data.runs[mark.run].name}` : mark.prompting;
  const size = 6.6 * text.length + 4;
  const [cx, cy] = [x(mark.metrics.tokens_mean), y(mark.metrics.accuracy.value)];
  const places = [[10, -8], [-10 - size, -8], [10, -22], [10, 8], [-10 - size, -22], [-10 - size, 8], [-size / 2, -28], [-size / 2, 14]];
  const spot = places.map(([dx, dy]) => box(cx + dx, cy + dy, size, 16)).find((place) =>
    place.right <= frame.right + 12 && place.left >= frame.left && place.bottom <= frame.bottom &&
    !placed.some((taken) => overlap(place, taken)));
  if (!spot) return [];
  placed.push(spot);
  return [svg("text", { class: "mark-name", x: spot.left + 2, y: spot.top + 12 }, text)];
}
