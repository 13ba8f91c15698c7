import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type RpcServer } from '../index';
import {
  ErrorCode,
  Flag,
  frame,
  FrameType,
  grpcFields,
  grpcMessage,
  RawPeer,
  setting,
  uint32,
} from '../testing/raw-peer';
import { huffmanEncode, huffmanLength } from './hpack-huffman';

/**
 * The cases of the conformance tool h2spec, under its numbers, for machines that lack the tool. Each sends what the tool
 * sends, to a gRPC server; where the tool takes one of several reactions, the one of this server is asked for.
 */
const { EndStream, EndHeaders, Padded, Priority, Ack } = Flag;
const path = '/t.T/Echo';
const head = grpcFields(path);
const hang = grpcFields('/t.T/Hang');
const message = grpcMessage(Buffer.from('x'));
const empty = Buffer.alloc(0);

/** What is to become of the connection, and of stream 1. */
type Reaction = 'served' | { readonly connection: number } | { readonly stream: number };
type Case = readonly [number: string, what: string, reaction: Reaction, act: (peer: RawPeer) => unknown];

const connection = (code: number): Reaction => ({ connection: code });
const stream = (code: number): Reaction => ({ stream: code });
const protocolError = connection(ErrorCode.ProtocolError);
const frameSizeError = connection(ErrorCode.FrameSizeError);
const flowControlError = connection(ErrorCode.FlowControlError);
const streamClosed = connection(ErrorCode.StreamClosed);
const compressionError = connection(ErrorCode.CompressionError);

const open = (peer: RawPeer): RawPeer => peer.headers(1, hang);
const halfClosed = (peer: RawPeer): RawPeer => peer.request(1, '/t.T/Hang', empty);
/** Both sides have ended stream 1. */
const closed = async (peer: RawPeer): Promise<RawPeer> => {
  peer.request(1, path, empty);
  await peer.frame((each) => each.type === FrameType.Headers && each.streamId === 1 && (each.flags & EndStream) !== 0);
  return peer;
};
const reset = (peer: RawPeer): RawPeer => open(peer).send(FrameType.RstStream, 0, 1, uint32(ErrorCode.Cancel));
const data = (peer: RawPeer, flags: number = EndStream): RawPeer => peer.send(FrameType.Data, flags, 1, message);
const priority = (dependency = 0, weight = 255, exclusive = false): Buffer =>
  Buffer.concat([uint32((exclusive ? 0x80000000 : 0) + dependency), Buffer.from([weight])]);
const withBlock = (peer: RawPeer, extra: Buffer | ((start: Buffer) => Buffer), fields = head): RawPeer => {
  const block = peer.block(fields);
  const whole = typeof extra === 'function' ? extra(block) : Buffer.concat([block, extra]);
  return peer.send(FrameType.Headers, EndHeaders, 1, whole);
};
/** A field as HPACK's literal: its form (with the index of its name, or else its name) and its value, Huffman coded or not. */
const literal = (form: readonly number[], name: string | undefined, huffman: boolean): Buffer => {
  const text = (value: string): Buffer => {
    const bytes = huffman ? Buffer.alloc(huffmanLength(value)) : Buffer.from(value);
    if (huffman) huffmanEncode(value, bytes, 0);
    return Buffer.concat([Buffer.from([(huffman ? 0x80 : 0) | bytes.length]), bytes]);
  };
  return Buffer.concat([Buffer.from(form), name === undefined ? empty : text(name), text('value')]);
};
const literalCase = (
  number: string,
  what: string,
  form: readonly number[],
  name: string | undefined,
  huffman: boolean,
): Case => [
  number,
  `${what}${huffman ? ', Huffman coded' : ''}`,
  'served',
  (peer) => data(withBlock(peer, literal(form, name, huffman))),
];
const fields =
  (change: (all: Array<readonly [string, string]>) => Array<readonly [string, string]>) => (peer: RawPeer) =>
    peer.headers(1, change([...head]), EndHeaders | EndStream);
const without = (name: string) => fields((all) => all.filter(([field]) => field !== name));

const generic: readonly Case[] = [
  ['generic/1/1', 'preface and SETTINGS', 'served', () => undefined],
  ['generic/2/1', 'PRIORITY on an idle stream', 'served', (p) => p.send(FrameType.Priority, 0, 1, priority())],
  ['generic/2/2', 'WINDOW_UPDATE on a half-closed stream', 'served', (p) => halfClosed(p).send(8, 0, 1, uint32(100))],
  ['generic/2/3', 'PRIORITY on a half-closed stream', 'served', (p) => halfClosed(p).send(2, 0, 1, priority())],
  ['generic/2/4', 'RST_STREAM on a half-closed stream', 'served', (p) => halfClosed(p).send(3, 0, 1, uint32(8))],
  ['generic/2/5', 'PRIORITY on a closed stream', 'served', async (p) => (await closed(p)).send(2, 0, 1, priority())],
  ['generic/3.1/1', 'DATA', 'served', (p) => data(p.headers(1, head))],
  [
    'generic/3.1/2',
    'several DATA frames',
    'served',
    (p) => {
      p.headers(1, head).send(FrameType.Data, 0, 1, message.subarray(0, 2));
      p.send(FrameType.Data, EndStream, 1, message.subarray(2));
    },
  ],
  [
    'generic/3.1/3',
    'DATA with padding',
    'served',
    (p) => {
      const padded = Buffer.concat([Buffer.from([6]), message, Buffer.alloc(6)]);
      p.headers(1, head).send(FrameType.Data, EndStream | Padded, 1, padded);
    },
  ],
  ['generic/3.2/1', 'HEADERS', 'served', (p) => data(p.headers(1, head))],
  [
    'generic/3.2/2',
    'HEADERS with padding',
    'served',
    (p) => {
      const padded = Buffer.concat([Buffer.from([6]), p.block(head), Buffer.alloc(6)]);
      data(p.send(FrameType.Headers, EndHeaders | Padded, 1, padded));
    },
  ],
  [
    'generic/3.2/3',
    'HEADERS with a priority',
    'served',
    (p) => data(p.send(FrameType.Headers, EndHeaders | Priority, 1, Buffer.concat([priority(), p.block(head)]))),
  ],
  ['generic/3.3/1', 'PRIORITY of weight 1', 'served', (p) => data(p.headers(1, head).send(2, 0, 1, priority(0, 0)))],
  ['generic/3.3/2', 'PRIORITY of weight 256', 'served', (p) => data(p.headers(1, head).send(2, 0, 1, priority()))],
  ['generic/3.3/3', 'PRIORITY with a dependency', 'served', (p) => p.send(2, 0, 1, priority(9))],
  ['generic/3.3/4', 'PRIORITY that is exclusive', 'served', (p) => p.send(2, 0, 1, priority(9, 255, true))],
  [
    'generic/3.3/5',
    'PRIORITY on an idle stream, then HEADERS below it',
    'served',
    (p) => data(p.send(2, 0, 7, priority()).headers(1, head)),
  ],
  ['generic/3.4/1', 'RST_STREAM', 'served', (p) => reset(p)],
  ['generic/3.5/1', 'SETTINGS', 'served', (p) => p.send(FrameType.Settings, 0, 0, setting(3, 100))],
  ['generic/3.7/1', 'PING', 'served', (p) => p.send(FrameType.Ping, 0, 0, Buffer.alloc(8))],
  ['generic/3.8/1', 'GOAWAY', 'served', (p) => p.send(FrameType.Goaway, 0, 0, Buffer.alloc(8))],
  ['generic/3.9/1', 'WINDOW_UPDATE', 'served', (p) => p.send(FrameType.WindowUpdate, 0, 0, uint32(1))],
  [
    'generic/3.10/1',
    'CONTINUATION',
    'served',
    (p) => {
      const block = p.block(head);
      data(p.send(1, 0, 1, block.subarray(0, 9)).send(FrameType.Continuation, EndHeaders, 1, block.subarray(9)));
    },
  ],
  [
    'generic/3.10/2',
    'several CONTINUATION frames',
    'served',
    (p) => {
      const block = p.block(head);
      p.send(1, 0, 1, block.subarray(0, 9)).send(FrameType.Continuation, 0, 1, block.subarray(9, 12));
      data(p.send(FrameType.Continuation, EndHeaders, 1, block.subarray(12)));
    },
  ],
  ['generic/4/1', 'GET', 'served', fields((all) => [[':method', 'GET'], ...all.slice(1, 4)])],
  ['generic/4/2', 'HEAD', 'served', fields((all) => [[':method', 'HEAD'], ...all.slice(1, 4)])],
  ['generic/4/3', 'POST', 'served', (p) => data(p.headers(1, head))],
  ['generic/4/4', 'POST with trailers', 'served', (p) => data(p.headers(1, head), 0).headers(1, [['x-t', 'y']], 5)],
  ['generic/5/1', 'an indexed field', 'served', (p) => data(withBlock(p, Buffer.from([0x90])))],
  literalCase('generic/5/2', 'a literal to be indexed, its name indexed', [0x7a], undefined, false),
  literalCase('generic/5/3', 'a literal to be indexed, its name indexed', [0x7a], undefined, true),
  literalCase('generic/5/4', 'a literal to be indexed, its name new', [0x40], 'x-test', false),
  literalCase('generic/5/5', 'a literal to be indexed, its name new', [0x40], 'x-test', true),
  literalCase('generic/5/6', 'a literal not indexed, its name indexed', [0x0f, 43], undefined, false),
  literalCase('generic/5/7', 'a literal not indexed, its name indexed', [0x0f, 43], undefined, true),
  literalCase('generic/5/8', 'a literal not indexed, its name new', [0], 'x-test', false),
  literalCase('generic/5/9', 'a literal not indexed, its name new', [0], 'x-test', true),
  literalCase('generic/5/10', 'a literal never indexed, its name indexed', [0x1f, 43], undefined, false),
  literalCase('generic/5/11', 'a literal never indexed, its name indexed', [0x1f, 43], undefined, true),
  literalCase('generic/5/12', 'a literal never indexed, its name new', [0x10], 'x-test', false),
  literalCase('generic/5/13', 'a literal never indexed, its name new', [0x10], 'x-test', true),
  [
    'generic/5/14',
    'an update of the table size',
    'served',
    (p) => data(withBlock(p, (block) => Buffer.concat([Buffer.from([0x20]), block]))),
  ],
  [
    'generic/5/15',
    'two updates of the table size',
    'served',
    (p) => data(withBlock(p, (block) => Buffer.concat([Buffer.from([0x20, 0x3f, 0xe1, 0x1f]), block]))),
  ],
];

const framing: readonly Case[] = [
  ['http2/3.5/1', 'a valid preface', 'served', () => undefined],
  ['http2/4.1/1', 'a frame of an unknown type', 'served', (p) => p.send(0xff, 0, 0, Buffer.alloc(8))],
  [
    'http2/4.1/2',
    'a frame with flags nobody defined',
    'served',
    (p) => p.send(FrameType.Ping, 0x16, 0, Buffer.alloc(8)),
  ],
  [
    'http2/4.1/3',
    'a frame with the reserved bit set',
    'served',
    (p) => {
      const bytes = frame(FrameType.Ping, 0, 0, Buffer.alloc(8));
      bytes[5] = 0x80;
      p.socket.write(bytes);
    },
  ],
  [
    'http2/4.2/1',
    'DATA of 2^14 octets',
    'served',
    (p) => {
      const long = grpcMessage(Buffer.alloc(16_379));
      p.headers(1, head).send(FrameType.Data, EndStream, 1, long);
    },
  ],
  ['http2/4.2/2', 'DATA over the maximum frame', frameSizeError, (p) => open(p).send(0, 0, 1, Buffer.alloc(16_385))],
  ['http2/4.2/3', 'HEADERS over the maximum frame', frameSizeError, (p) => p.send(1, 5, 1, Buffer.alloc(16_385))],
  ['http2/4.3/1', 'an invalid header block', compressionError, (p) => p.send(1, EndHeaders, 1, Buffer.from([0x40]))],
  [
    'http2/4.3/2',
    'PRIORITY inside a header block',
    protocolError,
    (p) => p.headers(1, head, 0).send(2, 0, 1, priority()),
  ],
  [
    'http2/4.3/3',
    'HEADERS of another stream inside a header block',
    protocolError,
    (p) => p.headers(1, head, 0).headers(3, head),
  ],
];

const states: readonly Case[] = [
  ['http2/5.1/1', 'DATA on an idle stream', protocolError, (p) => data(p)],
  ['http2/5.1/2', 'RST_STREAM on an idle stream', protocolError, (p) => p.send(3, 0, 1, uint32(8))],
  ['http2/5.1/3', 'WINDOW_UPDATE on an idle stream', protocolError, (p) => p.send(8, 0, 1, uint32(100))],
  ['http2/5.1/4', 'CONTINUATION on an idle stream', protocolError, (p) => p.send(9, EndHeaders, 1, p.block(head))],
  ['http2/5.1/5', 'DATA on a half-closed stream', stream(ErrorCode.StreamClosed), (p) => data(halfClosed(p))],
  ['http2/5.1/6', 'HEADERS on a half-closed stream', streamClosed, (p) => halfClosed(p).headers(1, head)],
  [
    'http2/5.1/7',
    'CONTINUATION on a half-closed stream',
    protocolError,
    (p) => halfClosed(p).send(9, EndHeaders, 1, p.block(head)),
  ],
  ['http2/5.1/8', 'DATA after RST_STREAM', stream(ErrorCode.StreamClosed), (p) => data(reset(p))],
  ['http2/5.1/9', 'HEADERS after RST_STREAM', streamClosed, (p) => reset(p).headers(1, head)],
  [
    'http2/5.1/10',
    'CONTINUATION after RST_STREAM',
    protocolError,
    (p) => reset(p).send(9, EndHeaders, 1, p.block(head)),
  ],
  ['http2/5.1/11', 'DATA on a closed stream', stream(ErrorCode.StreamClosed), async (p) => data(await closed(p))],
  ['http2/5.1/12', 'HEADERS on a closed stream', streamClosed, async (p) => (await closed(p)).headers(1, head)],
  [
    'http2/5.1/13',
    'CONTINUATION on a closed stream',
    protocolError,
    async (p) => (await closed(p)).send(9, EndHeaders, 1, p.block(head)),
  ],
  ['http2/5.1.1/1', 'a stream with an even number', protocolError, (p) => p.headers(2, head)],
  [
    'http2/5.1.1/2',
    'a stream with a number below an earlier one',
    protocolError,
    (p) => p.headers(5, hang).headers(3, head),
  ],
  [
    'http2/5.1.2/1',
    'a stream beyond MAX_CONCURRENT_STREAMS',
    stream(ErrorCode.RefusedStream),
    (p) => {
      for (let id = 3; id < 3 + 2 * 50; id += 2) p.headers(id, hang);
      p.headers(201, hang);
    },
  ],
  [
    'http2/5.3.1/1',
    'HEADERS that depend on themselves',
    protocolError,
    (p) => p.send(FrameType.Headers, EndHeaders | Priority, 1, Buffer.concat([priority(1), p.block(head)])),
  ],
  ['http2/5.3.1/2', 'PRIORITY that depends on itself', protocolError, (p) => open(p).send(2, 0, 1, priority(1))],
  ['http2/5.4.1/1', 'a bad PING closes the connection', frameSizeError, (p) => p.send(6, 0, 0, Buffer.alloc(7))],
  ['http2/5.4.1/2', 'GOAWAY comes before the close', protocolError, (p) => p.send(6, 0, 3, Buffer.alloc(8))],
  ['http2/5.5/1', 'an unknown extension frame', 'served', (p) => p.send(0x99, 0, 1, Buffer.alloc(4))],
  [
    'http2/5.5/2',
    'an unknown extension frame inside a header block',
    protocolError,
    (p) => p.headers(1, head, 0).send(0x99, 0, 1),
  ],
];

const frames: readonly Case[] = [
  ['http2/6.1/1', 'DATA on stream 0', protocolError, (p) => open(p).send(0, 0, 0, message)],
  ['http2/6.1/2', 'DATA on a stream that is not open', stream(ErrorCode.StreamClosed), (p) => data(halfClosed(p))],
  [
    'http2/6.1/3',
    'DATA with more padding than content',
    protocolError,
    (p) => open(p).send(0, Padded, 1, Buffer.from([6, 0])),
  ],
  [
    'http2/6.2/1',
    'PRIORITY after HEADERS without END_HEADERS',
    protocolError,
    (p) => p.headers(1, head, 0).send(2, 0, 1, priority()),
  ],
  [
    'http2/6.2/2',
    'other HEADERS after HEADERS without END_HEADERS',
    protocolError,
    (p) => p.headers(1, head, 0).headers(3, head),
  ],
  ['http2/6.2/3', 'HEADERS on stream 0', protocolError, (p) => p.headers(0, head)],
  [
    'http2/6.2/4',
    'HEADERS with more padding than content',
    protocolError,
    (p) => p.send(1, EndHeaders | Padded, 1, Buffer.from([9, 0x82])),
  ],
  ['http2/6.3/1', 'PRIORITY on stream 0', protocolError, (p) => p.send(2, 0, 0, priority())],
  ['http2/6.3/2', 'PRIORITY that is not 5 octets long', frameSizeError, (p) => open(p).send(2, 0, 1, Buffer.alloc(4))],
  ['http2/6.4/1', 'RST_STREAM on stream 0', protocolError, (p) => p.send(3, 0, 0, uint32(8))],
  ['http2/6.4/2', 'RST_STREAM on an idle stream', protocolError, (p) => p.send(3, 0, 1, uint32(8))],
  [
    'http2/6.4/3',
    'RST_STREAM that is not 4 octets long',
    frameSizeError,
    (p) => open(p).send(3, 0, 1, Buffer.alloc(3)),
  ],
  [
    'http2/6.5/1',
    'an acknowledgement of SETTINGS with content',
    frameSizeError,
    (p) => p.send(4, Ack, 0, setting(3, 1)),
  ],
  ['http2/6.5/2', 'SETTINGS on a stream', protocolError, (p) => p.send(4, 0, 1, setting(3, 1))],
  ['http2/6.5/3', 'SETTINGS that are no multiple of 6 octets', frameSizeError, (p) => p.send(4, 0, 0, Buffer.alloc(3))],
  ['http2/6.5.2/1', 'ENABLE_PUSH of 2', protocolError, (p) => p.send(4, 0, 0, setting(2, 2))],
  ['http2/6.5.2/2', 'INITIAL_WINDOW_SIZE of 2^31', flowControlError, (p) => p.send(4, 0, 0, setting(4, 0x80000000))],
  ['http2/6.5.2/3', 'MAX_FRAME_SIZE below 2^14', protocolError, (p) => p.send(4, 0, 0, setting(5, 16_383))],
  ['http2/6.5.2/4', 'MAX_FRAME_SIZE of 2^24', protocolError, (p) => p.send(4, 0, 0, setting(5, 1 << 24))],
  ['http2/6.5.2/5', 'a setting nobody knows', 'served', (p) => p.send(4, 0, 0, setting(0xff, 1))],
  ['http2/6.7/4', 'PING that is not 8 octets long', frameSizeError, (p) => p.send(6, 0, 0, Buffer.alloc(6))],
  ['http2/6.7/3', 'PING on a stream', protocolError, (p) => p.send(6, 0, 1, Buffer.alloc(8))],
  ['http2/6.8/1', 'GOAWAY on a stream', protocolError, (p) => p.send(7, 0, 1, Buffer.alloc(8))],
  ['http2/6.9/1', 'WINDOW_UPDATE of 0 on the connection', protocolError, (p) => p.send(8, 0, 0, uint32(0))],
  [
    'http2/6.9/2',
    'WINDOW_UPDATE of 0 on a stream',
    stream(ErrorCode.ProtocolError),
    (p) => open(p).send(8, 0, 1, uint32(0)),
  ],
  ['http2/6.9/3', 'WINDOW_UPDATE that is not 4 octets long', frameSizeError, (p) => p.send(8, 0, 0, Buffer.alloc(3))],
  [
    'http2/6.9.1/2',
    'a window of the connection over 2^31 − 1',
    flowControlError,
    (p) => p.send(8, 0, 0, uint32(0x7fffffff)).send(8, 0, 0, uint32(0x7fffffff)),
  ],
  [
    'http2/6.9.1/3',
    'a window of a stream over 2^31 − 1',
    stream(ErrorCode.FlowControlError),
    (p) => open(p).send(8, 0, 1, uint32(0x7fffffff)).send(8, 0, 1, uint32(0x7fffffff)),
  ],
  [
    'http2/6.9.2/3',
    'an initial window over 2^31 − 1',
    flowControlError,
    (p) => p.send(4, 0, 0, setting(4, 0xffffffff)),
  ],
  [
    'http2/6.10/1',
    'several CONTINUATION frames after HEADERS',
    'served',
    (p) => {
      const block = p.block(head);
      p.send(1, 0, 1, block.subarray(0, 5)).send(9, 0, 1, block.subarray(5, 10));
      data(p.send(9, EndHeaders, 1, block.subarray(10)));
    },
  ],
  [
    'http2/6.10/2',
    'another frame after CONTINUATION without END_HEADERS',
    protocolError,
    (p) => p.headers(1, head, 0).send(9, 0, 1, empty).send(0, 0, 1, message),
  ],
  ['http2/6.10/3', 'CONTINUATION on stream 0', protocolError, (p) => p.headers(1, head, 0).send(9, EndHeaders, 0)],
  ['http2/6.10/4', 'CONTINUATION after HEADERS with END_HEADERS', protocolError, (p) => open(p).send(9, EndHeaders, 1)],
  [
    'http2/6.10/5',
    'CONTINUATION after CONTINUATION with END_HEADERS',
    protocolError,
    (p) => p.headers(1, hang, 0).send(9, EndHeaders, 1).send(9, EndHeaders, 1),
  ],
  [
    'http2/6.10/6',
    'CONTINUATION after DATA',
    protocolError,
    (p) => open(p).send(0, 0, 1, message).send(9, EndHeaders, 1),
  ],
  [
    'http2/7/1',
    'GOAWAY with an error nobody knows',
    'served',
    (p) => p.send(7, 0, 0, Buffer.concat([uint32(0), uint32(0xff)])),
  ],
  ['http2/7/2', 'RST_STREAM with an error nobody knows', 'served', (p) => open(p).send(3, 0, 1, uint32(0xff))],
];

const malformed = stream(ErrorCode.ProtocolError);
const requests: readonly Case[] = [
  ['http2/8.1/1', 'second HEADERS without END_STREAM', malformed, (p) => open(p).headers(1, [['x', 'y']])],
  ['http2/8.1.2/1', 'a field name in upper case', malformed, fields((all) => [...all, ['X-TEST', 'ok']])],
  [
    'http2/8.1.2.1/1',
    'a pseudo-field nobody knows',
    malformed,
    fields((all) => [...all.slice(0, 4), [':test', 'ok'], ...all.slice(4)]),
  ],
  [
    'http2/8.1.2.1/2',
    'a pseudo-field of responses',
    malformed,
    fields((all) => [...all.slice(0, 4), [':status', '200'], ...all.slice(4)]),
  ],
  [
    'http2/8.1.2.1/3',
    'a pseudo-field in trailers',
    malformed,
    (p) => data(open(p), 0).headers(1, [[':method', 'POST']], 5),
  ],
  [
    'http2/8.1.2.1/4',
    'a pseudo-field after a regular one',
    malformed,
    fields((all) => [...all.slice(1), [':method', 'POST']]),
  ],
  ['http2/8.1.2.2/1', 'a field of the connection', malformed, fields((all) => [...all, ['connection', 'keep-alive']])],
  [
    'http2/8.1.2.2/2',
    'te other than trailers',
    malformed,
    fields((all) => [...all.slice(0, 5), ['te', 'trailers, deflate']]),
  ],
  ['http2/8.1.2.3/1', 'an empty :path', malformed, fields((all) => all.map(([n, v]) => [n, n === ':path' ? '' : v]))],
  ['http2/8.1.2.3/2', 'no :method', malformed, without(':method')],
  ['http2/8.1.2.3/3', 'no :scheme', malformed, without(':scheme')],
  ['http2/8.1.2.3/4', 'no :path', malformed, without(':path')],
  ['http2/8.1.2.3/5', ':method twice', malformed, fields((all) => [[':method', 'POST'], ...all])],
  ['http2/8.1.2.3/6', ':scheme twice', malformed, fields((all) => [[':scheme', 'http'], ...all])],
  ['http2/8.1.2.3/7', ':path twice', malformed, fields((all) => [[':path', '/'], ...all])],
  [
    'http2/8.1.2.6/1',
    'a content-length that DATA does not match',
    malformed,
    (p) => data(p.headers(1, [...head, ['content-length', '1']])),
  ],
  [
    'http2/8.1.2.6/2',
    'a content-length that several DATA frames do not match',
    malformed,
    (p) => data(data(p.headers(1, [...hang, ['content-length', '1']]), 0)),
  ],
  [
    'http2/8.2/1',
    'PUSH_PROMISE',
    protocolError,
    (p) => p.send(5, EndHeaders, 1, Buffer.concat([uint32(3), p.block(head)])),
  ],
];

const hpack: readonly Case[] = [
  ['hpack/2.3.3/1', 'an index beyond the tables', compressionError, (p) => withBlock(p, Buffer.from([0xff, 0x00]))],
  [
    'hpack/2.3.3/2',
    'a literal whose name is an index beyond the tables',
    compressionError,
    (p) => withBlock(p, Buffer.from([0x7f, 0x10, 0x01, 0x61])),
  ],
  [
    'hpack/4.2/1',
    'an update of the table size at the end of a block',
    compressionError,
    (p) => withBlock(p, Buffer.from([0x21])),
  ],
  [
    'hpack/5.2/1',
    'Huffman padding of more than 7 bits',
    compressionError,
    (p) => withBlock(p, Buffer.from([0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff])),
  ],
  [
    'hpack/5.2/2',
    'Huffman padding of zeros',
    compressionError,
    (p) => withBlock(p, Buffer.from([0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90])),
  ],
  [
    'hpack/5.2/3',
    'Huffman with the symbol for the end',
    compressionError,
    (p) => withBlock(p, Buffer.from([0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x87, 0xff, 0xff, 0xff, 0xfd, 0x25, 0x42, 0x7f])),
  ],
  ['hpack/6.1/1', 'index 0', compressionError, (p) => withBlock(p, Buffer.from([0x80]))],
  [
    'hpack/6.3/1',
    'a table size over the limit',
    compressionError,
    (p) => withBlock(p, (block) => Buffer.concat([Buffer.from([0x3f, 0xff, 0xff, 0x03]), block])),
  ],
];

const all = [...generic, ...framing, ...states, ...frames, ...requests, ...hpack];
/** Cases that have a test of their own below. */
const apart = ['3.5/2', '6.5.3/1', '6.5.3/2', '6.7/1', '6.7/2', '6.9.1/1', '6.9.2/1', '6.9.2/2'].map(
  (n) => `http2/${n}`,
);
/** Sections and how many cases each has. */
const sections =
  'generic/1:1 generic/2:5 generic/3.1:3 generic/3.2:3 generic/3.3:5 generic/3.4:1 generic/3.5:1 generic/3.7:1 generic/3.8:1 ' +
  'generic/3.9:1 generic/3.10:2 generic/4:4 generic/5:15 http2/3.5:2 http2/4.1:3 http2/4.2:3 http2/4.3:3 http2/5.1:13 ' +
  'http2/5.1.1:2 http2/5.1.2:1 http2/5.3.1:2 http2/5.4.1:2 http2/5.5:2 http2/6.1:3 http2/6.2:4 http2/6.3:2 http2/6.4:3 ' +
  'http2/6.5:3 http2/6.5.2:5 http2/6.5.3:2 http2/6.7:4 http2/6.8:1 http2/6.9:3 http2/6.9.1:3 http2/6.9.2:3 http2/6.10:6 ' +
  'http2/7:2 http2/8.1:1 http2/8.1.2:1 http2/8.1.2.1:4 http2/8.1.2.2:2 http2/8.1.2.3:7 http2/8.1.2.6:2 http2/8.2:1 ' +
  'hpack/2.3.3:2 hpack/4.2:1 hpack/5.2:3 hpack/6.1:1 hpack/6.3:1';

test('every case of h2spec is here', () => {
  const expected = sections.split(' ').flatMap((section) => {
    const [name, count] = section.split(':');
    return Array.from({ length: Number(count) }, (_, i) => `${name}/${i + 1}`);
  });
  expect(expected).toHaveLength(146);
  expect([...all.map(([number]) => number), ...apart].sort()).toEqual(expected.sort());
});

describe('the cases of h2spec on the native server', () => {
  let directory: string;
  let server: RpcServer;
  let peer: RawPeer;
  const newPeer = (): RawPeer => new RawPeer({ kind: 'unix', path: join(directory, 's.sock') });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'rpc-'));
    server = createServer({ engine: 'native', maxConcurrentStreams: 50 });
    server.addHandlers({ unary: { '/t.T/Echo': (call) => call.reply(call.request), '/t.T/Hang': () => {} } });
    await server.listen({ kind: 'unix', path: join(directory, 's.sock') });
  });
  afterAll(async () => {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    peer = newPeer().hello();
  });
  afterEach(() => peer.close());

  async function expectServed(): Promise<void> {
    peer.request(301, path, Buffer.from('served'));
    const answer = await peer.frame((each) => each.streamId === 301 && each.type === FrameType.Data);
    expect(answer.payload.subarray(5).toString()).toBe('served');
  }

  test.each(all)('%s: %s', async (number, _, reaction, act) => {
    await act(peer);
    if (reaction === 'served') {
      await expectServed();
      expect(peer.frames.filter((each) => each.type === FrameType.Goaway)).toEqual([]);
      const resets = peer.frames.filter((each) => each.type === FrameType.RstStream && each.streamId === 1);
      expect(resets.map((each) => each.payload.readUInt32BE(0)).filter((code) => code !== ErrorCode.NoError)).toEqual(
        [],
      );
    } else if ('connection' in reaction) {
      expect((await peer.goaway()).code).toBe(reaction.connection);
      await peer.until(() => peer.closed);
    } else {
      const streamId = number === 'http2/5.1.2/1' ? 201 : 1;
      expect(await peer.reset(streamId)).toBe(reaction.stream);
      if (streamId === 1) await expectServed();
    }
  });

  test('http2/3.5/2: an invalid preface ends the connection', async () => {
    const other = newPeer();
    other.socket.write('INVALID CONNECTION PREFACE\r\n\r\n');
    await other.until(() => other.closed);
  });

  test('http2/6.5.3/1: the last of several values of a setting counts', async () => {
    peer.send(FrameType.Settings, 0, 0, Buffer.concat([setting(4, 100), setting(4, 1)]));
    peer.request(1, path, empty);
    const first = await peer.frame((each) => each.type === FrameType.Data);
    expect(first.payload.length).toBe(1);
  });

  test('http2/6.5.3/2: SETTINGS are acknowledged', async () => {
    await peer.frame((each) => each.type === FrameType.Settings && each.flags === Ack && each.payload.length === 0);
  });

  test('http2/6.7/1 and 6.7/2: PING is answered with its content, its acknowledgement is not', async () => {
    peer.send(FrameType.Ping, Ack, 0, Buffer.from('not this'));
    peer.send(FrameType.Ping, 0, 0, Buffer.from('but this'));
    await peer.frame((each) => each.type === FrameType.Ping);
    await expectServed();
    const answers = peer.frames.filter((each) => each.type === FrameType.Ping);
    expect(answers.map((each) => [each.flags, each.payload.toString()])).toEqual([[Ack, 'but this']]);
  });

  test('http2/6.9.1/1: an answer keeps to a window of one octet', async () => {
    peer.send(FrameType.Settings, 0, 0, setting(4, 1));
    peer.request(1, path, empty);
    const first = await peer.frame((each) => each.type === FrameType.Data);
    expect(first.payload.length).toBe(1);
    peer.send(FrameType.WindowUpdate, 0, 1, uint32(1));
    await peer.until(() => peer.frames.filter((each) => each.type === FrameType.Data).length === 2);
  });

  test('http2/6.9.2/1 and 6.9.2/2: a window changed by SETTINGS counts for open streams, also when it turns negative', async () => {
    const sizes = (): number[] =>
      peer.frames.filter((each) => each.type === FrameType.Data).map((each) => each.payload.length);
    peer.send(FrameType.Settings, 0, 0, setting(4, 3));
    peer.request(1, path, Buffer.alloc(20));
    await peer.until(() => sizes().length === 1);
    peer.send(FrameType.Settings, 0, 0, setting(4, 2)).send(FrameType.WindowUpdate, 0, 1, uint32(1));
    peer.send(FrameType.Ping, 0, 0, Buffer.alloc(8));
    await peer.frame((each) => each.type === FrameType.Ping);
    expect(sizes()).toEqual([3]);
    peer.send(FrameType.WindowUpdate, 0, 1, uint32(1));
    await peer.until(() => sizes().length === 2);
    expect(sizes()).toEqual([3, 1]);
  });
});
