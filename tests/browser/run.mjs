// Token, send and status from the description pages, by mouse and keyboard in a real browser, as on the vendor's page.
// Usage: node run.mjs '{"base": …, "service": …, "password": …, "sender": …, "key": …, "shots": …}'; CHROMIUM names the browser.
// Prints "ok …" or "FAIL …" for each check; any error in the console, and any request to elsewhere, is a failure.
import puppeteer from "puppeteer-core";

const site = JSON.parse(process.argv[2]);
const origin = new URL(site.base).origin;
const failures = [];
const check = (name, holds, detail = "") => {
  console.log(`${holds ? "ok" : "FAIL"} browser: ${name}${holds ? "" : ` ${detail}`}`);
  if (!holds) failures.push(name);
};

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"],
});
const troubles = [];
const elsewhere = new Set();

async function open(path) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 1600 });
  page.on("console", (line) => line.type() === "error" && troubles.push(`console: ${line.text()}`));
  page.on("pageerror", (error) => troubles.push(`page: ${error.message}`));
  page.on("requestfailed", (request) => troubles.push(`failed: ${request.url()}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.origin !== origin) elsewhere.add(url.origin);
  });
  await page.goto(site.base + path, { waitUntil: "networkidle0", timeout: 30_000 });
  await page.waitForSelector(".opblock", { timeout: 20_000 });
  return page;
}

// Opens an operation, fills it in, executes it; gives what the server answered.
async function run(page, method, path, fields, body) {
  const block = await page.evaluateHandle(
    (method, path) =>
      [...document.querySelectorAll(`.opblock-${method}`)].find(
        (block) => block.querySelector(".opblock-summary-path")?.textContent.replaceAll("\u200b", "") === path,
      ),
    method,
    path,
  );
  const element = block.asElement();
  if (!element) throw new Error(`no operation ${method} ${path}`);
  if (!(await element.$(".opblock-body"))) await (await element.$(".opblock-summary-control")).click();
  await page.waitForFunction((block) => block.querySelector(".opblock-body .btn.execute, .try-out__btn"), {}, element);
  if (!(await element.$(".btn.execute"))) {
    await (await element.$(".try-out__btn")).click();
    await page.waitForFunction((block) => block.querySelector(".btn.execute"), {}, element);
  }
  for (const [name, value] of Object.entries(fields)) {
    const input = await element.$(`tr[data-param-name="${name}"] input`);
    await input.click({ clickCount: 3 });
    await input.type(value);
  }
  if (body) {
    const text = await element.$("textarea.body-param__text");
    await text.click();
    await page.keyboard.down("Control");
    await page.keyboard.press("a");
    await page.keyboard.up("Control");
    await page.keyboard.type(JSON.stringify(body));
  }
  const answered = page.waitForResponse((r) => r.request().method().toLowerCase() === method && !r.url().endsWith(".json"), { timeout: 15_000 });
  await (await element.$(".btn.execute")).click();
  const answer = await answered;
  const shown = await page.waitForFunction(
    (block) => block.querySelector(".live-responses-table tbody .response-col_status")?.textContent.trim(),
    { timeout: 10_000 },
    element,
  );
  return { status: answer.status(), body: await answer.json().catch(() => null), shown: await shown.jsonValue() };
}

async function authorize(page, value) {
  await (await page.waitForSelector(".auth-wrapper .authorize")).click();
  const input = await page.waitForSelector(".modal-ux input");
  await input.type(value);
  await (await page.$(".modal-ux .btn.authorize")).click();
  await (await page.waitForSelector(".modal-ux .btn-done")).click();
}

try {
  let page = await open("/mug/api/V1/api-docs/");
  const where = { service_id: site.service };
  const operations = await page.$$eval(".opblock-summary-path", (all) => all.map((e) => e.textContent.replaceAll("\u200b", "")));
  const find = (end) => operations.find((path) => path.endsWith(end));
  const parameter = /\{([^}]+)\}/.exec(find("/token"))[1];
  const service = { [parameter]: where.service_id };
  const token = await run(page, "post", find("/token"), service, { password: site.password });
  check("a token on the vendor's page", token.status === 201 && !!token.body?.token, JSON.stringify(token));
  await authorize(page, token.body.token);
  const message = { from: site.sender, to: "0601020304", text: "Bonjour du navigateur", extRef: "browser-1" };
  const sent = await run(page, "post", find("/messages"), service, message);
  check("a message sent from it", sent.status === 201 && /^[0-9a-f]{24}$/.test(sent.body?.id ?? ""), JSON.stringify(sent));
  const one = find("}") ?? operations.find((path) => /messages\/\{/.test(path));
  const id = /messages\/\{([^}]+)\}/.exec(one)[1];
  let status;
  for (let n = 0; n < 20; n += 1) {
    status = await run(page, "get", one, { ...service, [id]: sent.body.id });
    if (status.body?.history?.some((e) => e.status === "RECEIVED")) break;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  check("its status until it was received", status.status === 200 && status.body.history.some((e) => e.status === "RECEIVED"), JSON.stringify(status));
  check("what the page shows is what the server said", status.shown.startsWith("200"), status.shown);
  await page.screenshot({ path: `${site.shots}/vendor.png`, fullPage: false });
  const before = troubles.length;
  const refused = await run(page, "post", find("/messages"), service, { ...message, to: "1" });
  check("a refusal is shown", refused.status === 400 && refused.shown.startsWith("400"), JSON.stringify(refused));
  // The browser reports an answer of 400 in the console by itself.
  troubles.splice(before, troubles.length, ...troubles.slice(before).filter((t) => !/status of 400/.test(t)));
  await page.close();

  page = await open("/docs/");
  await authorize(page, site.key);
  const made = await run(page, "post", "/v1/messages", {}, { from: site.sender, to: "+33601020305", text: "From the native page" });
  check("a message sent from the native page", made.status === 201 && !!made.body?.id, JSON.stringify(made));
  const read = await run(page, "get", "/v1/messages/{id}", { id: made.body.id });
  check("its status there", read.status === 200 && read.body.id === made.body.id, JSON.stringify(read));
  await page.screenshot({ path: `${site.shots}/native.png`, fullPage: false });
  await page.close();
} catch (error) {
  check("the pages can be used", false, error.stack);
} finally {
  await browser.close();
}
check("no error in the console", troubles.length === 0, troubles.join("; "));
check("nothing loaded from elsewhere", elsewhere.size === 0, [...elsewhere].join(", "));
process.exit(failures.length ? 1 : 0);
