/**
 * What a checker is: it looks at what happens, keeps a picture of its own, and throws when a rule is broken. Checkers
 * know nothing of the simulator, and of the machines only their events and effects.
 */
import type { Observation } from '../world.ts';

export interface Checker {
  /** @throws CheckFailure when a rule is broken. */
  observe(observation: Observation, nowMs: number): void;
  /** What is still to be done before all has drained; undefined for nothing. */
  pending?(): string | undefined;
  /** All has drained. */
  finish?(nowMs: number): void;
}

/** A broken rule. */
export class CheckFailure extends Error {
  readonly checker: string;

  constructor(checker: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CheckFailure';
    this.checker = checker;
  }

  /** A machine or model that throws breaks a rule too. */
  static from(error: unknown): CheckFailure {
    if (error instanceof CheckFailure) return error;
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new CheckFailure('exception', message, { cause: error });
  }
}
