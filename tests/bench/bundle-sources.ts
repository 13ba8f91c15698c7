import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceOf } from './cpu-profile';

/** The comment that the bundler puts before each module. */
const MODULE_COMMENT = /^\/\/ ((?:\.\.\/)*(?:libs|services|proto|node_modules)\/\S+)$/;

/** Line numbers (from 0) where modules begin, ascending, with their files. */
export function modulesOf(bundle: string): Array<{ readonly line: number; readonly file: string }> {
  return bundle.split('\n').flatMap((text, line) => {
    const file = MODULE_COMMENT.exec(text)?.[1];
    return file === undefined ? [] : [{ line, file }];
  });
}

/** Names the source file of a line of a bundled script; of others their path below `root`, Node's own as they are. */
export function createSourceOf(root: string): SourceOf {
  const known = new Map<string, ReturnType<typeof modulesOf>>();
  return (url, line) => {
    const path = url.startsWith('file:') ? fileURLToPath(url) : url;
    if (path === '') return '(native)';
    if (!path.startsWith('/')) return path;
    let modules = known.get(path);
    if (modules === undefined) known.set(path, (modules = modulesOf(readFileSync(path, 'utf8'))));
    const module = modules.findLast((candidate) => candidate.line <= line);
    return module?.file ?? relative(root, path).replace(/^dist\//, '');
  };
}
