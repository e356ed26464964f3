// What a runner in JavaScript reports: the same as benchmarks/peers/runner.py does.
'use strict';
const fs = require('fs');

function peakMb() {
  return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
}

// Calls send(), which resolves to the number of accepted devices, and prints the report. CPU is
// that of the whole process, V8's helper threads included.
exports.measure = async function measure(send) {
  const cpu = process.cpuUsage();
  const began = process.hrtime.bigint();
  const accepted = await send();
  const used = process.cpuUsage(cpu);
  console.log(
    JSON.stringify({
      accepted,
      cpu_seconds: (used.user + used.system) / 1e6,
      wall_seconds: Number(process.hrtime.bigint() - began) / 1e9,
      peak_mb: peakMb(),
    })
  );
};

exports.tokens = () => fs.readFileSync(process.env.BENCH_TOKENS, 'utf8').split('\n').filter(Boolean);
