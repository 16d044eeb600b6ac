/**
 * How far the bytes of a TCP socket have come. Node tells what it was handed, not what of it waits in the program: that is read
 * from the socket's handle, as Node does for its own timeouts (`net.Socket`, `_onTimeout`). What waits in the kernel is in
 * /proc/self/net/tcp (proc_net_tcp in the kernel's documentation), on Linux.
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { LinkBytes } from './peer-life.ts';

/** Of IPv4, and of IPv6 (which has IPv4 mapped into it too). */
const TABLES = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
/** Fields of a row of these tables. */
const [LOCAL_FIELD, REMOTE_FIELD, QUEUES_FIELD] = [1, 2, 4];

/** A socket that is closed, or of no kind that is known here, shows all as gone. */
export function socketBytes(socket: Socket): LinkBytes {
  const receivedBytes = socket.bytesRead;
  const handle = tcpHandle(socket);
  const handedBytes = numberOf(handle, 'bytesWritten');
  return { receivedBytes, handedBytes, goneBytes: handedBytes - numberOf(handle, 'writeQueueSize') };
}

/**
 * Bytes that the kernel has taken from the socket and the peer's computer has not confirmed; 0 where it cannot be seen.
 * It reads a table of all connections of this computer: only for a connection that is in doubt.
 */
export async function unconfirmedBytes(socket: Socket): Promise<number> {
  const local = portOf(socket.localPort);
  const remote = portOf(socket.remotePort);
  let bytes = 0;
  for (const table of TABLES) {
    // Another system than Linux, or one that shows nothing.
    const rows = await readFile(table, 'latin1').catch(() => '');
    for (const row of rows.split('\n')) {
      const fields = row.trim().split(/\s+/);
      if (fields[LOCAL_FIELD]?.endsWith(local) !== true || fields[REMOTE_FIELD]?.endsWith(remote) !== true)
        continue;
      const sending = fields[QUEUES_FIELD]?.split(':')[0];
      bytes += sending === undefined ? 0 : Number.parseInt(sending, 16);
    }
  }
  return bytes;
}

/** Of a TLS socket the one below: TLS hands on in pieces, and what it counts is not what is sent. */
function tcpHandle(socket: Socket): object | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  const below: unknown = Reflect.get(handle, '_parent');
  return typeof below === 'object' && below !== null ? below : handle;
}

function numberOf(handle: object | undefined, name: string): number {
  const value: unknown = handle === undefined ? undefined : Reflect.get(handle, name);
  return typeof value === 'number' ? value : 0;
}

/** As the table writes the end of an address. */
function portOf(port: number | undefined): string {
  return `:${(port ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
