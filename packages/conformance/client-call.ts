/** One RPC stream of a scripted agent on a raw HTTP/2 stream: what is said goes out as it is, whether it is right or not. */
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { EnvelopeSplitter, enclose, FLAG_END_STREAM } from './envelope.ts';

/** How a call ended other than well: `[code] message`, or an HTTP status, or a broken stream. */
export class CallEnded extends Error {
  override readonly name = 'CallEnded';

  /** Connect's name of the code; `http` and `broken` for what is none. */
  readonly code: string;

  constructor(code: string, text: string) {
    super(`[${code}] ${text}`);
    this.code = code;
  }
}

/** gRPC's numbers as Connect's names, as far as a server here uses them. */
const GRPC_NAMES: ReadonlyMap<string, string> = new Map([
  ['3', 'invalid_argument'],
  ['4', 'deadline_exceeded'],
  ['8', 'resource_exhausted'],
  ['9', 'failed_precondition'],
  ['13', 'internal'],
  ['14', 'unavailable'],
  ['16', 'unauthenticated'],
]);

export interface CallOptions {
  readonly path: string;
  readonly protocol?: 'connect' | 'grpc';
  readonly token?: string | undefined;
}

export class ClientCall {
  readonly #stream: ClientHttp2Stream;
  readonly #messages: Buffer[] = [];
  readonly #waiters = new Set<() => void>();
  /** Undefined while it goes on; `ended` when it ended well. */
  #end: CallEnded | 'ended' | undefined;

  constructor(session: ClientHttp2Session, { path, protocol = 'connect', token }: CallOptions) {
    const type = protocol === 'grpc' ? 'application/grpc+proto' : 'application/connect+proto';
    this.#stream = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': type },
      ...(protocol === 'grpc' ? { te: 'trailers' } : { 'connect-protocol-version': '1' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    });
    this.#listen(protocol);
  }

  /** How it ended; undefined while it goes on, `ended` when well. */
  get outcome(): CallEnded | 'ended' | undefined {
    return this.#end;
  }

  say(message: Uint8Array, flags = 0): void {
    this.sayBytes(enclose(message, flags));
  }

  /** Bytes without an envelope. */
  sayBytes(bytes: Uint8Array): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.write(bytes);
  }

  /** Nothing more is said. */
  end(): void {
    if (!this.#stream.destroyed) this.#stream.end();
  }

  cancel(): void {
    this.#stream.close();
  }

  /** @returns the next message; undefined when the call ended well, or nothing came in time. @throws CallEnded */
  async next(withinMs: number): Promise<Uint8Array | undefined> {
    await this.#until(() => this.#messages.length > 0 || this.#end !== undefined, withinMs);
    const message = this.#messages.shift();
    // Plain bytes: what is read out of a Buffer stays one.
    if (message !== undefined) return new Uint8Array(message);
    if (this.#end instanceof CallEnded) throw this.#end;
    return undefined;
  }

  /** Waits for the end. @returns how it ended, undefined when it did not in time */
  async ended(withinMs: number): Promise<CallEnded | 'ended' | undefined> {
    await this.#until(() => this.#end !== undefined, withinMs);
    return this.#end;
  }

  #listen(protocol: 'connect' | 'grpc'): void {
    const splitter = new EnvelopeSplitter();
    this.#stream.on('response', (headers) => {
      if (headers[':status'] !== 200) this.#finish(new CallEnded('http', `status ${headers[':status']}`));
      // A gRPC call without messages ends with its head.
      else if (protocol === 'grpc') this.#trailers(headers['grpc-status'], headers['grpc-message']);
    });
    this.#stream.on('trailers', (headers) =>
      this.#trailers(String(headers['grpc-status'] ?? ''), headers['grpc-message']),
    );
    this.#stream.on('data', (chunk: Buffer) => {
      for (const { flags, message } of splitter.push(chunk)) {
        if (flags === FLAG_END_STREAM) this.#finish(endOf(message));
        else this.#messages.push(message);
      }
      this.#wake();
    });
    this.#stream.on('error', (error) => this.#finish(new CallEnded('broken', error.message)));
    this.#stream.once('close', () => this.#finish(new CallEnded('broken', 'the stream was closed')));
  }

  #trailers(status: unknown, message: unknown): void {
    if (status === undefined || status === '') return;
    const text = decodeURIComponent(String(message ?? ''));
    const code = GRPC_NAMES.get(String(status)) ?? `grpc ${String(status)}`;
    this.#finish(String(status) === '0' ? 'ended' : new CallEnded(code, text));
  }

  #finish(end: CallEnded | 'ended'): void {
    this.#end ??= end;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }

  #until(condition: () => boolean, withinMs: number): Promise<void> {
    if (condition()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      clearTimeout(timer);
      this.#waiters.delete(look);
      resolve();
    };
    const look = (): void => {
      if (condition()) end();
    };
    const timer = setTimeout(end, withinMs);
    this.#waiters.add(look);
    return promise;
  }
}

/** What the last message of a Connect stream says. */
function endOf(message: Buffer): CallEnded | 'ended' {
  const end: unknown = JSON.parse(message.toString());
  if (typeof end !== 'object' || end === null || !('error' in end)) return 'ended';
  const { error } = end;
  if (typeof error !== 'object' || error === null)
    return new CallEnded('unknown', 'the server named no error');
  const code = 'code' in error ? String(error.code) : 'unknown';
  return new CallEnded(code, 'message' in error ? String(error.message) : '');
}
