import { Output, reuseLarge } from './output';

/** Writes DATA frames of one message and gives what the connection would hand to the socket. */
function turn(output: Output, fill: number, size: number): Buffer {
  output.message(1, Buffer.alloc(size, fill), 16_384, false);
  return output.bytes;
}

describe('the output of a connection', () => {
  it('gives large memory to another turn only after it was given back', () => {
    const first = new Output();
    const second = new Output();
    const bytes = turn(first, 1, 200_000);
    const memory = first.detachLarge();
    expect(turn(second, 2, 200_000).buffer).not.toBe(memory.buffer);
    expect(bytes.subarray(-1_000).equals(Buffer.alloc(1_000, 1))).toBe(true);
    second.detachLarge();
    reuseLarge(memory);
    expect(turn(second, 3, 200_000).buffer).toBe(memory.buffer);
  });

  it('takes as much memory at once as its last large turn needed, and little for a small one', () => {
    const output = new Output();
    turn(output, 1, 300_000);
    output.detachLarge();
    turn(output, 1, 20_000);
    expect(output.bytes.buffer.byteLength).toBe(512 * 1024);
    output.detachLarge();
    turn(output, 1, 20_000);
    expect(output.bytes.buffer.byteLength).toBe(32 * 1024);
    output.detachLarge();
    turn(output, 1, 100);
    expect(output.isLarge).toBe(false);
  });
});
