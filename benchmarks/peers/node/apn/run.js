// @parse/node-apn: `Provider.send` with a list of tokens, 500 at a time.
//
// The documentation gives send() an array of recipients. One call with more than some thousands
// fails (each request gets 5 s from the call on), so that the list is cut. The address, the port
// and the certificate are options of the library.
'use strict';
const fs = require('fs');
const apn = require('@parse/node-apn');
const { measure, tokens } = require('../report.js');

const TOGETHER = 500;

async function send(provider, devices) {
  const notification = new apn.Notification();
  notification.topic = 'com.example.bench';
  notification.pushType = 'alert';
  notification.alert = {
    title: 'Winter sale',
    body: 'Everything in the shop is a third cheaper until Sunday night.',
  };
  notification.payload = { campaign: 'winter' };
  let accepted = 0;
  for (let start = 0; start < devices.length; start += TOGETHER) {
    const answer = await provider.send(notification, devices.slice(start, start + TOGETHER));
    accepted += answer.sent.length;
  }
  return accepted;
}

async function main() {
  const origin = new URL(process.env.BENCH_ORIGIN);
  const provider = new apn.Provider({
    token: { key: process.env.BENCH_APNS_KEY, keyId: 'ABCDE12345', teamId: 'ABCDE12345' },
    address: origin.hostname,
    port: Number(origin.port),
    ca: [fs.readFileSync(process.env.BENCH_CA_FILE)],
  });
  const devices = tokens();
  await measure(() => send(provider, devices));
  await provider.shutdown();
  process.exit(0); // its timers would keep the process
}

main();
