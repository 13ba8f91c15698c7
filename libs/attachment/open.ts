import { Directory, memberSubject, type Messenger } from '../event-bus';
import type { Attachable, ProcessConfig } from '../config/process-config';
import { decodeBusMember } from '../../proto/gen/hexad';
import { Attachment, type AttachmentLog } from './attachment';

export interface OpenedAttachment {
  readonly attachment: Attachment;
  close(): void;
}

/** The attachment that a configuration asks for. Resolves when at least one member is known. */
export function openAttachment(
  config: Pick<ProcessConfig, 'name' | 'addresses' | 'tiers' | 'clusterId'>,
  messenger: Messenger | undefined,
  log: AttachmentLog,
): Promise<OpenedAttachment> {
  const { attach } = config.tiers;
  if (attach === null) return Promise.resolve({ attachment: ownMember(config, log), close: () => undefined });
  if (attach !== '*') return Promise.resolve(unchanging(attach, log));
  if (messenger === undefined) throw new Error('members are found over the event bus, and there is none');
  return discovered(config, messenger, log);
}

/** Of a process that is part of a member. */
export function ownMember(
  { name, addresses }: Pick<ProcessConfig, 'name' | 'addresses'>,
  log: AttachmentLog,
): Attachment {
  const { raft, storage, lease, auth } = addresses;
  return new Attachment([{ name, addresses: { raft, storage, lease, auth } }], 0, log);
}

function unchanging(members: readonly Attachable[], log: AttachmentLog): OpenedAttachment {
  return { attachment: new Attachment(members, anyOf(members), log), close: () => undefined };
}

function discovered(
  { clusterId }: Pick<ProcessConfig, 'clusterId'>,
  messenger: Messenger,
  log: AttachmentLog,
): Promise<OpenedAttachment> {
  const subject = memberSubject(BigInt(`0x${clusterId}`), '*');
  log.info({ clusterId }, 'waits for a member to be heard of over the event bus');
  return new Promise((resolve) => {
    let attachment: Attachment | undefined;
    const directory = new Directory(messenger, subject, decodeBusMember, (entries) => {
      const members = entries.map(({ name, raftAddress, storageAddress, leaseAddress, authAddress }) => ({
        name,
        addresses: { raft: raftAddress, storage: storageAddress, lease: leaseAddress, auth: authAddress },
      }));
      if (attachment !== undefined) attachment.setCandidates(members);
      else if (members.length > 0) {
        attachment = new Attachment(members, anyOf(members), log);
        resolve({ attachment, close: () => directory.close() });
      }
    });
  });
}

/** Many hubs and proxies begin at different members. */
function anyOf(members: readonly unknown[]): number {
  return Math.floor(Math.random() * members.length);
}
