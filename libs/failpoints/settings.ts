import { Terms } from './terms';

/** Terms by the name of their point. */
export type FailpointSettings = Readonly<Record<string, string>>;

/**
 * Reads `name=terms;name=terms`, as `GOFAIL_FAILPOINTS` and a PUT to `/failpoints` have it.
 *
 * @throws SyntaxError
 */
export function parseFailpointSettings(text: string): FailpointSettings {
  const settings: Record<string, string> = {};
  for (const part of text.split(';')) {
    if (part === '') continue;
    const [name = '', terms, ...more] = part.split('=');
    if (name === '' || terms === undefined || more.length > 0) throw new SyntaxError(`bad failpoint "${part}"`);
    checkTerms(terms);
    settings[name] = terms;
  }
  return settings;
}

/** @throws SyntaxError when these are no terms */
export function checkTerms(text: string): void {
  new Terms(text, () => 0);
}
