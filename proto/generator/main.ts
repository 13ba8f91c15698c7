/** Writes proto/gen from proto/**\/*.proto. Files whose text is the same are left alone, so that `tsc -b` stays incremental. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { emitJsonSchema } from './emit-json-schema';
import { emitModule, moduleName } from './emit-module';
import { loadSchema } from './schema';

const protoDir = resolve(__dirname, '../../../proto');
const outDir = join(protoDir, 'gen');

function main(): void {
  const packages = loadSchema(protoDir, findProtoFiles());
  mkdirSync(outDir, { recursive: true });
  const modules = new Map(packages.map((model) => [`${moduleName(model.name)}.ts`, emitModule(model, packages)]));
  modules.set('json_schema.ts', emitJsonSchema(packages));
  for (const file of readdirSync(outDir)) if (!modules.has(file)) rmSync(join(outDir, file), { recursive: true });
  for (const [file, text] of modules) writeIfChanged(file, text);
}

function findProtoFiles(): string[] {
  const entries = readdirSync(protoDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.proto'));
  return files.map((entry) => relative(protoDir, join(entry.parentPath, entry.name))).sort();
}

function writeIfChanged(name: string, text: string): void {
  const path = join(outDir, name);
  let old: string | undefined;
  try {
    old = readFileSync(path, 'utf8');
  } catch {
    old = undefined;
  }
  if (old !== text) writeFileSync(path, text);
}

main();
