// Asks twice on each of many kept connections, about five seconds apart: prints how many second requests failed, and how
// many went over the connection of the first.
const http = require("node:http");

const [url, count, seconds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
// First in, first out: each connection is used again once, after its pause.
const agent = new http.Agent({ keepAlive: true, maxSockets: count, maxFreeSockets: count, scheduling: "fifo" });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const ask = () => new Promise((done) => {
  const request = http.get(url, { agent }, (response) => {
    response.resume().on("end", () => done({ failed: false, reused: request.reusedSocket }));
  });
  request.on("error", () => done({ failed: true, reused: request.reusedSocket }));
});

(async () => {
  await Promise.all(Array.from({ length: count }, ask));
  const second = await Promise.all(Array.from({ length: count }, async (_, i) => {
    await sleep(seconds * 1000 + 2 * (i - count / 2));
    return ask();
  }));
  console.log(JSON.stringify({
    failed: second.filter((answer) => answer.failed).length,
    reused: second.filter((answer) => answer.reused && !answer.failed).length,
  }));
  agent.destroy();
})();
