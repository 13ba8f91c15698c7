import { attachables, checkAddress } from './addresses';
import { ConfigError } from './flag-values';
import type { EventBusConfig, TierConfig } from './process-config';
import type { Values } from './values';

const EVERYONE = '*';

/** What a free-standing hub or proxy attaches to; nothing of it is set for the processes of a member. */
export function tiersOf(v: Values, dataDir: string): TierConfig {
  const attach = attachOf(v, dataDir);
  const watchHubs = hubsOf(v);
  const watchAdvertise = v.text('watch-advertise-address');
  if (watchAdvertise !== '') checkAddress('watch-advertise-address', watchAdvertise);
  if (attach === EVERYONE || watchHubs === EVERYONE) {
    if (v.text('event-bus') === 'grpc') {
      throw new ConfigError(`'${EVERYONE}' in --attach-members or --watch-hubs needs --event-bus with a NATS server`);
    }
    if (attach !== null && v.text('cluster-id') === '' && v.text('initial-cluster') === '') {
      throw new ConfigError(
        'members and hubs are found over the event bus only with --cluster-id or --initial-cluster',
      );
    }
  }
  if (attach !== null && watchHubs === null && v.has('watch-hubs')) throw new ConfigError('--watch-hubs is empty');
  return { attach, watchHubs, watchAdvertise };
}

/** From `--cluster-id`, in the form in which ids travel. */
export function givenClusterId(v: Values, attach: TierConfig['attach']): string | undefined {
  const text = v.text('cluster-id').replace(/^0x/i, '').toLowerCase();
  if (text === '') return undefined;
  if (!/^[0-9a-f]{1,16}$/.test(text)) throw new ConfigError(`--cluster-id "${text}" is not a 64-bit number in hex`);
  if (attach === null) throw new ConfigError('--cluster-id is for free-standing processes (--attach-members)');
  return BigInt(`0x${text}`).toString(16);
}

/** Null for `grpc`. */
export function eventBusOf(v: Values): EventBusConfig | null {
  const text = v.text('event-bus');
  const files = {
    credentialsFile: v.text('event-bus-credentials-file'),
    caFile: v.text('event-bus-trusted-ca-file'),
    certFile: v.text('event-bus-cert-file'),
    keyFile: v.text('event-bus-key-file'),
  };
  if ((files.certFile === '') !== (files.keyFile === '')) {
    throw new ConfigError('--event-bus-cert-file and --event-bus-key-file must both be given');
  }
  if (text === 'grpc') return null;
  const servers = listOf(text);
  for (const server of servers) checkServer(server);
  if (servers.length === 0) throw new ConfigError('--event-bus is empty');
  return { servers, ...files };
}

/** The password that a URL may hold is never shown. */
function checkServer(server: string): void {
  const isOne = /^(nats|tls):\/\/[^/\s]+$/.test(server) && URL.canParse(server) && new URL(server).hostname !== '';
  if (isOne) return;
  const shown = server.replace(/\/\/[^@]*@/, '//…@');
  throw new ConfigError(`--event-bus must be grpc, nats://HOST:PORT or tls://HOST:PORT (is "${shown}")`);
}

function attachOf(v: Values, dataDir: string): TierConfig['attach'] {
  const names = listOf(v.text('attach-members'));
  if (names.length === 0) return null;
  if (names.includes(EVERYONE)) {
    if (names.length > 1) throw new ConfigError(`--attach-members has '${EVERYONE}' and names`);
    return EVERYONE;
  }
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new ConfigError(`--attach-members names ${twice} twice`);
  return attachables(v, dataDir, names);
}

function hubsOf(v: Values): TierConfig['watchHubs'] {
  const hubs = listOf(v.text('watch-hubs'));
  if (hubs.length === 0) return null;
  if (hubs.includes(EVERYONE)) {
    if (hubs.length > 1) throw new ConfigError(`--watch-hubs has '${EVERYONE}' and addresses`);
    return EVERYONE;
  }
  for (const hub of hubs) checkAddress('watch-hubs', hub);
  return hubs;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
