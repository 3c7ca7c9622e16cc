// The document: a control changes the address, and the page shows what the address selects. No text is parsed as HTML.

const ARCHITECTURES = { aarch64: "aarch64 (arm64)" }; // Lambda's API calls it arm64
const LAMBDA_LIMIT = "Lambda allows 250 MB";
const byId = (id) => document.getElementById(id);

function fillElement(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function element(tag, attributes = {}, ...children) {
  return fillElement(document.createElement(tag), attributes, children);
}

function svgElement(tag, attributes = {}, ...children) {
  return fillElement(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function tableElement(head, rows) {
  return element(
    "table", {},
    element("thead", {}, element("tr", {}, ...head.map((word) => element("th", { scope: "col" }, word)))),
    element("tbody", {}, ...rows.map(([first, ...rest]) => element(
      "tr", {}, element("th", { scope: "row" }, first), ...rest.map((word) => element("td", {}, word)),
    ))),
  );
}

/** Return a table that scrolls if it is wider than the page, also by keyboard. */
function wideTable(label, head, rows) {
  return element("div", { class: "wide", tabindex: 0, role: "group", "aria-label": label }, tableElement(head, rows));
}

// ---- controls ----

function buildControls(data, change) {
  const allowed = choices(data);
  byId("layer").append(element("option", { value: "latest" }, "latest complete release"));
  byId("layer").append(...data.releases.map((release) => {
    const words = release.marks.map(([word]) => word).filter((word) => word !== "replaced");
    const label = `${release.version} — layer version ${release.number}`;
    return element("option", { value: release.number }, words.length ? `${label} (${words.join(", ")})` : label);
  }));
  byId("region").append(...allowed.region.map((region) => element("option", { value: region }, region)));
  buildRadios("python", allowed.python.map((python) => [python, python]));
  buildRadios("arch", allowed.arch.map((arch) => [arch, ARCHITECTURES[arch] ?? arch]));
  buildRadios("tool", data.tools.map(({ id, name }) => [id, name]));
  for (const key of Object.keys(allowed)) {
    byId(key).addEventListener("change", (event) => change({ [key]: event.target.value }));
  }
}

function buildRadios(key, values) {
  byId(key).append(...values.map(([value, label]) => element(
    "label", {}, element("input", { type: "radio", name: key, value }), element("span", {}, label),
  )));
}

function showControls(state, release) {
  for (const [key, value] of Object.entries({ ...state, layer: state.layer || String(release.number) })) {
    const control = byId(key);
    if (control.tagName === "SELECT") control.value = value;
    else for (const radio of control.querySelectorAll("input")) radio.checked = radio.value === value;
  }
}

// ---- the selected layer ----

function show(data, state, problems) {
  const cell = findCell(data, state);
  showControls(state, cell.release);
  byId("notices").replaceChildren(
    ...problems.map((problem) => element("p", { class: "notice warning" }, problem)),
    ...noticesOf(data, cell, state),
  );
  byId("found").hidden = !cell.isPublished;
  byId("about").hidden = !cell.entry;
  if (cell.isPublished) {
    byId("arn").textContent = cell.arn;
    byId("pinned").setAttribute("href", writeState({ ...state, layer: cell.release.number }));
    byId("pinned").textContent = `layer version ${cell.release.number}`;
    byId("following").setAttribute("href", writeState({ ...state, layer: "latest" }));
    byId("snippet").textContent = snippetOf(cell, data.tools.find(({ id }) => id === state.tool));
  }
  if (cell.entry) {
    byId("facts").replaceChildren(...factsOf(cell));
    showPackages(data, cell);
    showCharts(data, cell);
  }
  document.title = `${data.package} ${cell.release.version} on Lambda: layer version ${cell.release.number}`;
}

function summaryOf(data, cell, state) {
  const name = `${data.package} ${cell.release.version}, Python ${state.python}, ${state.arch}, ${state.region}`;
  return cell.isPublished ? `Layer version ${cell.release.number}: ${name}. ${cell.arn}` : `No layer yet for ${name}.`;
}

function linkTo(release, words) {
  return element("a", { href: `#layer=${release.number}` }, `${words} ${release.number} (${release.version})`);
}

function noticesOf(data, cell, state) {
  const { release, region } = cell;
  const notices = [];
  const addNotice = (kind, ...words) => notices.push(element("p", { class: `notice ${kind}` }, ...words));
  const best = newestIn(data, cell.place, cell.regionPlace, false);
  const alternative = best && best.number !== release.number ? [" ", linkTo(best, "Use layer version"), "."] : [];
  const newest = data.releases.find((each) => each.number === data.newest);
  if (state.layer === "" && cell.isPublished && newest && newest !== release) {
    addNotice("warning", element("strong", {}, `Layer version ${newest.number} (${newest.version})`),
      ` is not in ${region} for this Python and architecture. This page shows the newest one that is.`);
  }
  for (const [word, detail, reason] of release.marks) {
    if (word === "yanked") {
      const words = `${sentence(reason)} New functions cannot use it.`;
      addNotice("danger", element("strong", {}, `Yanked ${detail}: `), words, ...alternative);
    } else if (word === "incomplete" && cell.isPublished) {
      addNotice("warning", element("strong", {}, "Still being published: "), `${reason} are published, this one included.`);
    } else if (word === "rebuilt") {
      const words = `${reason ? `: ${sentence(reason)}` : "."} The same ${data.package} version, built again.`;
      addNotice("plain", element("strong", {}, "Rebuilt"), words);
    } else if (word === "replaced") {
      const number = Number(detail.replace(/\D/g, ""));
      addNotice("warning", element("strong", {}, "Replaced: "), "the same version was built again. ",
        linkTo(data.releases.find((each) => each.number === number), "Use layer version"), ".");
    }
  }
  if (!cell.isPublished) {
    const what = cell.target ? cell.target.name : "A layer of this Python and architecture";
    addNotice("warning", element("strong", {}, what), ` is not in ${region} ${whyAbsent(cell)}`, ...(markOf(release, "yanked") ? [] : alternative));
  } else if (!cell.sameBytes) {
    addNotice("warning", "The zip in this region has other bytes than in the other regions.",
      " Its packages are not recorded.");
  }
  if (notices.length === 0 && alternative.length && best.number > release.number) {
    addNotice("plain", "A newer release exists.", ...alternative);
  }
  return notices;
}

function whyAbsent({ target, region, pending }) {
  const reason = target?.unsupported[region];
  if (reason !== undefined) return `and will not be: AWS cannot serve it in this region${reason && `: ${reason}`}.`;
  return pending ? "yet: the release is still being published." : "at this number.";
}

function sentence(text) {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** Return a link to the SBOM if it is published, else its recorded name. */
function sbomOf({ sbom, sbomIsPublished }) {
  if (!sbom) return ["not recorded"];
  const name = element("code", {}, sbom.split("/").at(-1));
  return [sbomIsPublished ? element("a", { href: sbom }, name) : name];
}

function titleOf(details) {
  return details.closest("figure").querySelector("strong").textContent;
}

function importTime([name, milliseconds]) {
  return `${name} ${Math.round(milliseconds)} ms`;
}

/** Return the cold start as the smoke test measured it. */
function startOf(start) {
  if (!start) return ["not measured"];
  const parts = [
    `${seconds(start.ready)} until its first request for an event, of which ${seconds(start.importing)} for imports;`,
    `then ${seconds(start.first)} for the first invocation, ${seconds(start.second)} for the next.`,
    start.memory ? `${megabytes(start.memory)} of memory.` : "",
  ];
  const times = start.starts > 1 ? `, the median of ${start.starts} starts` : "";
  return [
    element("span", {}, parts.join(" ")),
    ...(start.slowest ? [element("span", {}, `Slowest imports: ${start.slowest.map(importTime).join(", ")}.`)] : []),
    element("small", {}, `CPython ${start.python} on ${start.on}${times}. On Lambda it depends on the function’s memory.`),
  ];
}

function factsOf({ release, target, facts }) {
  const code = (text, what) => [
    element("code", {}, text),
    element("button", { type: "button", class: "small", "data-copy": text, "aria-label": `Copy ${what}` }, "Copy"),
  ];
  const rows = [
    ["Layer", [element("code", {}, target.name)]],
    ["Released", [release.date || "not yet"]],
    ["Zipped", [megabytes(facts.size)]],
    ["Unzipped", [megabytes(facts.unzipped), ...(facts.unzipped ? [element("small", {}, LAMBDA_LIMIT)] : [])]],
    ["Bytecode", [facts.interpreter ? `CPython ${facts.interpreter}` : "not recorded"]],
    ["Cold start", startOf(facts.start)],
    ["sha256", facts.sha256 ? code(facts.sha256, "sha256 of the zip") : ["differs by region"]],
    ["SBOM", sbomOf(facts)],
  ];
  if (facts.signedBy) rows.push(["Signed by", [element("code", {}, facts.signedBy), " (AWS Signer)"]]);
  if (facts.sbomSha256) rows.push(["SBOM’s sha256", code(facts.sbomSha256, "sha256 of the SBOM")]);
  return rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, ...value)));
}

function showPackages(data, cell) {
  const held = cell.sameBytes ? packagesOf(cell.release, cell.place) : null;
  const before = releaseBefore(data, cell);
  byId("packages-title").textContent = held ? `All ${held.size} ${held.size === 1 ? "package" : "packages"}` : "Packages";
  byId("packages").replaceChildren(...(held
    ? [...held].map(([name, version]) => element("li", {}, name, " ", element("span", {}, version)))
    : [element("li", {}, "not recorded")]));
  byId("changes-title").textContent = before ? `Changed since layer version ${before.number} (${before.version})` : "Changed";
  byId("changes").replaceChildren(changesElement(held, before, cell.place));
}

function changesElement(held, before, place) {
  if (!held) return element("p", {}, "The packages of this layer are not recorded.");
  if (!before) return element("p", {}, "There is no earlier release to compare with.");
  const changes = changesOf(packagesOf(before, place), held);
  if (changes.length === 0) return element("p", {}, "No package changed.");
  const rows = changes.map(([name, old, now]) => {
    const word = old === null ? "added" : now === null ? "removed" : "updated";
    return [name, element("span", { class: `mark ${word}` }, word), old ?? "", now ?? ""];
  });
  return wideTable("Changed packages", ["Package", "Change", "Before", "Now"], rows);
}

function showCharts(data, cell) {
  const points = historyOf(data, cell.place);
  const width = Math.max(260, Math.floor(byId("charts").clientWidth));
  const opened = new Set([...byId("charts").querySelectorAll("details[open]")].map(titleOf));
  const figures = figuresOf(points, cell.release.number, width);
  byId("charts").replaceChildren(...figures);
  byId("charts-section").hidden = figures.length === 0;
  for (const each of byId("charts").querySelectorAll("details")) each.open = opened.has(titleOf(each));
}

// ---- copying ----

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // The browser has no clipboard API, the page has no HTTPS, or the user does not allow it.
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = element("textarea", { class: "unseen", readonly: "" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

async function copyFor(button) {
  const text = button.dataset.copy ?? byId(button.dataset.copies).textContent.trimEnd();
  const done = await copy(text);
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  byId("live").textContent = done ? "Copied." : "The text could not be copied. It is selected: press Ctrl+C.";
  if (!done) getSelection().selectAllChildren(byId(button.dataset.copies) ?? button.previousElementSibling);
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// ---- start ----

function start(data) {
  let { state, problems } = readState(data, location.hash);
  const change = (changes) => { location.hash = writeState({ ...state, ...changes }); };
  const showAddress = () => {
    ({ state, problems } = readState(data, location.hash));
    show(data, state, problems);
    byId("live").textContent = [...problems, summaryOf(data, findCell(data, state), state)].join(" ");
  };
  buildControls(data, change);
  byId("message").hidden = true;
  byId("chooser").hidden = false;
  show(data, state, problems);
  addEventListener("hashchange", showAddress);
  addEventListener("resize", () => {
    const cell = findCell(data, state);
    if (cell.entry) showCharts(data, cell);
  });
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the link opens in a new tab or window
    const link = event.target.closest('a[href^="#layer="]');
    const button = event.target.closest("[data-copy], [data-copies]");
    if (link) { // Change only the release and keep the other choices.
      event.preventDefault();
      change({ layer: new URLSearchParams(link.hash.slice(1)).get("layer") });
      byId("layer").focus();
    } else if (button) {
      copyFor(button);
    }
  });
}

function begin() {
  let data;
  try {
    data = JSON.parse(byId("data").textContent);
    if (data.releases.length > 0) start(data);
  } catch (error) {
    byId("chooser").hidden = true;
    byId("message").hidden = false;
    byId("message").classList.add("danger");
    byId("message-text").textContent = `This page’s data cannot be read (${error.message}). Reload the page.`;
    throw error;
  }
}

begin();
