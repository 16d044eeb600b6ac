/**
 * One RPC stream of a scripted server on a raw HTTP/2 stream, as Connect or as gRPC, whichever the agent speaks
 * (proto/PROTOCOL.md). Messages are handed on in the turn in which they arrive.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { EnvelopeSplitter, enclose, FLAG_END_STREAM } from './envelope.ts';

/** Codes by which a stream ends: Connect's names and gRPC's numbers. */
const GRPC_CODES = {
  invalid_argument: 3,
  deadline_exceeded: 4,
  resource_exhausted: 8,
  failed_precondition: 9,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type EndCode = keyof typeof GRPC_CODES;

export interface StreamListener {
  message(bytes: Buffer): void;
  /** The peer sends no more. */
  inputEnded(): void;
  /** The stream is gone. */
  closed(): void;
  /** What came is no stream of envelopes. */
  broken(reason: string): void;
}

export class WireStream {
  readonly #stream: ServerHttp2Stream;
  readonly #isGrpc: boolean;
  #isOpen = true;

  private constructor(stream: ServerHttp2Stream, isGrpc: boolean) {
    this.#stream = stream;
    this.#isGrpc = isGrpc;
  }

  /** Answers the stream's head and listens. @returns undefined for a content type that no agent sends */
  static accept(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    listener: StreamListener,
  ): WireStream | undefined {
    const type = headers['content-type'] ?? '';
    const isGrpc = type === 'application/grpc' || type === 'application/grpc+proto';
    // A connection that breaks is no fault of what was said; its close is told.
    stream.on('error', () => undefined);
    if (!isGrpc && type !== 'application/connect+proto') {
      stream.respond({ ':status': 415 }, { endStream: true });
      return undefined;
    }
    stream.respond({ ':status': 200, 'content-type': type }, { waitForTrailers: isGrpc });
    const accepted = new WireStream(stream, isGrpc);
    accepted.#listen(listener);
    return accepted;
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#stream.destroyed;
  }

  say(message: Uint8Array, flags = 0): void {
    if (this.isOpen) this.#stream.write(enclose(message, flags));
  }

  /** Ends the stream as a server does; with a code: as one that refuses it. */
  end(code?: EndCode, message = ''): void {
    if (!this.isOpen) return;
    this.#isOpen = false;
    if (this.#isGrpc) {
      const status = code === undefined ? 0 : GRPC_CODES[code];
      this.#stream.once('wantTrailers', () =>
        this.#stream.sendTrailers({ 'grpc-status': String(status), 'grpc-message': encodeURI(message) }),
      );
      this.#stream.end();
      return;
    }
    const end = code === undefined ? {} : { error: { code, message } };
    this.#stream.end(enclose(Buffer.from(JSON.stringify(end)), FLAG_END_STREAM));
  }

  #listen(listener: StreamListener): void {
    const splitter = new EnvelopeSplitter();
    this.#stream.on('data', (chunk: Buffer) => {
      try {
        for (const { flags, message } of splitter.push(chunk)) {
          if (flags === 0) listener.message(message);
          else listener.broken(`an envelope with the flags ${flags}`);
        }
      } catch (error) {
        listener.broken(error instanceof Error ? error.message : String(error));
      }
    });
    this.#stream.once('end', () => {
      if (splitter.restBytes > 0) listener.broken(`the stream ended within an envelope`);
      listener.inputEnded();
    });
    this.#stream.once('close', () => {
      this.#isOpen = false;
      listener.closed();
    });
  }
}
