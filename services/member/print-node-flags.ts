import { PROCESS_NAMES } from '../../libs/config/process-config';
import { nodeFlags } from './node-flags';

// For `bin/hexad process NAME`: what Node.js is to be started with so that it becomes this process. V8 takes most of it at its start only.
const name = PROCESS_NAMES.find((one) => one === process.argv[2]);
process.stdout.write(`${name === undefined ? '--no-warnings' : nodeFlags(name).join(' ')}\n`);
