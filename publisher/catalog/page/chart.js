// Bar charts of the releases in the order of their layer versions, each with the same numbers as a table.

// Each chart has two series: the whole, and in front of it a part of the whole.
const CHARTS = [
  {
    title: "Size",
    format: megabytes,
    scale: 1048576,
    unit: "MB",
    series: [
      { name: "whole", label: "unzipped", of: (facts) => facts.unzipped },
      { name: "part", label: "zipped", of: (facts) => facts.size },
    ],
    note: () => null,
  },
  {
    title: "Cold start",
    format: seconds,
    scale: 1,
    unit: "s",
    series: [
      { name: "whole", label: "until its first request for an event", of: (facts) => facts.start?.ready },
      { name: "part", label: "for imports", of: (facts) => facts.start?.importing },
    ],
    note: machinesOf,
  },
];

const HEIGHT = 190;
const MARGIN = { top: 12, right: 4, bottom: 26, left: 54 };

/** Return a figure of `width` pixels for each chart that has recorded values; all show the same releases. */
function figuresOf(points, current, width) {
  const recorded = points.filter(({ facts }) => CHARTS.some((chart) => isRecorded(chart, facts)));
  const charts = CHARTS.filter((chart) => recorded.some(({ facts }) => isRecorded(chart, facts)));
  return charts.map((chart) => figureOf(chart, recorded, current, width));
}

function isRecorded(chart, facts) {
  return chart.series.some(({ of }) => of(facts) !== undefined);
}

function figureOf(chart, points, current, width) {
  const note = chart.note(points);
  const caption = element(
    "figcaption", {},
    element("strong", {}, chart.title),
    ...[...chart.series].reverse().map(({ name, label }) => element("span", { class: `key ${name}` }, label)),
    note && element("small", {}, note),
  );
  return element("figure", {}, caption, pictureOf(chart, points, current, width), tableOf(chart, points));
}

/** Return which machines measured the figures: only those of one machine can be compared. */
function machinesOf(points) {
  const machines = new Set(points.map(({ facts }) => facts.start?.on).filter(Boolean));
  if (machines.size === 1) return `Measured on ${[...machines][0]}.`;
  return "Measured on different machines, so releases cannot be compared exactly.";
}

function pictureOf(chart, points, current, width) {
  const id = chart.title.toLowerCase().replaceAll(" ", "-");
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const maximum = Math.max(...points.flatMap(({ facts }) => chart.series.map(({ of }) => of(facts) ?? 0)));
  const step = stepOf(maximum / chart.scale / 3);
  const steps = Math.max(1, Math.ceil(maximum / chart.scale / step));
  const top = steps * step;
  const y = (value) => MARGIN.top + inner.height * (1 - value / top);
  const slot = inner.width / points.length;
  const bar = Math.min(44, slot * 0.7);
  const shape = svgElement("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img",
    "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-text`,
  });
  shape.append(
    svgElement("title", { id: `${id}-title` }, `${chart.title} over releases`),
    svgElement("desc", { id: `${id}-text` }, points.map((point) => sentenceOf(chart, point)).join(". ")),
  );
  for (let line = 0; line <= steps; line += 1) {
    const value = Number((line * step).toPrecision(6));
    shape.append(
      svgElement("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      svgElement("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" },
        line === steps ? `${value} ${chart.unit}` : value),
    );
  }
  const every = Math.ceil(28 / slot); // keeps the numbers below the bars apart
  const chosen = points.findIndex(({ number }) => number === current);
  const numbered = (place) => place === chosen
    || (place % every === 0 && (chosen < 0 || Math.abs(place - chosen) >= every));
  points.forEach((point, place) => {
    const middle = MARGIN.left + slot * (place + 0.5);
    const words = [point.yanked && "yanked", place === chosen && "current"].filter(Boolean);
    const group = svgElement("g", { class: ["release", ...words].join(" ") });
    group.append(svgElement("title", {}, sentenceOf(chart, point)));
    for (const { name, of } of chart.series) {
      const value = of(point.facts);
      if (value === undefined) continue;
      const height = (inner.height * value) / chart.scale / top;
      group.append(svgElement("rect", { class: name, x: middle - bar / 2, y: y(0) - height, width: bar, height, rx: 2 }));
    }
    if (!isRecorded(chart, point.facts)) {
      group.append(svgElement("text", { x: middle, y: y(0) - 8, "text-anchor": "middle" }, "–"));
    }
    if (numbered(place)) {
      group.append(svgElement("text", { x: middle, y: HEIGHT - 8, "text-anchor": "middle" }, point.number));
    }
    shape.append(group);
  });
  return shape;
}

function sentenceOf(chart, { number, version, yanked, facts }) {
  const values = [...chart.series].reverse().map(({ of, label }) => `${chart.format(of(facts))} ${label}`);
  const words = isRecorded(chart, facts) ? values.join(", ") : "not recorded";
  return `Layer version ${number} (${version})${yanked ? ", yanked" : ""}: ${words}`;
}

function tableOf(chart, points) {
  const series = [...chart.series].reverse();
  const head = ["Layer version", "Version", ...series.map(({ label }) => label)];
  return element(
    "details", {},
    element("summary", {}, "As a table"),
    wideTable(`${chart.title} over releases`, head, [...points].reverse().map((point) => [
      point.number,
      point.yanked ? `${point.version} (yanked)` : point.version,
      ...series.map(({ of }) => chart.format(of(point.facts))),
    ])),
  );
}

/** Return the smallest 1, 2 or 5 times a power of ten that is not below a size. */
function stepOf(size) {
  const power = 10 ** Math.floor(Math.log10(size || 1));
  return [1, 2, 5, 10].find((times) => times * power >= size) * power;
}
