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
    const first = JsonSplitter.first(Buffer.from(text, 'utf8'));
    if (first === undefined) throw new JsonInputError('unexpected EOF');
    try {
      return JSON.parse(quoteLongIntegers(first));
    } catch (error) {
      throw new JsonInputError(`proto: syntax error: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
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
  /** The byte looked at next is the brace that opened the object. */
  private fresh = false;

  constructor(private readonly bytesMax: number) {}

  /** True inside an object: the stream must not end here. */
  get unfinished(): boolean {
    return this.depth > 0;
  }

  /** The objects that end in this chunk. Throws JsonInputError. */
  push(chunk: Buffer): string[] {
    const values: string[] = [];
    let pos = 0;
    for (;;) {
      if (this.depth === 0) pos = this.begin(chunk, pos);
      const end = this.end(chunk, pos);
      const piece = chunk.subarray(pos, end);
      if (this.depth > 0) {
        this.hold(piece);
        return values;
      }
      if (piece.length === 0) return values;
      values.push(Buffer.concat([...this.pieces, piece]).toString('utf8'));
      this.pieces = [];
      this.heldBytes = 0;
      pos = end;
    }
  }

  /** The first object of a whole text, whatever follows it; undefined if it does not end. */
  static first(text: Buffer): string | undefined {
    const splitter = new JsonSplitter(text.length);
    const start = splitter.begin(text, 0);
    const end = splitter.end(text, start);
    return splitter.unfinished || end === start ? undefined : text.toString('utf8', start, end);
  }

  /** Where the next object begins, from then on inside it; the chunk's end if none does. */
  private begin(chunk: Buffer, from: number): number {
    for (let i = from; i < chunk.length; i++) {
      if (!this.begins(chunk[i] as number)) continue;
      this.depth = 1;
      this.fresh = true;
      return i;
    }
    return chunk.length;
  }

  /** Just behind the end of the object that is open, or the chunk's end. */
  private end(chunk: Buffer, from: number): number {
    let i = from;
    if (this.fresh) i++;
    this.fresh = false;
    for (; i < chunk.length; i++) if (this.ends(chunk[i] as number)) return i + 1;
    return chunk.length;
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
