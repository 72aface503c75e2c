// What takes longer than a request: sends a file piece by piece, and looks how far a job is.
"use strict";
{
  const LOOK_AFTER = 1000, TRIES = 5; // milliseconds; of a piece
  const locale = navigator.languages?.length ? navigator.languages : undefined;

  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  async function post(path, body, headers = {}) {
    for (let tried = 1; ; tried++) {
      try {
        const response = await fetch(path, {
          method: "POST", body, headers: {"X-Desk-Piece": "1", ...headers}, credentials: "same-origin", redirect: "error",
        });
        if (response.status !== 429 && response.status !== 503) return response;
        if (tried === TRIES) return response;
      } catch (error) {
        if (tried === TRIES) throw new Error("The service can’t be reached. Try again in a moment.", {cause: error});
      }
      await wait(tried * LOOK_AFTER);
    }
  }

  // What a problem page says, for its place in the form.
  function said(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    return [...page.querySelectorAll("h1, p")].slice(0, 3).map((each) => each.textContent.trim()).join(" ");
  }

  async function told(response) {
    if (!response.ok) throw new Error(said(await response.text()));
    return response.json();
  }

  async function send(form, file) {
    const about = new URLSearchParams(new FormData(form));
    about.delete("file");
    about.set("name", file.name);
    about.set("size", file.size);
    const {piece, page, bytes} = await told(await post(form.action, about));
    const button = form.querySelector("button"), share = new Intl.NumberFormat(locale, {style: "percent"});
    const headers = {"X-Desk-Token": about.get("token"), "Content-Type": "application/octet-stream"};
    for (let at = 0; at < file.size; at += bytes) {
      button.textContent = `Sending, ${share.format(at / file.size)}`;
      await told(await post(new URL(piece, form.action), file.slice(at, at + bytes), {...headers, "X-Desk-Offset": String(at)}));
    }
    location.assign(new URL(page, form.action)); // both are told as seen from where the form was sent
  }

  for (const form of document.querySelectorAll("form.upload")) {
    const input = form.querySelector("input[type=file]"), drop = form.querySelector(".drop");
    const error = form.querySelector(".error"), button = form.querySelector("button"), name = button.textContent;
    const over = (is) => (event) => { event.preventDefault(); drop.classList.toggle("over", is); };
    drop.addEventListener("dragover", over(true));
    drop.addEventListener("dragleave", over(false));
    drop.addEventListener("drop", (event) => {
      over(false)(event);
      if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [file] = input.files;
      error.textContent = "";
      button.disabled = true;
      try {
        if (file.size > Number(form.dataset.most)) throw new Error("The file is larger than what may be sent here. Part it, or score it by `python -m portfolio`.");
        await send(form, file);
      } catch (problem) {
        error.textContent = problem.message;
        button.textContent = name;
        button.disabled = false;
      }
    });
  }

  // A text's sources: a file of the reader's, and what stands on the page.
  for (const source of document.querySelectorAll("[data-into]")) {
    const into = document.getElementById(source.dataset.into);
    (source.closest("label") ?? source).hidden = false;
    if (source.dataset.copy)
      source.addEventListener("click", () => { into.value = document.getElementById(source.dataset.copy).textContent; into.focus(); });
    else
      source.addEventListener("change", async () => { if (source.files.length) into.value = await source.files[0].text(); into.focus(); });
  }

  async function look(job) {
    const active = ["reading", "running"];
    for (const link of job.querySelectorAll(".again")) link.hidden = true;
    let failures = 0;
    while (active.includes(job.dataset.state)) {
      await wait(LOOK_AFTER * (1 + failures));
      try {
        const response = await fetch(location.href, {headers: {"X-Desk-Piece": "1"}, credentials: "same-origin", redirect: "error"});
        const found = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("job");
        if (!found) { if (response.status === 404) return location.reload(); throw new Error(); }
        failures = 0;
        const focused = job.contains(document.activeElement), ended = !active.includes(found.dataset.state);
        job.dataset.state = found.dataset.state;
        job.replaceChildren(...found.childNodes);
        for (const link of job.querySelectorAll(".again")) link.hidden = true;
        if (focused) job.querySelector(ended ? "h2" : "button")?.focus();
        inReadersFormat(job);
        document.getElementById("job-said").textContent = ended ? job.querySelector("h2").textContent : "";
      } catch {
        failures = Math.min(failures + 1, 10);
      }
    }
  }

  const job = document.getElementById("job");
  if (job) look(job);
}
