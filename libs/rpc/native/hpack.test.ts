import fc from 'fast-check';
import { HpackDecoder } from './hpack-decoder';
import { HpackEncoder } from './hpack-encoder';
import { HpackError } from './hpack-error';
import { huffmanDecode, huffmanEncode, huffmanLength } from './hpack-huffman';

const bytes = (hex: string): Buffer => Buffer.from(hex.replace(/\s/g, ''), 'hex');
const decodeWith = (decoder: HpackDecoder, hex: string): unknown => {
  const block = bytes(hex);
  return decoder.decode(block, 0, block.length).fields;
};

describe('HPACK decoding of RFC 7541, Appendix C', () => {
  const requests = [
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ],
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ],
    [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ],
  ];

  test('C.2: single fields of each form', () => {
    const decoder = new HpackDecoder(65536);
    expect(decodeWith(decoder, '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572')).toEqual([
      ['custom-key', 'custom-header'],
    ]);
    expect(decodeWith(decoder, '040c 2f73 616d 706c 652f 7061 7468')).toEqual([[':path', '/sample/path']]);
    expect(decodeWith(decoder, '1008 7061 7373 776f 7264 0673 6563 7265 74')).toEqual([['password', 'secret']]);
    expect(decodeWith(decoder, '82')).toEqual([[':method', 'GET']]);
    // C.2.1 went into the dynamic table.
    expect(decodeWith(decoder, 'be')).toEqual([['custom-key', 'custom-header']]);
  });

  test('C.3: requests without Huffman coding share one dynamic table', () => {
    const decoder = new HpackDecoder(65536);
    expect(decodeWith(decoder, '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d')).toEqual(requests[0]);
    expect(decodeWith(decoder, '8286 84be 5808 6e6f 2d63 6163 6865')).toEqual(requests[1]);
    expect(decodeWith(decoder, '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65')).toEqual(
      requests[2],
    );
  });

  test('C.4: requests with Huffman coding', () => {
    const decoder = new HpackDecoder(65536);
    expect(decodeWith(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')).toEqual(requests[0]);
    expect(decodeWith(decoder, '8286 84be 5886 a8eb 1064 9cbf')).toEqual(requests[1]);
    expect(decodeWith(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf')).toEqual(requests[2]);
  });

  test('C.6: responses with Huffman coding evict from a table of 256 octets', () => {
    const decoder = new HpackDecoder(65536);
    // A size update to 256 opens the first block: the examples assume SETTINGS_HEADER_TABLE_SIZE 256.
    const first = decodeWith(
      decoder,
      '3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    );
    expect(first).toEqual([
      [':status', '302'],
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
      ['location', 'https://www.example.com'],
    ]);
    expect(decodeWith(decoder, '4883 640e ffc1 c0bf')).toEqual([
      [':status', '307'],
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
      ['location', 'https://www.example.com'],
    ]);
    const third =
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07';
    expect(decodeWith(decoder, third)).toEqual([
      [':status', '200'],
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
      ['location', 'https://www.example.com'],
      ['content-encoding', 'gzip'],
      ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
    ]);
  });
});

describe('HPACK encoding', () => {
  test('repeats what is indexed as one octet, and the peer decodes every block', () => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder(65536);
    const encode = (): Buffer => {
      encoder.begin();
      encoder.field(':method', 'POST', true);
      encoder.field(':path', '/etcdserverpb.KV/Range', true);
      encoder.field('grpc-timeout', '5S', false);
      return Buffer.from(encoder.finish());
    };
    const first = encode();
    const second = encode();
    const fields = [
      [':method', 'POST'],
      [':path', '/etcdserverpb.KV/Range'],
      ['grpc-timeout', '5S'],
    ];
    expect(decoder.decode(first, 0, first.length).fields).toEqual(fields);
    expect(decoder.decode(second, 0, second.length).fields).toEqual(fields);
    expect(second.subarray(0, 2)).toEqual(bytes('83be'));
  });

  test('what is encoded is decoded alike, whatever table sizes the peer asks for', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
    const value = fc.stringMatching(/^[ -~]{0,60}$/);
    const step = fc.oneof(
      fc.record({ size: fc.constantFrom(0, 40, 100, 300, 4096, 65536) }),
      fc.record({ fields: fc.array(fc.tuple(name, value, fc.boolean()), { maxLength: 12 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder(1 << 20);
        for (const each of steps) {
          if ('size' in each) {
            encoder.setMaxSize(each.size);
            continue;
          }
          encoder.begin();
          for (const [n, v, index] of each.fields) encoder.field(n, v, index);
          const block = encoder.finish();
          expect(decoder.decode(block, 0, block.length).fields).toEqual(each.fields.map(([n, v]) => [n, v]));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('Huffman strings', () => {
  test('any Latin-1 text survives', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const text = Buffer.from(octets).toString('latin1');
        const length = huffmanLength(text);
        const target = new Uint8Array(length);
        expect(huffmanEncode(text, target, 0)).toBe(length);
        expect(huffmanDecode(target, 0, length)).toBe(text);
      }),
    );
  });

  test.each([
    ['EOS inside the string', 'ffffffff'],
    ['padding of eight ones', '1fff'],
    ['padding that is not EOS', '1800'],
    ['padding of zeros', '18'],
  ])('%s is refused', (_, hex) => {
    const encoded = bytes(hex);
    expect(() => huffmanDecode(encoded, 0, encoded.length)).toThrow(HpackError);
  });
});

describe('hostile header blocks', () => {
  test.each([
    ['index 0', '80'],
    ['an index beyond the table', 'be'],
    ['a table size over the limit', '3fe2 1f'],
    ['a size update after a field', '82 20'],
    ['a truncated integer', 'ff'],
    ['an integer that does not end', 'ff ffff ffff ffff ffff'],
    ['a truncated string', '4005 6162'],
    ['a missing value', '4001 61'],
  ])('%s is refused', (_, hex) => {
    expect(() => decodeWith(new HpackDecoder(65536), hex)).toThrow(HpackError);
  });

  test('a bomb of references to one large entry stops at the limit of the list', () => {
    const encoder = Buffer.concat([bytes('4001 61 7f 811e'), Buffer.alloc(4000 - 255 + 128, 'x')]);
    const value = Buffer.alloc(3900, 'x');
    const insert = Buffer.concat([
      bytes('4001617f'),
      Buffer.from([0x80 | ((3900 - 127) & 0x7f), (3900 - 127) >> 7]),
      value,
    ]);
    expect(encoder.length).toBeGreaterThan(0);
    const decoder = new HpackDecoder(65536);
    decoder.decode(insert, 0, insert.length);
    const bomb = Buffer.alloc(16000, 0xbe);
    const block = decoder.decode(bomb, 0, bomb.length);
    expect(block.tooLarge).toBe(true);
    expect(block.fields.length).toBe(16);
  });

  test('arbitrary bytes are decoded or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder(4096);
        try {
          for (const block of blocks) decoder.decode(block, 0, block.length);
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('a repeated block is decoded once, but not after the table has changed under it', () => {
    const decoder = new HpackDecoder(65536);
    const decode = (hex: string): unknown => {
      const block = bytes(hex);
      return decoder.decode(block, 0, block.length);
    };
    decodeWith(decoder, '4001 61 01 62');
    const first = decode('82be');
    expect(decode('82be')).toBe(first);
    decodeWith(decoder, '4001 63 01 64');
    expect(decodeWith(decoder, '82be')).toEqual([
      [':method', 'GET'],
      ['c', 'd'],
    ]);
  });
});
