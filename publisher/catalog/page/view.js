// The document: controls to the address, the address to what is shown. Text is only ever set as text.

const ARCHITECTURES = { aarch64: "aarch64 (arm64)" }; // Lambda's API and people say arm64
const LAMBDA_LIMIT = "Lambda allows 250 MB";
const byId = (id) => document.getElementById(id);

function fillElement(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function element(tag, attributes = {}, ...children) {
  return fillElement(document.createElement(tag), attributes, children);
}

function drawing(tag, attributes = {}, ...children) {
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

/** A table that scrolls by itself where it is too wide, also from the keyboard. */
function wideTable(label, head, rows) {
  return element("div", { class: "wide", tabindex: 0, role: "group", "aria-label": label }, tableElement(head, rows));
}

// ---- controls ----

function buildControls(data, change) {
  const known = choices(data);
  byId("layer").append(element("option", { value: "latest" }, "latest complete release"));
  byId("layer").append(...data.releases.map((release) => {
    const words = release.marks.map(([word]) => word).filter((word) => word !== "replaced");
    const label = `${release.version} — layer version ${release.number}`;
    return element("option", { value: release.number }, words.length ? `${label} (${words.join(", ")})` : label);
  }));
  byId("region").append(...known.region.map((region) => element("option", { value: region }, region)));
  buildRadios("python", known.python.map((python) => [python, python]));
  buildRadios("arch", known.arch.map((arch) => [arch, ARCHITECTURES[arch] ?? arch]));
  buildRadios("tool", data.tools.map(({ id, name }) => [id, name]));
  for (const key of Object.keys(known)) {
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

// ---- what is shown ----

function show(data, state, problems) {
  const cell = findCell(data, state);
  showControls(state, cell.release);
  byId("notices").replaceChildren(
    ...problems.map((problem) => element("p", { class: "notice warning" }, problem)),
    ...noticesOf(data, cell, state),
  );
  byId("found").hidden = !cell.there;
  byId("about").hidden = !cell.made;
  if (cell.there) {
    byId("arn").textContent = cell.arn;
    byId("pinned").setAttribute("href", writeState({ ...state, layer: cell.release.number }));
    byId("pinned").textContent = `layer version ${cell.release.number}`;
    byId("following").setAttribute("href", writeState({ ...state, layer: "latest" }));
    byId("snippet").textContent = snippetOf(cell, data.tools.find(({ id }) => id === state.tool));
  }
  if (cell.made) {
    byId("facts").replaceChildren(...factsOf(cell));
    showPackages(data, cell);
    showCharts(data, cell);
  }
  document.title = `${data.package} ${cell.release.version} on Lambda: layer version ${cell.release.number}`;
}

function summaryOf(data, cell, state) {
  const name = `${data.package} ${cell.release.version}, Python ${state.python}, ${state.arch}, ${state.region}`;
  return cell.there ? `Layer version ${cell.release.number}: ${name}. ${cell.arn}` : `No layer yet for ${name}.`;
}

function linkTo(release, words) {
  return element("a", { href: `#layer=${release.number}` }, `${words} ${release.number} (${release.version})`);
}

function noticesOf(data, cell, state) {
  const { release, region } = cell;
  const notices = [];
  const say = (kind, ...words) => notices.push(element("p", { class: `notice ${kind}` }, ...words));
  const best = newestIn(data, cell.place, cell.regionPlace, false);
  const elsewhere = best && best.number !== release.number ? [" ", linkTo(best, "Use layer version"), "."] : [];
  const newest = data.releases.find((each) => each.number === data.newest);
  if (state.layer === "" && cell.there && newest && newest !== release) {
    say("warning", element("strong", {}, `Layer version ${newest.number} (${newest.version})`),
      ` is not in ${region} for this Python and architecture. The page shows the newest that is.`);
  }
  for (const [word, detail, reason] of release.marks) {
    if (word === "yanked") {
      const words = `${sentence(reason)} New functions cannot use it.`;
      say("danger", element("strong", {}, `Yanked ${detail}: `), words, ...elsewhere);
    } else if (word === "incomplete" && cell.there) {
      say("warning", element("strong", {}, "Still being published: "), `${reason} are there, this one among them.`);
    } else if (word === "rebuilt") {
      const words = `${reason ? `: ${sentence(reason)}` : "."} The same ${data.package}, made again.`;
      say("plain", element("strong", {}, "Rebuilt"), words);
    } else if (word === "replaced") {
      const number = Number(detail.replace(/\D/g, ""));
      say("warning", element("strong", {}, "Replaced: "), "the same version was built again. ",
        linkTo(data.releases.find((each) => each.number === number), "Use layer version"), ".");
    }
  }
  if (!cell.there) {
    const what = cell.target ? cell.target.name : "A layer of this Python and architecture";
    say("warning", element("strong", {}, what), ` is not in ${region} ${whyAbsent(cell)}`, ...(markOf(release, "yanked") ? [] : elsewhere));
  } else if (!cell.sameBytes) {
    say("warning", "The zip in this region is not the same, byte for byte, as in others.",
      " What is in it is not on record.");
  }
  if (notices.length === 0 && elsewhere.length && best.number > release.number) {
    say("plain", "There is a newer one.", ...elsewhere);
  }
  return notices;
}

function whyAbsent({ target, region, pending }) {
  const reason = target?.unsupported[region];
  if (reason !== undefined) return `and will not be: AWS cannot serve it there${reason && `: ${reason}`}.`;
  return pending ? "yet: the release is still being published." : "at this number.";
}

function sentence(text) {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** The SBOM: a link where it is published, its name where only that is on record. */
function sbomOf({ sbom, sbomThere }) {
  if (!sbom) return ["not recorded"];
  const name = element("code", {}, sbom.split("/").at(-1));
  return [sbomThere ? element("a", { href: sbom }, name) : name];
}

function titleOf(details) {
  return details.closest("figure").querySelector("strong").textContent;
}

function importTime([name, milliseconds]) {
  return `${name} ${Math.round(milliseconds)} ms`;
}

/** How the layer started where it was proved. */
function startOf(start) {
  if (!start) return ["not measured"];
  const parts = [
    `${seconds(start.ready)} until it asks for work, of that ${seconds(start.importing)} importing;`,
    `then ${seconds(start.first)} for the first invocation, ${seconds(start.second)} for the next.`,
    start.memory ? `${megabytes(start.memory)} of memory.` : "",
  ];
  const times = start.starts > 1 ? `, the median of ${start.starts} starts` : "";
  return [
    element("span", {}, parts.join(" ")),
    ...(start.slowest ? [element("span", {}, `Slowest imports: ${start.slowest.map(importTime).join(", ")}.`)] : []),
    element("small", {}, `CPython ${start.python} on ${start.on}${times}. On Lambda it depends on the memory setting.`),
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
  byId("packages-title").textContent = held ? `All ${held.size} packages` : "Packages";
  byId("packages").replaceChildren(...(held
    ? [...held].map(([name, version]) => element("li", {}, name, " ", element("span", {}, version)))
    : [element("li", {}, "not recorded")]));
  byId("changes-title").textContent = before ? `Changed since layer version ${before.number} (${before.version})` : "Changed";
  byId("changes").replaceChildren(changesElement(held, before, cell.place));
}

function changesElement(held, before, place) {
  if (!held) return element("p", {}, "What is in this layer is not on record.");
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
  } catch { // no clipboard here (an old browser, a page that is not trusted), or it is not allowed
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
  byId("live").textContent = done ? "Copied." : "It could not be copied. It is selected: press Ctrl+C.";
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
    if (cell.made) showCharts(data, cell);
  });
  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // for a tab or a window of its own
    const link = event.target.closest('a[href^="#layer="]');
    const button = event.target.closest("[data-copy], [data-copies]");
    if (link) { // a release, with all else as it is chosen
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
    byId("message-text").textContent = `This page’s data cannot be read (${error.message}). Loading it again may help.`;
    throw error;
  }
}

begin();
