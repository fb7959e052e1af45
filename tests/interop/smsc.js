#!/usr/bin/env node
// node-smpp as the SMSC behind trunkline: answers submit_sm, sends receipts, replies as the demo's simulated SMSC does.
//
//   smsc.js '{"key":"FILE"|null,"cert":"FILE"|null,"user":"…","password":"…"}'
//
// Listens on a free port of 127.0.0.1 and prints it as its first line; then a line of JSON per submit_sm. Ends at SIGTERM.
'use strict';
const fs = require('fs');
const smpp = require('smpp');

const a = JSON.parse(process.argv[2]);
const options = a.key ? { key: fs.readFileSync(a.key), cert: fs.readFileSync(a.cert) } : {};
let next = 0x6aad5;
const stamp = () => new Date().toISOString().replace(/[-:T]/g, '').slice(2, 12);
const SEGMENT = 140;

const server = smpp.createServer(options, (session) => {
  const bind = (pdu) => {
    const right = pdu.system_id === a.user && pdu.password === a.password;
    session.send(pdu.response(right ? { system_id: 'node-smpp' } : { command_status: smpp.ESME_RINVPASWD }));
  };
  session.on('error', (e) => { if (e.code !== 'ECONNRESET') console.error('smsc.js:', e.message); });
  for (const kind of ['transceiver', 'transmitter', 'receiver']) session.on(`bind_${kind}`, bind);
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => session.send(pdu.response(), () => session.close()));
  session.on('submit_sm', (pdu) => {
    const id = (next++).toString(16);
    session.send(pdu.response({ message_id: id }));
    const field = pdu.message_payload || pdu.short_message;
    const text = (field.message !== undefined ? field.message : field).toString();
    const part = field.udh && field.udh.length ? field.udh[0][field.udh[0].length - 1] : 1;
    console.log(JSON.stringify({ id, to: pdu.destination_addr, text, data_coding: pdu.data_coding, part }));
    const back = { source_addr_ton: pdu.dest_addr_ton, source_addr_npi: pdu.dest_addr_npi, source_addr: pdu.destination_addr,
      dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi, destination_addr: pdu.source_addr };
    setTimeout(() => {
      const [state, stat, err] = pdu.destination_addr.endsWith('01') ? [5, 'UNDELIV', '00B'] : [2, 'DELIVRD', '000'];
      session.deliver_sm({ ...back, esm_class: 4, receipted_message_id: id, message_state: state,
        short_message: `id:${id} sub:001 dlvrd:001 submit date:${stamp()} done date:${stamp()} stat:${stat} err:${err} text:${text.slice(0, 20)}` });
      if (part === 1) reply(session, back, text, pdu.data_coding);
    }, 50);
  });
});

function reply(session, back, text, coding) {
  if (!text.startsWith('long')) {
    session.deliver_sm({ ...back, data_coding: coding, short_message: `You wrote: ${text}`.slice(0, SEGMENT) });
    return;
  }
  const whole = `You wrote: ${text}. ${'This reply comes in three parts. '.repeat(9)}The end.`;
  const third = Math.ceil(whole.length / 3);
  for (const n of [3, 1, 2]) { // not in order: the gateway joins them
    session.deliver_sm({ ...back, esm_class: 0x40,
      short_message: { udh: Buffer.from([5, 0, 3, 9, 3, n]), message: whole.slice((n - 1) * third, n * third) } });
  }
}

process.on('SIGTERM', () => process.exit(0));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
