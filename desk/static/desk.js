// The desk's script. All that it does the forms do without it too: it checks as one types, and asks again as one slides.
"use strict";

const form = document.getElementById("application");
const answer = document.getElementById("answer");
const ranged = document.getElementById("along-range");
const asFiled = document.getElementById("filed");
const said = document.getElementById("said");
const CHECK_AFTER = 350, ASK_AFTER = 90; // milliseconds without a change
const UNREACHED = "The service can't be reached. What you have typed is still here; try again in a moment.";
const SIGNED_OUT = "You are signed out. Sign in again in another tab; what you have typed is still here.";
const asking = {};
let waiting = 0, filed = null;

function inReadersFormat(root) {
  const locale = navigator.languages?.length ? navigator.languages : undefined;
  const rewrite = (kind, options) => {
    const format = new Intl.NumberFormat(locale, options);
    for (const element of root.querySelectorAll(`data.${kind}`)) element.textContent = format.format(element.value);
  };
  const percent = (value, digits) => new Intl.NumberFormat(locale, {
    style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(value);
  for (const element of root.querySelectorAll("data.p")) {
    const {value, textContent: text, dataset: {digits}} = element, least = 10 ** -digits / 100;
    element.textContent = text[0] === "<" ? `< ${percent(least, digits)}`
      : text[0] === ">" ? `> ${percent(1 - least, digits)}` : percent(value, digits);
  }
  rewrite("n", {maximumFractionDigits: 6});
  rewrite("s", {signDisplay: "always", minimumFractionDigits: 2, maximumFractionDigits: 2});
  const time = new Intl.DateTimeFormat(locale, {dateStyle: "medium", timeStyle: "medium"});
  for (const element of root.querySelectorAll("time[datetime]"))
    if (element.dateTime.includes("T")) element.textContent = time.format(new Date(element.dateTime));
}

function entries() {
  return [...form.querySelectorAll(".entry")];
}

function control(entry) {
  return entry.querySelector("[name]");
}

function tell(errors, all) {
  for (const entry of entries()) {
    const input = control(entry);
    if (!all && !entry.dataset.touched) continue;
    const message = errors[input.name] ?? "";
    entry.classList.toggle("wrong", message !== "");
    message ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid");
    const place = entry.querySelector(".error");
    if (place.textContent !== message) place.textContent = message;
  }
}

// The answers to what was asked last of each kind: what was asked before is dropped, whether it has come or not.
async function ask(kind, path) {
  asking[kind]?.abort();
  const mine = asking[kind] = new AbortController();
  const response = await fetch(path, {
    method: "POST", body: new URLSearchParams(new FormData(form)), signal: mine.signal,
    headers: {"X-Desk-Piece": "1"}, credentials: "same-origin", redirect: "manual",
  });
  // What stands in front sends whoever has been signed out to its own page, or says itself that nothing answers.
  if (response.type === "opaqueredirect") throw new Error(SIGNED_OUT);
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  const content = await (isJson ? response.json() : response.text());
  if (!response.ok && !isJson && !content.includes("panel problem")) throw new Error(UNREACHED);
  if (mine !== asking[kind]) throw new DOMException("", "AbortError");
  reached();
  return {response, content};
}

async function check() {
  const {content} = await ask("answer", form.dataset.check);
  if (content.errors) tell(content.errors, false);
}

async function whatIf() {
  const {response, content} = await ask("answer", form.dataset.whatIf);
  if (content.errors) return tell(content.errors, true);
  if (response.ok) tell({}, true);
  show(content);
  if (response.ok) goAlong();
}

async function goAlong() {
  const {response, content} = await ask("along", ranged.dataset.path);
  if (!response.ok) return;
  ranged.innerHTML = content;
  inReadersFormat(ranged);
}

function show(html) {
  answer.innerHTML = html;
  inReadersFormat(answer);
  said.textContent = [...answer.querySelectorAll("h1, #decided, .figures dd")].map((each) => each.textContent).slice(0, 2).join(" · ");
  said.classList.toggle("now", html !== filed);
  if (asFiled) asFiled.hidden = html === filed;
}

function markChanges() {
  for (const entry of entries()) entry.classList.toggle("changed", control(entry).value !== entry.dataset.filed);
  return form.querySelector(".entry.changed") !== null;
}

function back() {
  clearTimeout(waiting);
  asking.answer?.abort();
  for (const entry of entries()) {
    control(entry).value = entry.dataset.filed;
    const slider = entry.querySelector(".slider");
    if (slider) slider.value = entry.dataset.filed;
  }
  markChanges();
  tell({}, true);
  show(filed);
  goAlong().catch(offline);
}

function changed(event) {
  const entry = event.target.closest(".entry");
  if (!entry) return;
  entry.dataset.touched = "1";
  const input = control(entry), slider = entry.querySelector(".slider");
  if (event.target === slider) input.value = slider.value;
  else if (slider) slider.value = input.value;
  const trying = "whatIf" in form.dataset;
  clearTimeout(waiting);
  if (trying && !markChanges()) return back();
  waiting = setTimeout(() => (trying ? whatIf() : check()).catch(offline), trying ? ASK_AFTER : CHECK_AFTER);
}

function offline(error) {
  if (error.name === "AbortError") return;
  said.textContent = error.message === SIGNED_OUT ? SIGNED_OUT : UNREACHED;
  said.classList.add("alarm");
}

function reached() {
  said.classList.remove("alarm");
}

inReadersFormat(document);
if (form) {
  filed = answer.innerHTML;
  for (const entry of entries()) entry.dataset.filed = control(entry).value;
  if ("whatIf" in form.dataset) for (const slider of form.querySelectorAll(".slider")) slider.hidden = false;
  form.addEventListener("input", changed);
  asFiled?.querySelector("button").addEventListener("click", () => {
    back();
    document.getElementById("decided").focus();
  });
  if (ranged) {
    const pick = document.getElementById("along");
    document.getElementById("go-along").hidden = true;
    pick.addEventListener("input", () => goAlong().catch(offline));
    form.addEventListener("change", ({target}) => {
      const {field} = target.closest(".entry")?.dataset ?? {};
      if (field === pick.value || ![...pick.options].some(({value}) => value === field)) return;
      pick.value = field;
      goAlong().catch(offline);
    });
  }
}
(document.getElementById("problem") ?? (form && document.getElementById("decided")))?.focus();
