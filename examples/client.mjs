// Call the scoring routes from Node 20 or newer, without a package: URL=http://127.0.0.1:3000 node examples/client.mjs
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const URL_BASE = process.env.URL ?? "http://127.0.0.1:3000";
const TRIES = 4; // most times that a request is sent
const MILLISECONDS = 30_000; // longest time for all tries of a request and the waits between them
const ASKED_TO_WAIT = [429, 503];
const LOST = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];

class RefusedError extends Error {}

/** What a Retry-After header asks for in milliseconds, be it seconds or a date; 0 where there is none to be read. */
function millisecondsAsked(retryAfter) {
  const text = (retryAfter ?? "").trim();
  const asked = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return asked > 0 ? asked : 0;
}

/**
 * The answer to a document. It is sent again where the service asks for it, and where the connection was lost; scoring
 * changes nothing, so that is safe. It is not sent again after a timeout, which would only add to the load.
 */
async function post(route, document) {
  const id = `example-${randomUUID()}`; // the same for all tries; it stands in the service's log
  const request = {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Request-ID": id },
    body: JSON.stringify(document),
  };
  const end = Date.now() + MILLISECONDS;
  for (let tries = 1; ; tries++) {
    let retryAfter, failure;
    try {
      const signal = AbortSignal.timeout(Math.max(1, end - Date.now()));
      const response = await fetch(URL_BASE + route, { ...request, signal });
      const text = await response.text();
      if (response.ok) return JSON.parse(text);
      const problem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
      failure = new RefusedError(`${response.status} ${problem ? text : `request id ${id}`}`);
      if (!ASKED_TO_WAIT.includes(response.status)) throw failure;
      retryAfter = response.headers.get("Retry-After");
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      const reason = error.cause?.code ?? error.message;
      failure = new RefusedError(`${URL_BASE}: ${reason} (request id ${id}, try ${tries})`);
      if (!LOST.includes(error.cause?.code)) throw failure;
    }
    // What was asked, and a random part that doubles, lest all who were refused come back at once.
    const wait = millisecondsAsked(retryAfter) + 100 + Math.random() * 250 * 2 ** tries;
    if (tries === TRIES || Date.now() + wait >= end) throw failure;
    await sleep(wait);
  }
}

async function main() {
  const application = JSON.parse(await readFile(new URL("application.json", import.meta.url), "utf8"));

  const decided = await post("/predict", application);
  console.log(decided.decision, decided.probability_of_default);

  const rows = [application, { ...application, loan_grade: "Z" }, { ...application, loan_percent_income: null }];
  for (const row of (await post("/predict/batch?partial=true", rows)).results) {
    if (row.errors) console.log(row.errors.map(({ loc, msg }) => `${loc.join(".")}: ${msg}`).join("; "));
    else console.log(row.decision, row.probability_of_default);
  }

  try {
    await post("/predict", { ...application, loan_grade: "Z" });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    console.error(error.message);
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof RefusedError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
