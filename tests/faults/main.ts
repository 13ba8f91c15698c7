import { buildDiskLibrary } from './disk/library';
import { runPowerCuts } from './power-cuts';

async function main(): Promise<number> {
  const kills = Number(process.argv[2] ?? 10);
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
  const library = buildDiskLibrary();
  if (library === undefined) throw new Error('no C compiler');
  const result = await runPowerCuts({
    library,
    seed,
    kills,
    syncsLie: process.argv[4] === 'lie',
    onProgress: (line) => console.error(line),
  });
  console.log(seed, JSON.stringify(result, null, 1));
  return result.problems.length === 0 ? 0 : 1;
}

void main().then((code) => process.exit(code));
