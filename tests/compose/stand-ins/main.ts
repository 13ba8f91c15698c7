import { standInCollector } from './collector';
import { standInGrafana } from './grafana';
import { standInJaeger } from './jaeger';

const standIns: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  collector: standInCollector,
  jaeger: standInJaeger,
  grafana: standInGrafana,
};

const [name = '', ...args] = process.argv.slice(2);
const start = standIns[name];
if (start === undefined) throw new Error(`no stand-in ${name}`);
process.on('SIGTERM', () => process.exit(0));
void start(args);
