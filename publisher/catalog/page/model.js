// What the page knows and what follows from it. No document in here.

/** The state that the page opens with: no release chosen, the newest Python, x86_64, the first region that has it. */
function defaults(data) {
  const release = data.releases.find((each) => each.number === data.newest) ?? data.releases[0];
  const there = release.targets.filter((each) => placesOf(data, each).length > 0);
  const python = data.targets[(there.at(-1) ?? release.targets.at(-1)).target].python;
  const made = release.targets.find((each) => data.targets[each.target].python === python);
  return {
    layer: "",
    python,
    arch: data.targets[made.target].architecture,
    region: data.regions[placesOf(data, made)[0] ?? 0].name,
    tool: data.tools[0].id,
  };
}

/** What may stand in the address, by key. */
function choices(data) {
  return {
    layer: ["latest", ...data.releases.map((each) => String(each.number))],
    python: [...new Set(data.targets.map((each) => each.python))],
    arch: [...new Set(data.targets.map((each) => each.architecture))],
    region: data.regions.map((each) => each.name),
    tool: data.tools.map((each) => each.id),
  };
}

/** The state of an address (`#layer=2&python=3.12`), and a sentence for each word in it that names nothing. */
function readState(data, hash) {
  const state = defaults(data);
  const problems = [];
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const version = words.get("version");
  if (version !== null && !words.has("layer")) {
    const found = data.releases.filter((each) => each.version === version);
    const usable = found.find((each) => !markOf(each, "yanked")) ?? found[0];
    if (usable) words.set("layer", usable.number);
    else problems.push(`${data.package} ${version} has no layer.`);
  }
  for (const [key, known] of Object.entries(choices(data))) {
    const word = words.get(key);
    if (word === null) continue;
    const found = known.find((each) => each === word) ?? known.find((each) => plain(each) === plain(word));
    state[key] = found ?? state[key];
    if (found === undefined) {
      const shown = key === "layer" ? findCell(data, state).release.number : state[key];
      problems.push(`The address has ${key}=${word}, which is unknown. This page shows ${shown}.`);
    } else if (found !== word) {
      problems.push(`The address has ${key}=${word}. This page shows ${found}, which is probably meant.`);
    }
  }
  return { state, problems };
}

/** A word without the ways of writing it: py3_12 and 3.12, arm64 and aarch64 are the same. */
function plain(word) {
  const letters = word.toLowerCase().replace(/^py(thon)?/, "").replace(/[^a-z0-9]/g, "");
  return { arm: "aarch64", arm64: "aarch64", amd64: "x8664", x64: "x8664" }[letters] ?? letters;
}

function writeState({ layer, ...rest }) {
  return `#${new URLSearchParams(layer ? { layer, ...rest } : rest)}`;
}

function markOf(release, word) {
  return release.marks.find((mark) => mark[0] === word);
}

/** Places in `data.regions` of the regions that a release's target is in. */
function placesOf(data, made) {
  return made.regions ?? [...data.regions.keys()];
}

/** The layer that the state names: its release, its target, and its facts if it exists. */
function findCell(data, { layer, python, arch, region }) {
  const place = data.targets.findIndex((each) => each.python === python && each.architecture === arch);
  const regionPlace = data.regions.findIndex((each) => each.name === region);
  const release = data.releases.find((each) => String(each.number) === layer)
    ?? newestIn(data, place, regionPlace, layer === "latest")
    ?? data.releases.find((each) => each.number === data.newest) ?? data.releases[0];
  return cellOf(data, release, place, regionPlace);
}

/** The newest usable release that has a cell; for followers a complete one, if there is one. */
function newestIn(data, place, regionPlace, complete) {
  const usable = data.releases.filter((each) => !markOf(each, "yanked") && cellOf(data, each, place, regionPlace).there);
  return (complete && usable.find((each) => !markOf(each, "incomplete"))) || usable[0];
}

function cellOf(data, release, place, regionPlace) {
  const target = data.targets[place];
  const made = release.targets.find((each) => each.target === place);
  const there = Boolean(made) && placesOf(data, made).includes(regionPlace);
  const pending = Boolean(made?.pending?.includes(regionPlace));
  const { name: region, partition } = data.regions[regionPlace];
  const other = made?.other?.[region] ?? {};
  const layer = other.layer ?? `arn:${partition}:lambda:${region}:${data.account}:layer:${target?.name}`;
  const sameBytes = other.sha256 === undefined;
  return {
    release, target, place, made, there, pending, region, regionPlace, layer, sameBytes,
    arn: `${layer}:${release.number}`,
    facts: sameBytes ? (made ?? {}) : { sha256: other.sha256, size: other.size },
  };
}

/** A tool's text for a cell. */
function snippetOf({ target, region, layer, arn, release }, tool) {
  const values = { region, layer, arn, number: release.number, version: release.version };
  return target.snippets[tool.id].replace(/@@(\w+)@@/g, (_, name) => values[name]);
}

/** Name → version of what a release's target holds, or null if unknown. */
function packagesOf(release, place) {
  const made = release.targets.find((each) => each.target === place);
  if (made?.packages === undefined) return null;
  const held = release.packages.filter(([, , targets]) => !targets || targets.includes(place));
  return new Map(held.map(([name, version]) => [name, version]));
}

/** The release before this one that has the target's packages on record and was not yanked. */
function releaseBefore(data, cell) {
  return data.releases.find(
    (each) => each.number < cell.release.number && !markOf(each, "yanked") && packagesOf(each, cell.place),
  );
}

/** What changed from one package list to the next: `[name, before, after]`, where null is nothing. */
function changesOf(before, after) {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const pairs = names.map((name) => [name, before.get(name) ?? null, after.get(name) ?? null]);
  return pairs.filter(([, old, now]) => old !== now);
}

function megabytes(size) {
  return size === undefined ? "not recorded" : `${(size / 1048576).toFixed(1)} MB`;
}

function seconds(time) {
  return time === undefined ? "not recorded" : `${time.toFixed(2)} s`;
}

/** What is on record of a target over the releases, oldest first. */
function historyOf(data, place) {
  const points = data.releases.map((release) => ({
    number: release.number,
    version: release.version,
    yanked: Boolean(markOf(release, "yanked")),
    facts: release.targets.find((each) => each.target === place) ?? {},
  }));
  return points.reverse();
}
