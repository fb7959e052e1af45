// A fast webhook endpoint: answers 200 to everything, and writes how much came into the file of its first argument.
import http from "node:http";
import { writeFileSync } from "node:fs";

let count = 0;
let last = 0;
const server = http.createServer((request, response) => {
  request.on("data", () => {});
  request.on("end", () => {
    count += 1;
    last = Date.now();
    response.writeHead(200, { "Content-Length": 0 });
    response.end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
setInterval(() => writeFileSync(process.argv[2], `${count} ${last}\n`), 100).unref();
process.on("SIGTERM", () => {
  writeFileSync(process.argv[2], `${count} ${last}\n`);
  process.exit(0);
});
