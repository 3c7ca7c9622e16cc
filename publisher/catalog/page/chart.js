// Pictures of the releases: bars from zero, in the order of layer versions, and the same numbers as a table.

// A picture for each measure: the whole, and before it a part of it.
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
      { name: "whole", label: "until it asks for work", of: (facts) => facts.start?.ready },
      { name: "part", label: "importing", of: (facts) => facts.start?.importing },
    ],
    note: machinesOf,
  },
];

const HEIGHT = 190;
const MARGIN = { top: 12, right: 4, bottom: 26, left: 54 };

/** The figures of what is on record, as wide as `width` pixels, one below the other with the releases in line. */
function figuresOf(points, current, width) {
  const known = points.filter(({ facts }) => CHARTS.some((chart) => isKnown(chart, facts)));
  const charts = CHARTS.filter((chart) => known.some(({ facts }) => isKnown(chart, facts)));
  return charts.map((chart) => figureOf(chart, known, current, width));
}

function isKnown(chart, facts) {
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

/** Where the figures come from: only those of one machine can be compared. */
function machinesOf(points) {
  const machines = new Set(points.map(({ facts }) => facts.start?.on).filter(Boolean));
  if (machines.size === 1) return `Measured on ${[...machines][0]}.`;
  return "Measured on different machines, so releases cannot be compared exactly.";
}

function pictureOf(chart, points, current, width) {
  const id = chart.title.toLowerCase().replaceAll(" ", "-");
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const most = Math.max(...points.flatMap(({ facts }) => chart.series.map(({ of }) => of(facts) ?? 0)));
  const step = stepOf(most / chart.scale / 3);
  const steps = Math.max(1, Math.ceil(most / chart.scale / step));
  const top = steps * step;
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
  for (let line = 0; line <= steps; line += 1) {
    const value = Number((line * step).toPrecision(6));
    shape.append(
      drawing("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
      drawing("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" },
        line === steps ? `${value} ${chart.unit}` : value),
    );
  }
  const every = Math.ceil(28 / slot); // so that the numbers below do not touch
  const chosen = points.findIndex(({ number }) => number === current);
  const numbered = (place) => place === chosen
    || (place % every === 0 && (chosen < 0 || Math.abs(place - chosen) >= every));
  points.forEach((point, place) => {
    const middle = MARGIN.left + slot * (place + 0.5);
    const words = [point.yanked && "yanked", place === chosen && "current"].filter(Boolean);
    const group = drawing("g", { class: ["release", ...words].join(" ") });
    group.append(drawing("title", {}, sentenceOf(chart, point)));
    for (const { name, of } of chart.series) {
      const value = of(point.facts);
      if (value === undefined) continue;
      const height = (inner.height * value) / chart.scale / top;
      group.append(drawing("rect", { class: name, x: middle - bar / 2, y: y(0) - height, width: bar, height, rx: 2 }));
    }
    if (!isKnown(chart, point.facts)) {
      group.append(drawing("text", { x: middle, y: y(0) - 8, "text-anchor": "middle" }, "–"));
    }
    if (numbered(place)) {
      group.append(drawing("text", { x: middle, y: HEIGHT - 8, "text-anchor": "middle" }, point.number));
    }
    shape.append(group);
  });
  return shape;
}

function sentenceOf(chart, { number, version, yanked, facts }) {
  const values = [...chart.series].reverse().map(({ of, label }) => `${chart.format(of(facts))} ${label}`);
  const words = isKnown(chart, facts) ? values.join(", ") : "not recorded";
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

/** The round number at or above a size: 1, 2 or 5 times a power of ten. */
function stepOf(size) {
  const power = 10 ** Math.floor(Math.log10(size || 1));
  return [1, 2, 5, 10].find((times) => times * power >= size) * power;
}
