import type { ConfState, LogEntry, Message, NodeId, Ready } from '../types';
import { EntryType } from '../types';
import { toBytes } from './conf-text';
import { quietSettings } from './quiet-settings';
import type { NodeSettings } from './sim-node';
import { SimNode } from './sim-node';
import { messageOfType, traceConf, traceEntry, traceMessage, traceReady } from './trace';

// The language of testdata/*.txt. A command is one line; what follows `----` is what it prints. Member lists are `1` or
// `1,2`; settings are `key=value`.

interface Arguments {
  readonly words: string[];
  readonly settings: ReadonlyMap<string, string>;
}

/** One run of a scenario file: a cluster, its network and its disks. */
export class Scenario {
  private readonly nodes = new Map<NodeId, SimNode>();
  private network: Message[] = [];
  private readonly cut = new Set<string>();
  private readonly slowDisks = new Set<NodeId>();
  private readonly manualSnapshots = new Set<NodeId>();
  private lines: string[] = [];
  private nonce = 1;

  private readonly commands: Record<string, (given: Arguments) => void> = {
    members: (given) => this.addMembers(given),
    add: (given) => this.addMembers(given),
    campaign: ({ words }) => this.each(words[0], (node) => node.raft.campaign()),
    elect: ({ words }) => this.elect(words),
    tick: ({ words }) => this.tick(words),
    propose: ({ words }) => this.propose(words, EntryType.Normal),
    'propose-many': ({ words }) => this.proposeMany(words),
    'propose-at': ({ words }) => this.proposeAt(words),
    conf: ({ words }) => this.propose(words, EntryType.Conf),
    read: ({ words }) => this.read(words),
    transfer: ({ words }) => this.say(this.node(words[0]).raft.transferLeader(BigInt(words[1] as string))),
    settle: ({ words }) => this.settle(words[0]),
    work: ({ words }) => this.each(words[0], (node) => void this.work(node)),
    deliver: ({ words }) => this.deliver(words[0], words[1]),
    step: (given) => this.forge(given),
    forget: ({ words }) => this.forget(words),
    slow: ({ words }) => this.each(words[0], (node) => void this.slowDisks.add(node.id)),
    sync: ({ words }) => this.sync(words),
    cut: ({ words }) => this.changeLinks(words, true),
    heal: ({ words }) => this.changeLinks(words, false),
    crash: ({ words }) => this.crash(words),
    compact: ({ words }) => this.compact(words),
    cold: ({ words }) => void (this.node(words[0]).storage.coldUpTo = Number(words[1])),
    warm: ({ words }) => this.warm(words),
    unreachable: ({ words }) => this.node(words[0]).raft.reportUnreachable(BigInt(words[1] as string)),
    'snapshot-by-hand': ({ words }) => this.each(words[0], (node) => void this.manualSnapshots.add(node.id)),
    'snapshot-report': ({ words }) =>
      this.node(words[0]).raft.reportSnapshot(BigInt(words[1] as string), words[2] === 'ok'),
    raise: ({ words }) => this.say(this.node(words[0]).raft.raiseCommit(Number(words[1]), Number(words[2]))),
    status: ({ words }) => this.each(words[0], (node) => this.status(node)),
    progress: ({ words }) => this.progress(this.node(words[0])),
    log: ({ words }) => this.each(words[0], (node) => this.say(logLine(node))),
  };

  /** Runs one command line and returns what it printed. */
  run(line: string): string {
    const [name, ...rest] = line.trim().split(/\s+/);
    const command = this.commands[name as string];
    if (command === undefined) throw new Error(`no command ${name}`);
    this.lines = [];
    const settings = rest.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]);
    try {
      command({ words: rest.filter((word) => !word.includes('=')), settings: new Map(settings) });
    } catch (error) {
      this.say(`broken: ${error instanceof Error ? error.message : String(error)}`);
    }
    return this.lines.length === 0 ? 'ok' : this.lines.join('\n');
  }

  private say(text: string | boolean): void {
    this.lines.push(String(text));
  }

  private node(word: string | undefined): SimNode {
    const node = this.nodes.get(BigInt(word ?? '0'));
    if (node === undefined) throw new Error(`no member ${word}`);
    return node;
  }

  private each(list: string | undefined, action: (node: SimNode) => void): void {
    for (const word of list === undefined ? this.nodes.keys() : list.split(',')) action(this.node(String(word)));
  }

  /** `members 1,2,3 learners=4 start=5@1 key=value…`: the voters, and learners, of one configuration. */
  private addMembers({ words, settings }: Arguments): void {
    const ids = (words[0] ?? '').split(',').filter(Boolean).map(BigInt);
    const learners = (settings.get('learners') ?? '').split(',').filter(Boolean).map(BigInt);
    const voters = settings.has('voters') ? (settings.get('voters') as string).split(',').filter(Boolean) : undefined;
    const conf: ConfState = { voters: voters?.map(BigInt) ?? ids, votersOutgoing: [], learners, learnersNext: [] };
    const [index, term] = (settings.get('start') ?? '0@0').split('@').map(Number) as [number, number];
    for (const id of voters === undefined ? [...ids, ...learners] : ids) {
      const chosen = nodeSettings(settings, this.nonce++);
      this.nodes.set(id, new SimNode(id, chosen, conf, { index, term }));
    }
  }

  /** An undisturbed election that is not what the scenario is about: only its outcome is printed. */
  private elect([member]: string[]): void {
    const { lines } = this;
    this.lines = [];
    this.node(member).raft.campaign();
    this.settle(undefined);
    this.lines = lines;
    const { role, term } = this.node(member).raft;
    this.say(`${member} is ${role} of term ${term}`);
  }

  private tick(words: string[]): void {
    for (let i = 0; i < Number(words[1] ?? 1); i++) this.each(words[0], (node) => node.raft.tick());
  }

  private propose(words: string[], type: number): void {
    const [member, ...data] = words;
    const result = this.node(member).raft.propose([{ type, data: toBytes(data.join(' ')) }]);
    if (result !== 'ok') this.say(result);
  }

  private proposeMany([member, count, size]: string[]): void {
    const data = toBytes('x'.repeat(Number(size ?? 1)));
    this.say(this.node(member).raft.propose(Array.from({ length: Number(count) }, () => ({ type: 0, data }))));
  }

  private proposeAt([member, term, data]: string[]): void {
    this.say(this.node(member).raft.propose([{ type: 0, data: toBytes(data ?? '') }], Number(term)));
  }

  private read([member, context]: string[]): void {
    const result = this.node(member).raft.readIndex(Number(context));
    if (result !== 'ok') this.say(result);
  }

  /** Everybody (or the members named) works and the network delivers, until nothing is left. */
  private settle(list: string | undefined): void {
    const ids = list === undefined ? [...this.nodes.keys()] : list.split(',').map(BigInt);
    for (let turn = 0; turn < 200; turn++) {
      let busy = false;
      for (const id of ids) busy = this.work(this.node(String(id))) || busy;
      for (const id of ids) busy = this.deliverTo(id) || busy;
      if (!busy) return;
    }
    throw new Error('does not settle');
  }

  /** One member does all that it has to do. */
  private work(node: SimNode): boolean {
    let busy = false;
    for (let ready = node.raft.ready(); ready !== undefined; ready = node.raft.ready()) {
      busy = true;
      this.processReady(node, ready);
    }
    return busy;
  }

  private processReady(node: SimNode, ready: Ready): void {
    for (const line of traceReady(node.id, ready)) this.say(line);
    this.sendAll(node, node.process(ready));
    for (const message of ready.messagesAfterPersist) this.say(`${traceMessage(message)} (after sync)`);
    if (!this.slowDisks.has(node.id)) this.post(node, node.sync());
  }

  private sendAll(node: SimNode, messages: readonly Message[]): void {
    for (const message of messages) this.say(traceMessage(message));
    this.post(node, messages);
  }

  private post(node: SimNode, messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.snapshot === undefined && message.type === 12) this.postSnapshot(node, message);
      else this.network.push(message);
    }
  }

  /** The host streams its store; here it arrives whole or, by hand, when the scenario says so. */
  private postSnapshot(node: SimNode, message: Message): void {
    if (this.manualSnapshots.has(node.id)) return;
    const snapshot = node.snapshot();
    this.say(`${node.id} streams ${snapshot.index}@${snapshot.term} ${traceConf(snapshot)}`);
    this.network.push({ ...message, snapshot });
    node.raft.reportSnapshot(message.to, true);
  }

  private deliver(to: string | undefined, from: string | undefined): void {
    this.deliverTo(BigInt(to ?? '0'), from === undefined ? undefined : BigInt(from));
  }

  private deliverTo(to: NodeId, from?: NodeId): boolean {
    const mine = this.network.filter((message) => message.to === to && (from === undefined || message.from === from));
    this.network = this.network.filter((message) => !mine.includes(message));
    for (const message of mine) this.receive(message);
    return mine.length > 0;
  }

  private receive(message: Message): void {
    const node = this.nodes.get(message.to);
    if (node === undefined || this.cut.has(`${message.from}->${message.to}`)) return;
    node.raft.step(message);
  }

  /** `step 1 Append from=2 term=3 index=5 logTerm=2 entries=6@3:a,7@3:b`: a message that no member has sent. */
  private forge({ words: [member, type], settings }: Arguments): void {
    const { raft, id } = this.node(member);
    const number = (key: string): number => Number(settings.get(key) ?? 0);
    const entries = (settings.get('entries') ?? '').split(',').filter(Boolean).map(parseEntry);
    raft.step({
      ...messageOfType(type ?? ''),
      from: BigInt(settings.get('from') ?? '0'),
      to: BigInt(settings.get('to') ?? id),
      term: number('term'),
      index: number('index'),
      logTerm: number('logTerm'),
      commit: number('commit'),
      reject: settings.get('reject') === 'true',
      rejectHint: number('hint'),
      context: number('context'),
      contextNonce: number('nonce'),
      entries,
    });
  }

  /** `forget 2`: everything on its way to 2 is lost. */
  private forget([to]: string[]): void {
    this.network = this.network.filter((message) => to !== undefined && message.to !== BigInt(to));
  }

  private sync([member, count]: string[]): void {
    const node = this.node(member);
    if (count === undefined) this.slowDisks.delete(node.id);
    this.post(node, count === undefined ? node.sync() : node.sync(Number(count)));
  }

  /** `cut 1` separates 1 from all, `cut 1 2` this pair, `cut 1->2` one direction. */
  private changeLinks([a, b]: string[], isCut: boolean): void {
    const links = a?.includes('->') ? [a] : this.linksOf(a as string, b);
    for (const link of links) {
      if (isCut) this.cut.add(link);
      else this.cut.delete(link);
    }
  }

  private linksOf(a: string, b: string | undefined): string[] {
    const others = b === undefined ? [...this.nodes.keys()].map(String) : [b];
    return others.filter((other) => other !== a).flatMap((other) => [`${a}->${other}`, `${other}->${a}`]);
  }

  /** `crash 1 [kept [torn]]`: unsynced writes are lost but for the first `kept` and so many entries of the next. */
  private crash([member, kept, torn]: string[]): void {
    const node = this.node(member);
    this.slowDisks.delete(node.id);
    this.network = this.network.filter((message) => message.from !== node.id && message.to !== node.id);
    node.flushStore(1);
    node.restart(Number(kept ?? 0), this.nonce++, Number(torn ?? 0));
  }

  private compact([member, index]: string[]): void {
    const node = this.node(member);
    node.flushStore(1);
    node.compact(Number(index));
  }

  private warm([member]: string[]): void {
    const node = this.node(member);
    node.storage.coldUpTo = 0;
    node.raft.entriesAvailable();
  }

  private status({ id, raft }: SimNode): void {
    const leader = raft.leader === 0n ? '-' : raft.leader;
    const extent = `commit ${raft.commit} last ${raft.lastIndex} synced ${raft.persistedIndex}`;
    this.say(`${id} ${raft.role} term ${raft.term} leader ${leader} ${extent} ${traceConf(raft.confState)}`);
  }

  private progress({ raft }: SimNode): void {
    for (const { id, match, next, state, isLearner, recentlyActive } of raft.progress()) {
      const marks = `${isLearner ? ' learner' : ''}${recentlyActive ? '' : ' silent'}`;
      this.say(`${id} ${state} match ${match} next ${next}${marks}`);
    }
  }
}

function parseEntry(text: string): LogEntry {
  const [position, data] = text.split(':') as [string, string];
  const [index, term] = position.split('@').map(Number) as [number, number];
  return { index, term, type: EntryType.Normal, data: toBytes(data) };
}

function logLine(node: SimNode): string {
  const { storage } = node;
  const entries = storage.entries(storage.firstIndex, storage.lastIndex + 1, Infinity) ?? [];
  return `${node.id} ${entries.map(traceEntry).join(', ')}`;
}

function nodeSettings(given: ReadonlyMap<string, string>, nonce: number): NodeSettings {
  const chosen: Record<string, unknown> = { ...quietSettings, nonce };
  for (const [key, value] of given) {
    if (!(key in quietSettings)) continue;
    chosen[key] = value === 'true' || value === 'false' ? value === 'true' : Number(value);
  }
  if (given.has('random')) chosen['random'] = () => Number(given.get('random'));
  return chosen as unknown as NodeSettings;
}

/** Runs a whole file and returns it with what each command printed: equal to the input if all is as expected. */
export function rewriteScenario(text: string): string {
  const scenario = new Scenario();
  const out: string[] = [];
  const blocks = text.trimEnd().split(/\n\n+/);
  for (const block of blocks) out.push(runBlock(scenario, block));
  return `${out.join('\n\n')}\n`;
}

/** A block: comment lines, commands (one each line), `----`, the expected output of all of them. */
function runBlock(scenario: Scenario, block: string): string {
  const lines = block.split('\n');
  const end = lines.indexOf('----');
  const head = end < 0 ? lines : lines.slice(0, end);
  const commands = head.filter((line) => !line.startsWith('#'));
  if (commands.length === 0) return head.join('\n');
  const outputs = commands
    .map((line) => scenario.run(line))
    .filter((output, i) => output !== 'ok' || i === commands.length - 1);
  const printed = outputs.length > 1 && outputs[outputs.length - 1] === 'ok' ? outputs.slice(0, -1) : outputs;
  return [...head, '----', ...printed].join('\n');
}
