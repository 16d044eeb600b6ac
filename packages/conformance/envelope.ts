/**
 * The envelopes of a Connect or gRPC stream: one byte of flags, the length as UInt32 big-endian, the message
 * (proto/PROTOCOL.md). Written by hand and not with a library, so that a script can also say what no library would.
 */

/** Flags byte and length. */
const HEAD_BYTES = 5;
/** Of Connect: the message is the end of the stream, as JSON. */
export const FLAG_END_STREAM = 0b10;
/** Larger than any message of the protocol: beyond it a peer counts wrong, and would make the kit hold it all. */
const MAX_MESSAGE_BYTES: number = 16 * 1024 * 1024;

export interface Envelope {
  readonly flags: number;
  readonly message: Buffer;
}

/** The message in its envelope. */
export function enclose(message: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Cuts what arrives on one stream into its envelopes. */
export class EnvelopeSplitter {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Of the next envelope, head included; until its head is there, that of a head. */
  #wantedBytes = HEAD_BYTES;

  /** Bytes of an envelope that is not whole yet. */
  get restBytes(): number {
    return this.#bytes;
  }

  /** @returns the envelopes that are whole now. @throws Error for one that is larger than any may be */
  push(chunk: Buffer): Envelope[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const envelopes: Envelope[] = [];
    while (this.#bytes >= this.#wantedBytes) {
      const rest = Buffer.concat(this.#chunks);
      const length = rest.readUInt32BE(1);
      if (length > MAX_MESSAGE_BYTES) throw new Error(`an envelope says that it holds ${length} bytes`);
      const end = HEAD_BYTES + length;
      if (rest.length >= end) {
        envelopes.push({ flags: rest.readUInt8(0), message: rest.subarray(HEAD_BYTES, end) });
        this.#chunks = [rest.subarray(end)];
        this.#bytes = rest.length - end;
        this.#wantedBytes = HEAD_BYTES;
      } else {
        this.#chunks = [rest];
        this.#wantedBytes = end;
      }
    }
    return envelopes;
  }
}
