/** JSON as it comes over HTTP: one value, or several one after another in pieces. */

/** The client's text is not what the method takes: InvalidArgument, 400. */
export class JsonInputError extends Error {
  override readonly name = 'JsonInputError';
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/**
 * The first JSON value of a text. What follows it is ignored, as Go's decoder does. Integers too long for a number are left
 * exact, as strings.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(quoteLongIntegers(text));
  } catch {
    const first = firstValue(text);
    if (first === undefined) throw new JsonInputError('unexpected EOF');
    try {
      return JSON.parse(quoteLongIntegers(first));
    } catch (error) {
      throw new JsonInputError(`proto: syntax error: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function firstValue(text: string): string | undefined {
  const splitter = new JsonSplitter(Number.MAX_SAFE_INTEGER);
  return splitter.push(Buffer.from(text, 'utf8'))[0];
}

/** Puts quotes around integer literals of 16 digits and more: `JSON.parse` would round them. */
export function quoteLongIntegers(text: string): string {
  if (!/[:,[\s]-?\d{16}/.test(text)) return text;
  let result = '';
  let pos = 0;
  while (pos < text.length) {
    const quote = text.indexOf('"', pos);
    const outside = quote === -1 ? text.slice(pos) : text.slice(pos, quote);
    result += outside.replace(/(?<![\d.eE+])-?\d{16,}(?![\d.eE])/g, '"$&"');
    if (quote === -1) break;
    const end = endOfString(text, quote);
    result += text.slice(quote, end);
    pos = end;
  }
  return result;
}

function endOfString(text: string, openingQuote: number): number {
  let pos = openingQuote + 1;
  while (pos < text.length) {
    const code = text.charCodeAt(pos);
    if (code === QUOTE) return pos + 1;
    pos += code === BACKSLASH ? 2 : 1;
  }
  return text.length;
}

/**
 * Cuts a byte stream into its JSON objects. Between them may stand white space; anything else is an error. Holds at most one
 * unfinished object of `bytesMax`.
 */
export class JsonSplitter {
  private pieces: Buffer[] = [];
  private heldBytes = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;

  constructor(private readonly bytesMax: number) {}

  /** True inside an object: the stream must not end here. */
  get unfinished(): boolean {
    return this.depth > 0;
  }

  /** The objects that end in this chunk. Throws JsonInputError. */
  push(chunk: Buffer): string[] {
    const values: string[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.depth === 0) {
        if (!this.begins(byte)) continue;
        start = i;
        this.depth = 1;
      } else if (this.ends(byte)) {
        values.push(Buffer.concat([...this.pieces, chunk.subarray(start, i + 1)]).toString('utf8'));
        this.pieces = [];
        this.heldBytes = 0;
        start = i + 1;
      }
    }
    if (this.depth > 0) this.hold(chunk.subarray(start));
    return values;
  }

  private begins(byte: number): boolean {
    if (byte === OPEN_BRACE) return true;
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) return false;
    throw new JsonInputError(`invalid character '${String.fromCharCode(byte)}' looking for beginning of value`);
  }

  /** Takes a byte inside an object; true if the object ends with it. */
  private ends(byte: number): boolean {
    if (this.inString) {
      if (this.escaped) this.escaped = false;
      else if (byte === BACKSLASH) this.escaped = true;
      else if (byte === QUOTE) this.inString = false;
      return false;
    }
    if (byte === QUOTE) this.inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.depth++;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.depth--;
    return this.depth === 0;
  }

  private hold(rest: Buffer): void {
    this.pieces.push(rest);
    this.heldBytes += rest.length;
    if (this.heldBytes > this.bytesMax) throw new JsonInputError('request body is too large');
  }
}
