import { connect, createServer, type Server, type Socket } from 'node:net';
import { waitFor } from '../system/support/wait-for';
import { PeerNetwork } from './relay';

/** This process plays member 0, which dials, and listens where member 1 does. */
describe('the network between members', () => {
  let network: PeerNetwork;
  let server: Server;
  let socket: Socket;
  let heard: string;
  let answered: string;

  beforeEach(async () => {
    heard = '';
    answered = '';
    server = createServer((peer) => {
      peer.setEncoding('utf8').on('data', (text: string) => {
        heard += text;
        peer.write(text.toUpperCase());
      });
      peer.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    network = await PeerNetwork.open(2, (member) => (member === 0 ? [process.pid] : []));
    const address = server.address();
    network.setTarget(1, typeof address === 'object' && address !== null ? address.port : 0);
  });
  afterEach(async () => {
    socket.destroy();
    await network.close();
    await new Promise((resolve) => server.close(resolve));
  });

  function dial(): void {
    socket = connect(network.ports[1] ?? 0, '127.0.0.1');
    socket.setEncoding('utf8').on('data', (text: string) => (answered += text));
    socket.on('error', () => undefined);
  }
  const arrives = (what: () => string, text: string): Promise<unknown> => waitFor(text, () => what() === text);

  test('carries bytes both ways', async () => {
    dial();
    socket.write('a');
    await arrives(() => answered, 'A');
  });

  test('holds back what goes there while that direction is cut, and delivers it after the healing', async () => {
    dial();
    socket.write('a');
    await arrives(() => answered, 'A');
    network.cut(0, 1);
    socket.write('b');
    // The way back is open: what the other end says unasked arrives, so there was time for b as well.
    network.cut(1, 0);
    network.heal();
    await arrives(() => heard, 'ab');
    await arrives(() => answered, 'AB');
  });

  test('holds back answers alone when only the way back is cut', async () => {
    dial();
    socket.write('a');
    await arrives(() => answered, 'A');
    network.cut(1, 0);
    socket.write('b');
    await arrives(() => heard, 'ab');
    expect(answered).toBe('A');
    network.heal();
    await arrives(() => answered, 'AB');
  });

  test('keeps a connection that is begun across a cut waiting', async () => {
    network.cut(1, 0);
    dial();
    socket.write('a');
    await waitFor('the connection to the relay', () => socket.readyState === 'open');
    expect(heard).toBe('');
    network.heal();
    await arrives(() => answered, 'A');
  });

  test('delays', async () => {
    dial();
    socket.write('a');
    await arrives(() => answered, 'A');
    network.delay(0, 1, 200);
    const from = performance.now();
    socket.write('b');
    await arrives(() => answered, 'AB');
    expect(performance.now() - from).toBeGreaterThan(190);
  });

  test('hangs up on whoever is no member', async () => {
    await network.close();
    network = await PeerNetwork.open(2, () => []);
    dial();
    await new Promise((resolve) => socket.once('close', resolve));
  });
});
