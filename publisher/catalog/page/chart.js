// Pictures of the releases: bars from zero, in the order of layer versions, and the same numbers as a table.

// A picture for each measure that is on record. Cold start belongs here as soon as the ledger has it.
const CHARTS = [
  {
    title: "Size",
    format: megabytes,
    scale: 1048576,
    unit: "MB",
    series: [
      { key: "unzipped", label: "unzipped" },
      { key: "size", label: "zipped" },
    ],
  },
];

const HEIGHT = 190;
const MARGIN = { top: 12, right: 4, bottom: 26, left: 54 };

/** A chart's figure, as wide as `width` pixels, or null where nothing is on record. */
function figureOf(chart, points, current, width) {
  const known = points.filter(({ facts }) => chart.series.some(({ key }) => facts[key] !== undefined));
  if (known.length === 0) return null;
  const key = element(
    "figcaption", {},
    ...[...chart.series].reverse().map(({ key, label }) => element("span", { class: `key ${key}` }, label)),
  );
  return element("figure", {}, pictureOf(chart, known, current, width), key, tableOf(chart, known));
}

function pictureOf(chart, points, current, width) {
  const id = chart.title.toLowerCase().replaceAll(" ", "-");
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const most = Math.max(...points.flatMap(({ facts }) => chart.series.map(({ key }) => facts[key] ?? 0)));
  const step = stepOf(most / chart.scale / 3);
  const top = Math.max(step, Math.ceil(most / chart.scale / step) * step);
  const y = (value) => MARGIN.top + inner.height * (1 - value / top);
  const slot = inner.width / points.length;
  const bar = Math.min(44, slot * 0.7);
  const shape = drawing("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img",
    "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-text`,
  });
  shape.append(
    drawing("title", { id: `${id}-title` }, `${chart.title} over releases`),
    drawing("desc", { id: `${id}-text` }, points.map((point) => sentenceOf(chart, point)).join(". ")),
  );
  for (let value = 0; value <= top; value += step) {
    shape.append(
      drawing("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      drawing("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" },
        value === top ? `${value} ${chart.unit}` : value),
    );
  }
  const every = Math.ceil(28 / slot); // so that the numbers below do not touch
  const chosen = points.findIndex(({ number }) => number === current);
  const numbered = (place) => place === chosen
    || (place % every === 0 && (chosen < 0 || Math.abs(place - chosen) >= every));
  points.forEach((point, place) => {
    const middle = MARGIN.left + slot * (place + 0.5);
    const words = [point.withdrawn && "withdrawn", place === chosen && "current"].filter(Boolean);
    const group = drawing("g", { class: ["release", ...words].join(" ") });
    group.append(drawing("title", {}, sentenceOf(chart, point)));
    for (const { key } of chart.series) {
      const value = point.facts[key];
      if (value === undefined) continue;
      const height = (inner.height * value) / chart.scale / top;
      group.append(drawing("rect", { class: key, x: middle - bar / 2, y: y(0) - height, width: bar, height, rx: 2 }));
    }
    if (numbered(place)) {
      group.append(drawing("text", { x: middle, y: HEIGHT - 8, "text-anchor": "middle" }, point.number));
    }
    shape.append(group);
  });
  return shape;
}

function sentenceOf(chart, { number, version, withdrawn, facts }) {
  const values = [...chart.series].reverse().map(({ key, label }) => `${chart.format(facts[key])} ${label}`);
  return `Layer version ${number} (${version})${withdrawn ? ", withdrawn" : ""}: ${values.join(", ")}`;
}

function tableOf(chart, points) {
  const series = [...chart.series].reverse();
  const head = ["Layer version", "Version", ...series.map(({ label }) => label)];
  return element(
    "details", {},
    element("summary", {}, "As a table"),
    wideTable(`${chart.title} over releases`, head, [...points].reverse().map((point) => [
      point.number,
      point.withdrawn ? `${point.version} (withdrawn)` : point.version,
      ...series.map(({ key }) => chart.format(point.facts[key])),
    ])),
  );
}

/** The round number at or above a size: 1, 2 or 5 times a power of ten. */
function stepOf(size) {
  const power = 10 ** Math.floor(Math.log10(size || 1));
  return [1, 2, 5, 10].find((times) => times * power >= size) * power;
}
