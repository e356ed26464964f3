// parse-server with its push adapter, end to end on PostgreSQL: from POST /parse/push until the
// _PushStatus of that push says that it ended.
//
// The worker is parse-server's own, in the same process, and the batches are of 100 devices, as by
// default: larger ones (an option of its queue, not documented) lose most of the pushes, because
// all batches are sent at the same moment. The installations are put into its table by SQL: saving
// them through its API is not what is measured. The address, the port and the certificate are
// options of node-apn, to which the push adapter hands them on.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
process.chdir(path.dirname(process.env.BENCH_TOKENS)); // it makes ./logs when it is loaded
const ParseServer = require('parse-server').ParseServer;
const ParsePushAdapter = require('@parse/push-adapter').default;
const pgp = require('pg-promise')();
const { measure, tokens } = require('../report.js');

const origin = new URL(process.env.BENCH_ORIGIN);
const APPLICATION = 'bench';
const MASTER_KEY = 'for-measuring-only';

function options(port) {
  return {
    databaseURI: process.env.BENCH_DATABASE,
    appId: APPLICATION,
    masterKey: MASTER_KEY,
    serverURL: `http://127.0.0.1:${port}/parse`,
    logLevel: 'error',
    logsFolder: null,
    silent: true,
    push: {
      adapter: new ParsePushAdapter({
        ios: {
          token: { key: process.env.BENCH_APNS_KEY, keyId: 'ABCDE12345', teamId: 'ABCDE12345' },
          topic: 'com.example.bench',
          address: origin.hostname,
          port: Number(origin.port),
          ca: [fs.readFileSync(process.env.BENCH_CA_FILE)],
        },
      }),
    },
  };
}

async function call(port, method, path, body) {
  const answer = await fetch(`http://127.0.0.1:${port}/parse${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      'x-parse-application-id': APPLICATION,
      'x-parse-master-key': MASTER_KEY,
    },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }
  return [await answer.json(), answer.headers];
}

async function fill(port, devices) {
  const first = { deviceType: 'ios', deviceToken: devices[0], appIdentifier: 'com.example.bench' };
  await call(port, 'POST', '/installations', { ...first, installationId: 'first' });
  const database = pgp(process.env.BENCH_DATABASE);
  await database.none(
    `INSERT INTO "_Installation" ("objectId", "createdAt", "updatedAt", "deviceType",
       "deviceToken", "appIdentifier", "installationId")
     SELECT substr(md5(t), 1, 10), now(), now(), 'ios', t, 'com.example.bench', t
     FROM unnest($1::text[]) t`,
    [devices.slice(1)]
  );
  await database.none('VACUUM ANALYZE "_Installation"');
  await database.$pool.end();
}

// Until every batch was counted; numSent is what parse-server says was taken by the provider.
async function push(port, devices) {
  const [, headers] = await call(port, 'POST', '/push', {
    where: { deviceType: 'ios' },
    data: {
      alert: {
        title: 'Winter sale',
        body: 'Everything in the shop is a third cheaper until Sunday night.',
      },
      campaign: 'winter',
    },
  });
  const statusPath = `/classes/_PushStatus/${headers.get('x-parse-push-status-id')}`;
  for (;;) {
    const [status] = await call(port, 'GET', statusPath);
    if (['succeeded', 'failed'].includes(status.status)) {
      return status.numSent ?? 0;
    }
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

async function main() {
  const devices = tokens();
  const server = http.createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const parse = new ParseServer(options(port));
  await parse.start();
  const express = require('express')();
  express.use('/parse', parse.app);
  server.on('request', express);
  await fill(port, devices);
  await measure(() => push(port, devices));
  process.exit(0);
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
