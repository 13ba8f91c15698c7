import {
  formatAddress,
  healthHandlers,
  introspectionHandlers,
  parseAddress,
  probeDisk,
  type DataProcessContext,
  type RunningProcess,
  StartError,
} from '../../libs/process';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../libs/limits';
import { createServer, type RpcServer } from '../../libs/rpc';
import { startTracing } from '../../libs/telemetry';
import type { ProcessConfig } from '../../libs/config';
import { PEER_PATHS, RAFT_PATHS } from '../../proto/gen/hexad';
import { raftSettings } from './config';
import { peerAddress, peerServerTls } from '../../libs/peer-address';
import { RaftHost } from './host';
import { openRaft } from './open';

/** Starts the raft process of a member: its log, its links to the other members, and its services for its siblings. */
export async function startRaft(context: DataProcessContext): Promise<RunningProcess> {
  const { config, logger } = context;
  const fatal = (error: unknown): never => context.fatal(error);
  const settings = raftSettings(config);
  const opened = await openRaft(config, settings, logger, fatal);
  const tracing = startTracing(config);
  const host = new RaftHost(config, settings, opened, logger, context, tracing);
  const peerServers = await listenToPeers(config, host, logger);
  const server = createServer({ engine: config.rpcEngine, maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX });
  server.addHandlers(siblingHandlers(host));
  server.addHandlers(healthHandlers());
  const probe = () => probeDisk(config.paths.walDir);
  server.addHandlers(introspectionHandlers('raft', logger, host.metrics, probe));
  const address = await server.listen(parseAddress(config.addresses.raft));
  host.start();
  return {
    address: formatAddress(address),
    shutdown: async () => {
      await host.handOver();
      host.refuseNew();
      await server.drain(100);
      await host.stop();
      await Promise.all(peerServers.map((peerServer) => peerServer.close()));
      await tracing.shutdown();
      opened.unlock();
    },
  };
}

/** What the processes of the member ask of this one. */
export function siblingHandlers(host: RaftHost): Parameters<RpcServer['addHandlers']>[0] {
  return {
    unary: { [RAFT_PATHS.MoveLeader]: host.moveLeader },
    stream: {
      [RAFT_PATHS.Propose]: host.proposals.serve,
      [RAFT_PATHS.ReadIndex]: host.reads.serve,
      [RAFT_PATHS.Deliver]: host.deliver.serve,
      [RAFT_PATHS.Status]: host.status.serve,
      [RAFT_PATHS.Relay]: host.relay.serveRequests,
      [RAFT_PATHS.Serve]: host.relay.serveProcess,
    },
  };
}

async function listenToPeers(
  config: ProcessConfig,
  host: RaftHost,
  logger: DataProcessContext['logger'],
): Promise<RpcServer[]> {
  const servers: RpcServer[] = [];
  for (const url of config.urls.listenPeer) {
    const parsed = peerAddress(url);
    if (parsed === undefined) throw new StartError(`not a peer URL to listen on: ${url}`);
    const { tls } = config;
    if (parsed.isTls && tls.peer === null) throw new StartError(`${url} needs --peer-cert-file and --peer-key-file`);
    const server = createServer({
      engine: config.rpcEngine,
      maxReceiveBytes: INTERNAL_MESSAGE_BYTES_MAX,
      ...(parsed.isTls && tls.peer !== null ? { tls: peerServerTls(tls.peer) } : {}),
      onProtocolError: (peer, reason) =>
        logger.warn({ 'remote-addr': peer, error: reason }, 'rejected connection on peer endpoint'),
    });
    server.addHandlers({
      unary: { [PEER_PATHS.Members]: host.members },
      stream: { [PEER_PATHS.Messages]: host.peerServer.serve, [PEER_PATHS.Stream]: host.snapshots.receiver.serve },
    });
    try {
      await server.listen(parsed.address);
    } catch (error) {
      throw new StartError(`listen ${url}: ${describe(error)}`);
    }
    servers.push(server);
  }
  return servers;
}

function describe(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return 'bind: address already in use';
  return error instanceof Error ? error.message : String(error);
}
