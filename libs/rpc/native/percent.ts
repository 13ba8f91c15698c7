/** `grpc-message` on the wire: percent-encoded UTF-8 (gRPC over HTTP/2, "Status-Message"). */

const plain = /^[ -$&-~]*$/;

export function encodeGrpcMessage(message: string): string {
  if (plain.test(message)) return message;
  let result = '';
  for (const octet of Buffer.from(message)) {
    if (octet >= 0x20 && octet <= 0x7e && octet !== 0x25) result += String.fromCharCode(octet);
    else result += `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
}

/** What is not a valid escape stays as it is. `message` is Latin-1 as received. */
export function decodeGrpcMessage(message: string): string {
  if (plain.test(message)) return message;
  const octets = Buffer.allocUnsafe(message.length);
  let length = 0;
  for (let i = 0; i < message.length; i++) {
    const escape = message[i] === '%' ? message.slice(i + 1, i + 3) : '';
    if (/^[0-9a-fA-F]{2}$/.test(escape)) {
      octets[length++] = Number.parseInt(escape, 16);
      i += 2;
    } else octets[length++] = message.charCodeAt(i);
  }
  return octets.toString('utf8', 0, length);
}
