"use strict";
// `rater` is all that is kept in the browser: {name, number, token, votes: {trial: {choice, seconds}}, at}.
const study = JSON.parse(document.getElementById("study").textContent);
const server = document.documentElement.dataset.server === "yes";
const place = `study-${study.identity}`;
const named = (id) => document.getElementById(id);
const letter = (i) => String.fromCharCode(65 + i);
let rater = null, shown = 0, before = 0, busy = false;

function keep() {
  try { localStorage.setItem(place, JSON.stringify(rater)); }
  catch { warn("This browser cannot store your votes: do not close the page before you have saved them."); }
}
function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(place));
    return found?.votes && typeof found.name === "string" && Number.isInteger(found.number) && found.at >= 0 ? found : null;
  } catch { return null; }
}
function warn(text) { named("warning").textContent = text; named("warning").hidden = !text; }
function say(text) { named("said").textContent = text; }
function turnTo(id) {
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== id;
  document.querySelector(`#${id} [tabindex="-1"], #${id} input`)?.focus();
}

const order = () => study.sequences[rater.number % study.sequences.length];
const trial = () => study.trials[order()[rater.at]];
const done = () => study.trials.filter((each) => rater.votes[each.name]).length;
const seconds = () => Math.min(86400, Math.round(before / 100 + (performance.now() - shown) / 100) / 10);
const chosen = () => document.querySelector("#pictures input:checked");

function picture(source, words) {
  const image = new Image();
  image.src = source;
  image.alt = words;
  image.onload = () => image.parentElement?.classList.toggle("small", image.naturalWidth < 128);
  return image;
}

function show() {
  if (rater.at >= study.trials.length) return finish();
  const { name, input, results, orders } = trial(), vote = rater.votes[name];
  const missing = document.createElement("figure"), caption = document.createElement("figcaption");
  caption.className = "name soft";
  caption.textContent = "hatched: missing part";
  missing.append(caption, picture(input, "The picture with its missing part hatched"));
  const labels = orders[rater.number % orders.length].map((which, i) => {
    const label = document.createElement("label"), head = document.createElement("span"), radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "choice", value: results[which].code, checked: vote?.choice === results[which].code, disabled: server && Boolean(vote) });
    radio.setAttribute("aria-label", `Result ${letter(i)}`);
    radio.onchange = chose;
    head.className = "name";
    head.append(radio, `${letter(i)} `, Object.assign(document.createElement("kbd"), { className: "keys", textContent: i + 1 }));
    label.append(head, picture(results[which].picture, ""));
    return label;
  });
  named("pictures").replaceChildren(missing, ...labels);
  named("final").textContent = server && vote ? "You have voted on this picture; a vote is final." : "";
  named("back").disabled = rater.at === 0;
  named("next").disabled = !vote;
  progress();
  turnTo("vote");
  [shown, before] = [performance.now(), vote ? vote.seconds * 1000 : 0];
  say(`Picture ${rater.at + 1} of ${study.trials.length}.`);
}

function progress() {
  const count = done(), bar = document.querySelector(".bar");
  named("progress").textContent = `picture ${rater.at + 1} of ${study.trials.length}, ${count} done`;
  bar.setAttribute("aria-valuemax", study.trials.length);
  bar.setAttribute("aria-valuenow", count);
  bar.firstElementChild.style.width = `${100 * count / study.trials.length}%`;
}

function chose() {
  named("next").disabled = false;
  say(`${chosen().getAttribute("aria-label")} chosen.`);
}

async function confirmChoice() {
  const radio = chosen(), name = trial().name, vote = rater.votes[name];
  if (!radio || busy) return;
  if (!vote || (!server && vote.choice !== radio.value)) {
    const given = { choice: radio.value, seconds: seconds() };
    if (server) {
      const answer = await ask("POST", `raters/${rater.token}/votes`, { trial: name, ...given });
      if (!answer) return;
      given.choice = answer.choice; // differs where an earlier vote counts
    }
    rater.votes[name] = given;
  }
  rater.at += 1;
  keep();
  show();
}

// The answer's JSON; null, with a warning, without an answer or when it refuses anything but a second vote.
async function ask(method, path, body) {
  busy = true;
  try {
    const options = body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(path, { method, ...options });
    const answer = await response.json();
    if (method === "GET" && response.status === 404) return { unknown: true };
    warn(response.ok ? "" : answer.error);
    return response.ok || answer.choice ? answer : null;
  } catch {
    warn("The server does not answer. Your votes so far are kept; try again in a moment.");
    return null;
  } finally { busy = false; }
}

function goBack() {
  if (rater.at === 0) return;
  rater.at -= 1;
  keep();
  show();
}

function pause(greeting) {
  before = seconds() * 1000;
  const text = `${greeting}${done()} of ${study.trials.length} pictures are done. `;
  named("resting").textContent = text + (server ? "They are kept by the server." : "They are kept in this browser.");
  turnTo("rest");
}

function resume() {
  warn("");
  if (rater.at >= study.trials.length || !named("pictures").childElementCount) return show();
  turnTo("vote");
  shown = performance.now();
}

function finish() {
  named("ended").textContent = server
    ? "The server has all your votes; you can close this page."
    : "Save your votes as a file and send it to the person who asked you.";
  turnTo("end");
  document.querySelector("#end .save:not([hidden])")?.focus();
  say("All pictures are done.");
}

function save() {
  const { name, number, votes } = rater;
  const file = { identity: study.identity, rater: name, number, votes };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1) + "\n"], { type: "application/json" }));
  link.download = `votes-${study.identity.slice(0, 8)}-${name.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say("Saved.");
}

async function enter(event) {
  event.preventDefault();
  const field = named("rater"), name = field.value.trim();
  const fits = /^[\p{L}\p{Nd}_][\p{L}\p{Nd}_ .'-]{0,39}$/u.test(name);
  field.setCustomValidity(fits ? "" : "Start with a letter or digit, then use letters, digits, spaces, . ' and -.");
  if (!field.reportValidity() || busy) return;
  rater = { name, number: Number(named("number").value), votes: {}, at: 0 };
  if (server) {
    const answer = await ask("POST", "raters", { name });
    if (!answer) return;
    Object.assign(rater, answer);
  }
  keep();
  show();
}

function anew() {
  if (!confirm(`Forget ${rater.name} in this browser?${server ? "" : " Votes that are not saved are lost."}`)) return;
  rater = null;
  try { localStorage.removeItem(place); } catch { /* nothing was stored */ }
  warn("");
  named("rater").value = "";
  begin();
}

function begin() {
  named("total").textContent = study.trials.length;
  named("numbered").hidden = server;
  named("number").disabled = server;
  named("number").value = new URLSearchParams(location.search).get("rater") ?? "";
  turnTo("start");
}

// A returning rater continues; the server knows best which votes it has.
async function welcome() {
  rater = kept();
  if (rater && server) {
    const known = await ask("GET", `raters/${rater.token}`);
    if (known?.unknown) rater = null;
    else if (known) {
      const votes = Object.entries(known.votes).map(([name, choice]) => [name, rater.votes[name] ?? { choice, seconds: 0 }]);
      Object.assign(rater, { number: known.number, votes: Object.fromEntries(votes) });
    }
  }
  if (!rater) return begin();
  if (done() === study.trials.length) return finish();
  pause(`Welcome back, ${rater.name}. `);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const typing = event.target.matches("input:not([type=radio])"), pressed = event.target.matches("button");
  const radios = [...document.querySelectorAll("#pictures input")], digit = Number(event.key);
  const voting = !named("vote").hidden, resting = !named("rest").hidden;
  const key = event.key.toLowerCase();
  if (typing || (key === "enter" && pressed)) return;
  if (voting && digit >= 1 && digit <= radios.length && !radios[digit - 1].disabled) {
    radios[digit - 1].focus();
    radios[digit - 1].click();
  } else if (voting && key === "enter") confirmChoice();
  else if (voting && key === "backspace") goBack();
  else if (voting && key === "p") pause("");
  else if (resting && (key === "p" || key === "enter")) resume();
  else return;
  event.preventDefault();
});
named("enter").addEventListener("submit", enter);
named("rater").addEventListener("input", () => named("rater").setCustomValidity(""));
named("choose").addEventListener("submit", (event) => { event.preventDefault(); confirmChoice(); });
named("back").addEventListener("click", goBack);
named("pause").addEventListener("click", () => pause(""));
named("resume").addEventListener("click", resume);
named("again").addEventListener("click", () => { rater.at = 0; show(); });
for (const button of document.querySelectorAll(".save")) {
  button.hidden = server;
  button.addEventListener("click", save);
}
for (const button of document.querySelectorAll(".anew")) button.addEventListener("click", anew);
welcome();
