"use strict";
const PREFERRED = "lpips_alex", CHUNK = 20, OPENED = 4,  // methods that the gallery shows at first
   RATIOS = [0, 10, 20, 30, 40, 50, 60, 100];
const PICTURE_METRICS = Object.entries(REPORT.metrics).filter(([, metric]) => metric.single);
const find = (selector) => document.querySelector(selector);

/** An element with properties (attributes where it has no such property) and children. */
function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}

/* Data on demand: each script calls `receive`. */
const asked = new Map();
const path = (name) => "gallery/" + name.split("/").map(encodeURIComponent).join("/");

function receive(name, value) {
  asked.get(name).resolve(value);
}

function load(name) {
  if (!asked.has(name)) {
    const answer = {};
    answer.promise = new Promise((resolve, reject) => Object.assign(answer, { resolve, reject }));
    asked.set(name, answer);
    const failed = () => answer.reject(new Error(`reports/gallery/${name}.js cannot be read; dvc repro makes it.`));
    document.head.append(element("script", { src: `${path(name)}.js`, onerror: failed }));
  }
  return asked.get(name).promise;
}

/* Names, numbers and pictures. */
const GIVEN = ["original", "input"];  // pictures shown beside those of the runs
const holesOf = (measured) => measured.replace(/\/pieced$/, "");
const nameOf = (run) => REPORT.runs[run]?.label ?? run;
const inWords = (measured) => (measured === holesOf(measured) ? measured : `${holesOf(measured)}, pieced from reference patches`);

function number(value, metric) {
  if (value === null || Number.isNaN(value)) return "undefined";
  return Number.isFinite(value) ? value.toFixed(REPORT.metrics[metric]?.digits ?? 4) : "∞";
}

/** Where a picture lies; `small` for a thumbnail. */
function picture({ slot, holes }, run, place, small = false) {
  const folder = { original: "original", input: `${holesOf(holes)}/input` }[run] ?? `${holes}/${run}`;
  const ending = small && REPORT.slots[slot].size > REPORT.small ? "webp" : "png";
  return `${path(`${slot}/${folder}`)}/${place}.${ending}`;
}

/** A link that opens a picture beside another. */
function thumbnail(scene, run, place, right, lines) {
  const image = { src: picture(scene, run, place, true), alt: nameOf(run), loading: "lazy", decoding: "async" };
  const href = `#view/${scene.slot}/${scene.holes}/${place}/${right === run ? "input" : run}/${right}`;
  return element("li", {}, element("a", { href }, element("img", image), ...lines));
}

/* Gallery. */
const form = find("#filters"), list = find("#pictures"), count = find("#found");
const chosen = (name) => form.elements[name].value;
let rest = [], latest = 0;

function options(name, pairs) {
  const before = chosen(name);
  form.elements[name].replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
  if (pairs.some(([value]) => value === before)) form.elements[name].value = before;
}

function matching() {
  const fits = (name, value) => chosen(name) === "all" || chosen(name) === value;
  return REPORT.sets.filter((scene) => fits("slot", scene.slot) && fits("holes", scene.holes));
}

function offerHoles() {
  const ofSlot = REPORT.sets.filter((scene) => chosen("slot") === "all" || scene.slot === chosen("slot"));
  const kinds = [...new Set(ofSlot.map((scene) => scene.holes))];
  options("holes", [...kinds.map((kind) => [kind, inWords(kind)]), ["all", "all kinds"]]);
}

const boxes = () => [...form.querySelectorAll("#methods input")];
const ticked = () => new Set(boxes().filter((box) => box.checked).map((box) => box.value));

/** A box for each method, ticked as before; before anyone ticked one, the papers' own methods first. */
function offerMethods() {
  const names = [...new Set(matching().flatMap((scene) => scene.runs.map(nameOf)))];
  const own = (name) => REPORT.own.includes(name);
  const opened = [...names.filter(own), ...names.filter((name) => !own(name))].slice(0, OPENED);
  const on = form.dataset.ticked ? ticked() : new Set(opened);
  const box = (name) => element("input", { type: "checkbox", name: "method", value: name, checked: on.has(name) });
  find("#methods").replaceChildren(...names.map((name) => element("label", {}, box(name), ` ${name}`)));
}

function offerOrders() {
  const [low, high] = { lower: ["best", "worst"], higher: ["worst", "best"], none: ["lowest", "highest"] }[
    REPORT.metrics[chosen("metric")].direction
  ];
  const orders = [["low", `${low} first`], ["high", `${high} first`]];
  options("order", [...(low === "worst" ? orders.reverse() : orders), ["apart", "largest disagreement first"], ["", "as in the test set"]]);
}

function setUp() {
  const slots = Object.entries(REPORT.slots).map(([slot, { dataset }]) => [slot, `${dataset} (${slot})`]);
  options("slot", [...slots, ["all", "all"]]);
  const ratios = RATIOS.slice(1).map((high, i) => [`${RATIOS[i]}-${high}`, `${RATIOS[i]} to ${high} %`]);
  options("ratio", [["0-100", "any"], ...ratios]);
  const groups = Object.groupBy(PICTURE_METRICS, ([, metric]) => metric.of);
  form.elements.metric.replaceChildren(
    ...Object.entries(groups).map(([label, metrics]) =>
      element("optgroup", { label }, metrics.map(([value, { head }]) => element("option", { value }, `${head} · ${value}`)))),
  );
  if (PREFERRED in REPORT.metrics) form.elements.metric.value = PREFERRED;
  offerHoles();
  offerMethods();
  offerOrders();
}

/** A line of the gallery for each picture that a chosen method kept. */
function entries(scene, data, names, metric, [low, high]) {
  return data.places.flatMap((place, i) => {
    const kept = scene.runs.filter((run) => names.has(nameOf(run)) && data.kept[run].includes(place));
    const ratio = 100 * data.ratios[i];
    if (!kept.length || ratio < low || ratio >= high + (high === 100)) return [];
    const value = (run) => data.values[run][metric]?.[i] ?? NaN;
    const values = scene.runs.filter((run) => names.has(nameOf(run))).map(value);  // pictures that were not kept count too
    return [{ scene, place, id: data.ids[i], ratio, kept, values, shown: kept.map(value) }];
  });
}

const ORDERS = {
  low: ({ values }) => mean(values),
  high: ({ values }) => -mean(values),
  apart: ({ values }) => Math.min(...defined(values)) - Math.max(...defined(values)),
};
const ORDERED = {
  low: ", sorted by the mean over the chosen methods",
  high: ", sorted by the mean over the chosen methods",
  apart: ", sorted by the range over the chosen methods",
};
const defined = (values) => values.filter((value) => !Number.isNaN(value));
const mean = (values) => defined(values).reduce((sum, value) => sum + value, 0) / defined(values).length;
const last = (value) => (Number.isNaN(value) ? Infinity : value);

async function show() {
  const turn = ++latest, scenes = matching(), metric = chosen("metric");
  const names = ticked();
  const bounds = chosen("ratio").split("-").map(Number);
  let data;
  try {
    data = await Promise.all(scenes.map((scene) => load(`values/${scene.slot}/${scene.holes}`)));
  } catch (error) {
    count.textContent = error.message;
    return;
  }
  if (turn !== latest) return;
  rest = scenes.flatMap((scene, i) => entries(scene, data[i], names, metric, bounds));
  const order = ORDERS[chosen("order")];
  if (order) {
    const keys = new Map(rest.map((entry) => [entry, last(order(entry))]));
    rest.sort((a, b) => (keys.get(a) === keys.get(b) ? 0 : keys.get(a) - keys.get(b)));
  }
  const methods = new Set(rest.flatMap((entry) => entry.kept.map(nameOf))).size;
  const by = chosen("order") && methods > 1 ? ORDERED[chosen("order")] : "";
  count.textContent = `${rest.length} pictures, filled by ${methods} methods${by}. ${REPORT.metrics[metric].definition}`;
  list.replaceChildren();
  more();
}

/** The next pictures of the gallery. */
function more() {
  const metric = chosen("metric");
  for (const { scene, place, id, ratio, kept, shown } of rest.splice(0, CHUNK)) {
    const given = GIVEN.map((run) => thumbnail(scene, run, place, kept[0], [run]));
    const made = kept.map((run, i) =>
      thumbnail(scene, run, place, run, [element("span", { className: "value" }, number(shown[i], metric)), element("br"), nameOf(run)]));
    const head = `${id} · ${inWords(scene.holes)} · ${ratio.toFixed(0)} % missing`;
    list.append(element("article", { className: "card" }, element("h3", {}, head), element("ul", { className: "row" }, given, made)));
  }
  if (rest.length) watch.observe(list.lastElementChild);
}
const watch = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    watch.unobserve(target);
    more();
  }
}, { rootMargin: "600px" });

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", ({ target }) => {
  if (target.name === "method") form.dataset.ticked = "yes";
  if (target.name === "slot") offerHoles();
  if (target.name === "slot" || target.name === "holes") offerMethods();
  if (target.name === "metric") offerOrders();
  show();
});

find("#all").addEventListener("click", () => {
  form.dataset.ticked = "yes";
  for (const box of boxes()) box.checked = true;
  show();
});

/* A picture over another, and a line between them that can be moved. */
function slide(frame, words, id) {
  const slider = element("input", { type: "range", min: 0, max: 100, value: 50, step: 1, id, "aria-label": words });
  const place = () => frame.style.setProperty("--at", `${slider.value}%`);
  const drag = (event) => {
    if (event.target === slider || (event.type === "pointermove" && !event.buttons)) return;
    const box = frame.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    place();
  };
  slider.addEventListener("input", place);
  frame.addEventListener("pointerdown", drag);
  frame.addEventListener("pointermove", drag);
  frame.append(slider);
  frame.classList.add("sliding");
  place();
}

/* What opens above the page has an address of its own, so that it can be shared. */
const dialog = find("#dialog"), body = find("#dialog-body");
let under = location.href.split("#")[0];

function open(title, ...children) {
  const focused = document.activeElement?.id;
  find("#dialog-title").textContent = title;
  body.replaceChildren(...children);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  if (focused) body.querySelector(`#${CSS.escape(focused)}`)?.focus();
}

/** Replaces what the dialog shows by what a link in it leads to. */
function follow(hash) {
  history.replaceState(null, "", hash);
  return route();
}

async function route() {
  const [kind, ...words] = location.hash.slice(1).split("/").map(decoded);
  const opener = { provenance: openProvenance, view: openView, figure: openFigure }[kind];
  if (!opener) {
    under = location.href;
    if (dialog.open) dialog.close();
    document.getElementById(kind)?.closest("details")?.setAttribute("open", "");
    return;
  }
  try {
    await opener(words);
  } catch (error) {
    open("Not found", element("p", {}, error.message));
  }
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

addEventListener("hashchange", route);
body.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  follow(link.getAttribute("href"));
});
find("#close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
dialog.addEventListener("close", () => history.replaceState(null, "", under));
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-figure]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  location.hash = `#figure/${link.dataset.figure}`;
});

/* A figure, as large as it was drawn. */
function openFigure([name]) {
  const names = [...new Set([...document.querySelectorAll("a[data-figure]")].map((link) => link.dataset.figure))];
  const link = find(`a[data-figure="${CSS.escape(name)}"]`);
  if (!link) throw new Error(`There is no figure ${name}; there are ${names.join(", ")}.`);
  const image = element("img", { src: link.getAttribute("href"), alt: link.querySelector("img").alt });
  const frame = element("div", { className: "whole" }, image);
  const zoom = element("button", { type: "button", id: "zoom", "aria-pressed": "false" }, "full size");
  const toggle = () => zoom.setAttribute("aria-pressed", String(frame.classList.toggle("zoomed")));
  zoom.addEventListener("click", toggle);
  image.addEventListener("click", toggle);
  const step = (by, text) => {
    const next = names[(names.indexOf(name) + by + names.length) % names.length];
    return element("a", { id: `step${by}`, href: `#figure/${next}` }, text);
  };
  const steps = element("p", { className: "choices" }, step(-1, "← previous figure"), step(1, "next figure →"), zoom,
    element("a", { href: `figures/${name}.pdf` }, "PDF"), element("a", { href: link.getAttribute("href") }, "PNG"));
  open(link.title.replace(/, large$/, ""), steps, frame, element("p", { className: "source" }, image.alt));
}

/* One picture with its original and its input, and two methods with a slider between them, in whole pixels. */
const WIDEST = 1280, THREE = 700;  // px, of the dialog, and where its three pictures stand in a row

async function openView(words) {
  const [slot, place, left, right] = [words[0], Number(words.at(-3)), ...words.slice(-2)];
  const holes = words.slice(1, -3).join("/");
  const scene = REPORT.sets.find((each) => each.slot === slot && each.holes === holes);
  if (!scene) {
    const sets = REPORT.sets.map((each) => `${each.slot}/${each.holes}`).join(", ");
    throw new Error(`There are no pictures of ${slot}/${holes || "…"}; there are ${sets}.`);
  }
  const data = await load(`values/${slot}/${holes}`), i = data.places.indexOf(place);
  if (i < 0) throw new Error(`No run kept picture ${words.at(-3)} of ${slot}/${holes}; kept: ${data.places.join(", ")}.`);
  const kept = [...GIVEN, ...scene.runs.filter((run) => data.kept[run].includes(place))];
  const to = (a, b, where = place) => `view/${slot}/${holes}/${where}/${a}/${b}`;
  const unknown = [left, right].find((run) => !kept.includes(run));
  if (unknown) throw new Error(`${unknown} did not keep picture ${place} of ${slot} with ${holes} holes; kept: ${kept.join(", ")}.`);
  const shown = [left, right];

  const images = shown.map((run, side) =>
    element("img", { src: picture(scene, run, place), alt: `${side ? "right" : "left"}: ${nameOf(run)}`, draggable: false }));
  images[0].className = "left";
  images[1].className = "right";
  const frame = element("div", { className: "compare" }, images[1], images[0]);
  slide(frame, `${nameOf(shown[0])} on the left, ${nameOf(shown[1])} on the right`, "slider");
  const size = REPORT.slots[slot].size, room = Math.min(innerWidth, WIDEST) - 80;
  const scaled = (width) => Math.max(1, Math.floor(width / size));
  const wide = room > THREE, [large, small] = wide ? [scaled(room / 3), scaled(room / 3)] : [scaled(room), scaled(room / 2)];
  frame.style.width = `${size * large}px`;
  const given = GIVEN.map((run) => element("figure", {},
    element("img", { src: picture(scene, run, place), alt: run, width: size * small, height: size * small }), element("figcaption", {}, run)));
  const ends = element("figcaption", { className: "ends" }, ...shown.map((run) => element("span", {}, nameOf(run))));
  const scale = large === 1 ? "Every picture at its own resolution." : `Each of its pixels is ${large} wide here.`;

  const choice = (side) => {
    const select = element("select", { id: side ? "right" : "left" },
      kept.map((run) => element("option", { value: run, selected: run === shown[side] }, nameOf(run))));
    select.addEventListener("change", () => follow(`#${side ? to(shown[0], select.value) : to(select.value, shown[1])}`));
    return element("label", {}, side ? "right of the slider" : "left of the slider", select);
  };
  const step = (by, text) => {
    const next = data.places[(i + by + data.places.length) % data.places.length];
    return element("a", { id: `step${by}`, href: `#${to(...shown, next)}` }, text);
  };
  const choices = element("div", { className: "choices" }, choice(0), choice(1));
  const steps = element("p", { className: "choices" }, step(-1, "← previous picture"), step(1, "next picture →"));
  open(`${data.ids[i]}, ${inWords(holes)} holes, ${(100 * data.ratios[i]).toFixed(0)} % missing`,
    element("div", { className: "sides" }, ...given, element("figure", { className: "filled" }, frame, ends)),
    element("p", { className: "source" }, `${size} × ${size} px. ${scale}`), steps, choices, valueTable(data, i, shown) ?? "");
  if (!body.contains(document.activeElement)) find("#slider").focus();
}

/** Every metric of one picture for two methods, the better value in bold. */
function valueTable(data, i, runs) {
  const measured = runs.filter((run) => !GIVEN.includes(run));
  if (!measured.length) return null;
  const heads = ["metric", "of", ...measured.map(nameOf)].map((text) => element("th", { scope: "col" }, text));
  const rows = PICTURE_METRICS.map(([name, { head, of, direction, definition }]) => {
    const values = measured.map((run) => data.values[run][name]?.[i] ?? null);
    const best = { lower: Math.min(...values), higher: Math.max(...values), none: NaN }[direction];
    const bold = (value) => values.length > 1 && value === best && new Set(values).size > 1;
    const cells = values.map((value) => element("td", {}, element(bold(value) ? "b" : "span", {}, value === null ? "missing" : number(value, name))));
    return element("tr", {}, element("th", { scope: "row", title: definition }, head), element("td", { className: "words" }, of), cells);
  });
  const table = element("table", {}, element("thead", {}, element("tr", {}, heads)), element("tbody", {}, rows));
  return element("div", { className: "scroll values", tabIndex: 0, role: "region", "aria-label": "Every metric of this picture" }, table);
}

/* Where a number comes from. */
async function openProvenance(words) {
  const run = words[0], holes = words.slice(1, -1).join("/"), metric = words.at(-1);
  if (!(run in REPORT.runs)) throw new Error(`There is no run ${run}; there are ${Object.keys(REPORT.runs).join(", ")}.`);
  const provenance = await load(`provenance/${run}`), scored = provenance.holes?.[holes], found = scored?.metrics[metric];
  if (words.length > 1 && !found) {
    const kinds = Object.keys(provenance.holes ?? {}).join(", ") || "none";
    throw new Error(`${run} has no ${metric} with ${holes || "unnamed"} holes; it was measured with ${kinds}.`);
  }
  const explained = REPORT.metrics[metric];
  const title = found ? `${nameOf(run)}: ${explained.head}, ${inWords(holes)} holes, ${provenance.data.dataset}` : nameOf(run);
  const measured = found ? await measuredOn(run, provenance, holes, metric) : [];
  open(title, ...measured, ...cost(provenance), ...origin(run, provenance, scored));
}

/** The number, its pictures' values, and the worst of them. */
async function measuredOn(run, provenance, holes, metric) {
  const found = provenance.holes[holes].metrics[metric], explained = REPORT.metrics[metric];
  const value = (each) => number(each, metric);
  const interval = found.low === null ? "one number for the whole set" : `${value(found.low)} to ${value(found.high)} (95 %)`;
  const parts = [facts({
    mean: value(found.mean),
    "mean of each seed": found.by_seed.length > 1 && found.by_seed.map((each, i) => `${value(each)} (seed ${provenance.seeds[i]})`).join(", "),
    interval,
    pictures: `${found.count}${found.undefined ? `, ${found.undefined} more have no value` : ""}`,
    metric: `${explained.head}, ${explained.of} (${metric}): ${explained.definition}`,
  })];
  if (found.histogram?.counts.length) parts.push(element("h3", {}, "Values of its pictures"), histogram(found, value));
  if (found.worst?.length) {
    const scene = REPORT.sets.find((each) => each.slot === provenance.slot && each.holes === holes);
    const data = await load(`values/${provenance.slot}/${holes}`);
    const worst = element("ul", { className: "row" }, found.worst.map(([place, each]) => {
      const lines = [element("span", { className: "value" }, value(each)), element("br"), provenance.ids[place]];
      return data.kept[run].includes(place) ? thumbnail(scene, run, place, run, lines) : element("li", {}, "picture not kept", element("br"), lines);
    }));
    const kept = "A run keeps evenly spaced samples of the test set, and its worst pictures by LPIPS.";
    parts.push(element("h3", {}, "The worst pictures"), worst, element("p", { className: "source" }, kept));
  }
  return parts;
}

/** What a run's numbers were made from, and the commands that make them again. */
function origin(run, provenance, scored) {
  const { data, stage } = provenance;
  const [commit, ...changes] = find("#commit").textContent.split(" ");
  const commands = [`dvc repro ${stage}`, `dvc repro --force --single-item ${stage}   # again, even if nothing changed`];
  if (commit !== "unknown") commands.unshift(`git checkout ${commit}${changes.length ? "   # without the uncommitted changes of this report" : ""}`);
  return [
    element("h3", {}, "Where it comes from"),
    facts({
      run: `${run}${provenance.model ? `, models/${provenance.model}.py` : ""}${provenance.profile ? `, profile ${provenance.profile}` : ""}`,
      "external results": provenance.source,
      "made by": provenance.maker,
      stage,
      "fingerprint of its settings": provenance.fingerprint,
      "test pictures": data && `${data.images} of ${data.size} × ${data.size} px from ${data.photos} photographs of ${data.dataset} (slot ${provenance.slot}), sha256 of their index ${data.sha256}`,
      holes: scored && `${scored.bank.count} fixed holes, ${(100 * scored.bank.mean).toFixed(1)} % missing on average, sha256 ${scored.bank.sha256}`,
      "code that measured it": provenance.code && `${provenance.current ? "the present code" : "older code; dvc repro measures it again"}, sha256 of its manifest ${provenance.code}`,
      "values of every picture": data && `results/${run}/per-image.csv`,
    }),
    element("h3", {}, "Reproduce it"),
    element("pre", { tabIndex: 0, id: "commands" }, commands.join("\n")),
    networks(provenance.parameters),
    element("details", {}, element("summary", {}, "Its resolved settings"), element("pre", { tabIndex: 0 }, provenance.settings)),
  ];
}

function networks(parameters) {
  if (!Object.keys(parameters).length) return "";
  const counts = Object.entries(parameters).map(([name, count]) => `${count.toLocaleString("en").padStart(12)}  ${name}`);
  return element("details", {}, element("summary", {}, "Parameter counts of its networks and their parts"), element("pre", { tabIndex: 0 }, counts.join("\n")));
}

/** Seconds and memory of a run, where the benchmark measured it. */
function cost({ cost: found }) {
  if (!found) return [];
  const rows = Object.entries(found.measured).flatMap(([device, sizes]) => Object.entries(sizes).map(([size, each]) => [
    found.devices[device], `${size} px`,
    typeof each === "string" ? each : `${each.seconds.toFixed(3)} s`,
    typeof each === "string" ? "–" : `${each.peak_mib.toFixed(0)} MiB`,
  ]));
  const line = (tag, cells) => element("tr", {}, cells.map((text) => element(tag, {}, text)));
  const table = element("table", {}, element("thead", {}, line("th", ["device", "picture", "seconds", "peak memory"])), element("tbody", {}, rows.map((row) => line("td", row))));
  const about = `Median of ${found.rounds} passes at the paper’s widths (to measure it again, delete scratch/benchmark, then dvc repro --force --single-item benchmark). These runs cost the same: ${found.alike.join(", ")}.`;
  const scroll = element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Speed and memory" }, table);
  return [element("details", {}, element("summary", {}, "Speed and memory"), element("p", { className: "source" }, about), scroll)];
}

function facts(pairs) {
  const shown = Object.entries(pairs).filter(([, text]) => text);
  return element("dl", { className: "notes" }, shown.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text))));
}

/** How many pictures have which value; the dashed line is the mean. */
function histogram({ histogram: { low, high, counts, beside }, mean: middle }, value) {
  const most = Math.max(...counts), width = 100 / counts.length;
  const svg = (tag, attributes, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, each] of Object.entries(attributes)) node.setAttribute(name, each);
    node.textContent = text;
    return node;
  };
  const words = `${counts.reduce((a, b) => a + b)} pictures between ${value(low)} and ${value(high)}, at most ${most} in one of ${counts.length} bars${beside ? `; ${beside} more are not finite` : ""}`;
  const drawn = svg("svg", { class: "histogram", role: "img", "aria-label": words });
  counts.forEach((each, i) => drawn.append(svg("rect", { x: `${i * width + 0.5}%`, width: `${width - 1}%`, y: `${80 - (75 * each) / most}%`, height: `${(75 * each) / most}%` })));
  const at = (100 * (middle - low)) / (high - low);
  if (at >= 0 && at <= 100) drawn.append(svg("line", { x1: `${at}%`, x2: `${at}%`, y1: 0, y2: "80%" }));
  drawn.append(svg("text", { x: 0, y: "95%" }, value(low)), svg("text", { x: "100%", y: "95%", "text-anchor": "end" }, value(high)));
  return element("figure", {}, drawn, element("figcaption", {}, `${words}.`));
}

/* Contents: searched by words; folded on a small screen. */
find("#find").addEventListener("input", ({ target }) => {
  const words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const item of document.querySelectorAll(".contents li")) {
    const texts = [item, ...item.querySelectorAll("[data-words]")].map((each) => `${each.textContent} ${each.dataset.words ?? ""}`);
    item.hidden = !words.every((word) => texts.join(" ").toLowerCase().includes(word));
    found += !item.hidden;
  }
  find("#nothing").hidden = found > 0;
});
const narrow = matchMedia("(max-width: 70rem)");
if (narrow.matches) find(".contents details").open = false;
find(".contents").addEventListener("click", ({ target }) => {
  if (narrow.matches && target.closest("a")) find(".contents details").open = false;
});

/* A table that its box cuts off says how many of its columns are beyond, and goes to them. */
function tellCut(box) {
  const beyond = element("button", { type: "button", className: "beyond", title: "Scroll to the right", hidden: true });
  beyond.addEventListener("click", () => box.scrollBy({ left: 0.8 * box.clientWidth, behavior: "smooth" }));
  box.before(beyond);
  const head = box.querySelector("thead"), heads = [...(head?.lastElementChild.children ?? [])];
  const tell = () => {
    const edge = box.getBoundingClientRect().right;
    const count = heads.filter((each) => each.getBoundingClientRect().right > edge + 1).length;
    beyond.hidden = !count;
    box.style.setProperty("--head", `${head?.offsetHeight ?? 0}px`);
    beyond.textContent = `${count} more ${count === 1 ? "column" : "columns"} →`;
  };
  box.addEventListener("scroll", tell, { passive: true });
  new ResizeObserver(tell).observe(box);
}
for (const box of document.querySelectorAll(".scroll")) tellCut(box);

const first = find(".first .compare");
if (first) slide(first, first.dataset.words, "first-slider");

form.hidden = find(".find").hidden = false;
setUp();
new IntersectionObserver((seen, observer) => {
  if (!seen.some((each) => each.isIntersecting)) return;
  observer.disconnect();
  show();
}, { rootMargin: "800px" }).observe(form);
route();
