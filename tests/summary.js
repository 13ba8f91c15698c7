// Adds up the result files of the jest runs, names what was skipped and prints the closing line.
const { existsSync, readFileSync } = require('node:fs');

const total = { passed: 0, failed: 0, skipped: 0 };
for (const file of process.argv.slice(2)) {
  let run;
  try {
    run = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.log(`no result in ${file}: ${error.message}`);
    total.failed += 1;
    continue;
  }
  total.passed += run.numPassedTests;
  total.failed +=
    run.numFailedTests +
    run.testResults.filter(({ assertionResults, status }) => status === 'failed' && assertionResults.length === 0)
      .length;
  total.skipped += run.numPendingTests + run.numTodoTests;
  for (const { assertionResults } of run.testResults) {
    for (const { status, fullName } of assertionResults) if (status === 'pending') console.log(`skipped: ${fullName}`);
  }
}
if (total.passed === 0) total.failed += 1;
// What stood in for an image that could not be pulled (tests/compose/prepare.sh).
const standIns = `${__dirname}/../dist/compose-stand-ins.txt`;
if (existsSync(standIns)) process.stdout.write(readFileSync(standIns, 'utf8'));
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;
