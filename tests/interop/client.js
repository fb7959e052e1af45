#!/usr/bin/env node
// node-smpp as a client: bind, submit (GSM-7, UCS-2, long as payload and in parts), receipts, MO, enquire_link, unbind.
// The SMSC behind the gateway answers each text with "You wrote: …", a text that begins with "long" with a reply in three
// parts, and does not deliver to numbers that end in 01: `trunkline demo` alone, or smsc.js as its upstream.
//
//   client.js '{"host":"127.0.0.1","port":5772,"ca":"FILE"|null,"user":"…","password":"…","sender":"…","name":"…"}'
//
// Prints a line per check, "ok …" or "FAIL …"; exit status 1 if any failed.
'use strict';
const fs = require('fs');
const smpp = require('smpp');

const a = JSON.parse(process.argv[2]);
const PATIENCE = 20_000;
let failed = 0;
const ok = (name) => console.log(`ok ${a.name}: ${name}`);
const fail = (name, why) => { failed++; console.log(`FAIL ${a.name}: ${name}: ${why}`); };

const textOf = (pdu) => {
  const field = pdu.message_payload || pdu.short_message;
  const text = field && field.message !== undefined ? field.message : field;
  return text === undefined ? '' : text.toString();
};
const receipts = new Map(); // receipted_message_id → deliver_sm
const mo = [];

function connect() {
  return new Promise((resolve, reject) => {
    const options = { host: a.host, port: a.port, tls: !!a.ca };
    if (a.ca) Object.assign(options, { ca: fs.readFileSync(a.ca), servername: 'localhost' });
    const session = smpp.connect(options, () => resolve(session));
    session.on('error', reject);
    session.on('enquire_link', (pdu) => session.send(pdu.response()));
    session.on('deliver_sm', (pdu) => {
      if (pdu.esm_class & 0x04) receipts.set(pdu.receipted_message_id, pdu);
      else mo.push(pdu);
      session.send(pdu.response());
    });
  });
}

const within = (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`no ${what} in ${PATIENCE} ms`)), PATIENCE); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};
const ask = (session, operation, fields) => within(new Promise((resolve) => session[operation](fields || {}, resolve)), `${operation}_resp`);
async function until(find, what) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((r) => setTimeout(r, 20))) {
    const found = find();
    if (found) return found;
  }
  throw new Error(`no ${what} in ${PATIENCE} ms`);
}
async function check(name, run) {
  try { await run(); ok(name); } catch (e) { fail(name, e.message); }
}
const want = (is, should, what) => { if (is !== should) throw new Error(`${what} is ${JSON.stringify(is)}, not ${JSON.stringify(should)}`); };

let session;
let number = 0;
const mobile = (end) => `4477${a.seed}${String(++number).padStart(4, '0')}${end}`;

async function submit(fields) {
  const pdu = await ask(session, 'submit_sm', {
    source_addr_ton: 1, source_addr_npi: 1, source_addr: a.sender, dest_addr_ton: 1, dest_addr_npi: 1, registered_delivery: 1, ...fields });
  want(pdu.command_status, 0, 'command_status of submit_sm_resp');
  if (!pdu.message_id) throw new Error('submit_sm_resp without message_id');
  return pdu.message_id;
}
async function receipted(id, fields, state, stat) {
  const pdu = await until(() => receipts.get(id), `receipt for ${id}`);
  want(pdu.message_state, state, 'message_state');
  want(pdu.source_addr, fields.destination_addr, 'source_addr of the receipt');
  want(pdu.destination_addr, a.sender, 'destination_addr of the receipt');
  const text = textOf(pdu);
  if (!text.includes(`id:${id} `) || !text.includes(`stat:${stat} `)) throw new Error(`the receipt reads ${text}`);
}
const reply = (from, what) => until(() => mo.find((p) => p.source_addr === from), `MO (${what})`);

async function main() {
  await check('a wrong password is refused', async () => {
    const stranger = await connect();
    const pdu = await ask(stranger, 'bind_transceiver', { system_id: a.user, password: 'wrong', interface_version: 0x34 });
    stranger.removeAllListeners('error');
    stranger.on('error', () => {});
    stranger.close();
    if (![0x0d, 0x0e].includes(pdu.command_status)) throw new Error(`status ${pdu.command_status}`);
  });
  await check(`binds as transceiver${a.ca ? ' over TLS' : ''}`, async () => {
    session = await connect();
    const pdu = await ask(session, 'bind_transceiver', { system_id: a.user, password: a.password, interface_version: 0x34 });
    want(pdu.command_status, 0, 'command_status of bind_transceiver_resp');
  });
  if (!session) return;

  const short = (name, text, coding) => check(name, async () => {
    const fields = { destination_addr: mobile('10'), short_message: text, data_coding: coding };
    await receipted(await submit(fields), fields, 2, 'DELIVRD');
    want(textOf(await reply(fields.destination_addr, name)), `You wrote: ${text}`, 'the MO');
  });
  await short('GSM-7 with @, accents, extension table: receipt and MO', 'Café @ 5€ [ok] {~} ΔΩ', 0);
  await short('UCS-2 with a surrogate pair: receipt and MO', 'Привет, 世界 🚂', 8);

  const long = 'A long text for one message_payload. '.repeat(12);
  await check('a long message as message_payload: one receipt', async () => {
    const fields = { destination_addr: mobile('20'), short_message: '', message_payload: long };
    await receipted(await submit(fields), fields, 2, 'DELIVRD');
    if (!textOf(await reply(fields.destination_addr, 'payload')).startsWith('You wrote: A long text for one')) throw new Error('another MO');
  });
  await check('a long message in three parts with a user data header: a receipt for each', async () => {
    const to = mobile('30');
    const parts = [1, 2, 3].map((n) => ({ destination_addr: to, esm_class: 0x40,
      short_message: { udh: Buffer.from([5, 0, 3, 77, 3, n]), message: `${n} `.repeat(70) } }));
    const ids = await Promise.all(parts.map(submit));
    want(new Set(ids).size, 3, 'number of message ids');
    for (const id of ids) await receipted(id, parts[0], 2, 'DELIVRD');
  });
  await check('an MO in three parts arrives whole', async () => {
    const fields = { destination_addr: mobile('40'), short_message: 'long please' };
    await submit(fields);
    const text = textOf(await reply(fields.destination_addr, 'long'));
    if (!/^You wrote: long please.*The end\.$/s.test(text) || text.length < 161) throw new Error(`${text.length} characters: ${text}`);
  });
  await check('a failed delivery is told', async () => {
    const fields = { destination_addr: mobile('01'), short_message: 'nobody there' };
    await receipted(await submit(fields), fields, 5, 'UNDELIV');
  });
  await check('no receipt is sent for what asks for none', async () => {
    const fields = { destination_addr: mobile('50'), short_message: 'silent', registered_delivery: 0 };
    const id = await submit(fields);
    await reply(fields.destination_addr, 'silent');
    await new Promise((r) => setTimeout(r, 300));
    want(receipts.has(id), false, 'receipted');
  });
  await check('a bad destination is refused and the session lives on', async () => {
    const pdu = await ask(session, 'submit_sm', { source_addr: a.sender, destination_addr: 'nobody', short_message: 'x' });
    want(pdu.command_status, 0x0b, 'command_status');
  });
  await check('enquire_link is answered', async () => want((await ask(session, 'enquire_link')).command_status, 0, 'command_status'));
  await check('unbind is answered', async () => want((await ask(session, 'unbind')).command_status, 0, 'command_status'));
}

main().catch((e) => fail('the run', e.stack)).finally(() => {
  if (session) { session.removeAllListeners('error'); session.on('error', () => {}); session.close(); }
  process.exit(failed ? 1 : 0);
});
