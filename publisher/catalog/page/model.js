// The page's data, and what is computed from it. Nothing here uses the document.

/** Return the state without an address: no release, the newest Python, its first architecture, the first region with that layer. */
function defaults(data) {
  const release = data.releases.find((each) => each.number === data.newest) ?? data.releases[0];
  const published = release.targets.filter((each) => placesOf(data, each).length > 0);
  const python = data.targets[(published.at(-1) ?? release.targets.at(-1)).target].python;
  const entry = release.targets.find((each) => data.targets[each.target].python === python);
  return {
    layer: "",
    python,
    arch: data.targets[entry.target].architecture,
    region: data.regions[placesOf(data, entry)[0] ?? 0].name,
    tool: data.tools[0].id,
  };
}

/** Return the allowed values of each key in the address. */
function choices(data) {
  return {
    layer: ["latest", ...data.releases.map((each) => String(each.number))],
    python: [...new Set(data.targets.map((each) => each.python))],
    arch: [...new Set(data.targets.map((each) => each.architecture))],
    region: data.regions.map((each) => each.name),
    tool: data.tools.map((each) => each.id),
  };
}

/** Parse an address (`#layer=2&python=3.12`): return the state, and a message for each unknown or misspelt value. */
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
  for (const [key, allowed] of Object.entries(choices(data))) {
    const word = words.get(key);
    if (word === null) continue;
    const found = allowed.find((each) => each === word) ?? allowed.find((each) => normalised(each) === normalised(word));
    state[key] = found ?? state[key];
    if (found === undefined) {
      const shown = key === "layer" ? findCell(data, state).release.number : state[key];
      problems.push(`The address has ${key}=${word}, which is unknown. This page shows ${shown}.`);
    } else if (found !== word) {
      problems.push(`The address has ${key}=${word}. This page reads it as ${found}.`);
    }
  }
  return { state, problems };
}

/** Normalise a value: py3_12 and 3.12 give the same text, and so do arm64 and aarch64. */
function normalised(word) {
  const letters = word.toLowerCase().replace(/^py(thon)?/, "").replace(/[^a-z0-9]/g, "");
  return { arm: "aarch64", arm64: "aarch64", amd64: "x8664", x64: "x8664" }[letters] ?? letters;
}

function writeState({ layer, ...rest }) {
  return `#${new URLSearchParams(layer ? { layer, ...rest } : rest)}`;
}

function markOf(release, word) {
  return release.marks.find((mark) => mark[0] === word);
}

/** Return the indexes in `data.regions` of the regions that have a release's target. */
function placesOf(data, entry) {
  return entry.regions ?? [...data.regions.keys()];
}

/** Return the selected layer: its release, its target, and its facts if it exists. */
function findCell(data, { layer, python, arch, region }) {
  const place = data.targets.findIndex((each) => each.python === python && each.architecture === arch);
  const regionPlace = data.regions.findIndex((each) => each.name === region);
  const release = data.releases.find((each) => String(each.number) === layer)
    ?? newestIn(data, place, regionPlace, layer === "latest")
    ?? data.releases.find((each) => each.number === data.newest) ?? data.releases[0];
  return cellOf(data, release, place, regionPlace);
}

/** Return the newest release with this cell that is not yanked; with `complete` a complete one, if there is one. */
function newestIn(data, place, regionPlace, complete) {
  const usable = data.releases.filter((each) => !markOf(each, "yanked") && cellOf(data, each, place, regionPlace).isPublished);
  return (complete && usable.find((each) => !markOf(each, "incomplete"))) || usable[0];
}

function cellOf(data, release, place, regionPlace) {
  const target = data.targets[place];
  const entry = release.targets.find((each) => each.target === place);
  const isPublished = Boolean(entry) && placesOf(data, entry).includes(regionPlace);
  const pending = Boolean(entry?.pending?.includes(regionPlace));
  const { name: region, partition } = data.regions[regionPlace];
  const other = entry?.other?.[region] ?? {};
  const layer = other.layer ?? `arn:${partition}:lambda:${region}:${data.account}:layer:${target?.name}`;
  const sameBytes = other.sha256 === undefined;
  return {
    release, target, place, entry, isPublished, pending, region, regionPlace, layer, sameBytes,
    arn: `${layer}:${release.number}`,
    facts: sameBytes ? (entry ?? {}) : { sha256: other.sha256, size: other.size },
  };
}

/** Return a tool's snippet for a cell. */
function snippetOf({ target, region, layer, arn, release }, tool) {
  const values = { region, layer, arn, number: release.number, version: release.version };
  return target.snippets[tool.id].replace(/@@(\w+)@@/g, (_, name) => values[name]);
}

/** Return the packages of a release's target as name → version; null if they are not recorded. */
function packagesOf(release, place) {
  const entry = release.targets.find((each) => each.target === place);
  if (entry?.packages === undefined) return null;
  const held = release.packages.filter(([, , targets]) => !targets || targets.includes(place));
  return new Map(held.map(([name, version]) => [name, version]));
}

/** Return the last release before this one that is not yanked and has recorded packages of the target. */
function releaseBefore(data, cell) {
  return data.releases.find(
    (each) => each.number < cell.release.number && !markOf(each, "yanked") && packagesOf(each, cell.place),
  );
}

/** Return the differences between two package lists: `[name, before, after]`; null: not in the list. */
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

/** Return the recorded facts of a target in each release, oldest first. */
function historyOf(data, place) {
  const points = data.releases.map((release) => ({
    number: release.number,
    version: release.version,
    yanked: Boolean(markOf(release, "yanked")),
    facts: release.targets.find((each) => each.target === place) ?? {},
  }));
  return points.reverse();
}
