import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ConnectionInfo, ReportProblem } from './types';

let lastConnectionId = 0;

/** What handlers know about the connection a call came on; shared by both engines. */
export class ConnectionRecord implements ConnectionInfo {
  readonly id = ++lastConnectionId;
  readonly remoteAddress: string;
  readonly encrypted: boolean;
  readonly clientCommonName: string | undefined;
  #callbacks: Array<() => void> | undefined = [];
  #report: ReportProblem | undefined;

  constructor(socket: Socket, report?: ReportProblem) {
    this.#report = report;
    this.remoteAddress = peerOf(socket);
    this.encrypted = socket instanceof TLSSocket;
    this.clientCommonName = socket instanceof TLSSocket && socket.authorized ? commonNameOf(socket) : undefined;
    socket.once('close', () => this.#ended());
  }

  onClose(callback: () => void): void {
    if (this.#callbacks === undefined) queueMicrotask(callback);
    else this.#callbacks.push(callback);
  }

  reportRequest(reason: string): void {
    const report = this.#report;
    this.#report = undefined;
    report?.(this.remoteAddress, reason);
  }

  #ended(): void {
    const callbacks = this.#callbacks ?? [];
    this.#callbacks = undefined;
    for (const callback of callbacks) callback();
  }
}

/** `host:port`, or `unix`. */
export function peerOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return 'unix';
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

function commonNameOf(socket: TLSSocket): string | undefined {
  const subject = socket.getPeerCertificate()?.subject as { CN?: string | string[] } | undefined;
  const name = subject?.CN;
  return Array.isArray(name) ? name[name.length - 1] : name;
}
