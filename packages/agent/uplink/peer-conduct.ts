/**
 * What becomes of a server that says what it should not, over one connection: each message that breaks the protocol is passed
 * over and told; after MAX_VIOLATIONS_PER_CONNECTION of them, or after one that says that its acknowledgements are worth
 * nothing, the connection ends, and the next one comes late (backoff.ts).
 */
import { SluiceError } from '@sluice/base/error';
import type { Logger } from 'pino';
import { MAX_VIOLATIONS_PER_CONNECTION } from './limits.ts';
import type { PeerProblems } from './peer-problems.ts';

export interface PeerConductOptions {
  readonly address: string;
  /** Outlive the connection. */
  readonly problems: PeerProblems;
  readonly logger: Logger;
  /** Ends the connection. */
  end(error: SluiceError): void;
}

export class PeerConduct {
  readonly #options: PeerConductOptions;
  #violations = 0;

  constructor(options: PeerConductOptions) {
    this.#options = options;
  }

  /** Something that a person should know; it costs nothing. */
  note(kind: string, problem: string): void {
    const { address, problems, logger } = this.#options;
    const text = `${address}: ${problem}`;
    if (problems.add(kind, text, performance.now())) logger.warn({ address, kind }, text);
  }

  /** A message broke the protocol and was not used. */
  violated(kind: string, error: SluiceError): void {
    this.note(kind, error.message);
    this.#violations += 1;
    if (this.#violations > MAX_VIOLATIONS_PER_CONNECTION) this.#end(error);
  }

  /** What the server said shows that nothing that it says can be relied on. */
  breach(kind: string, error: SluiceError): void {
    this.note(kind, error.message);
    this.#end(error);
  }

  /** Reads a message. @returns undefined for one that breaks the protocol: it is told. */
  read<T>(kind: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!SluiceError.is(error, 'protocol_violation')) throw error;
      this.violated(kind, error);
      return undefined;
    }
  }

  #end(error: SluiceError): void {
    const { address, end } = this.#options;
    end(
      new SluiceError('protocol_violation', `${address} broke the protocol: ${error.message}`, {
        cause: error,
      }),
    );
  }
}
