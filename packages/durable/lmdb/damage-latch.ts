/**
 * Remembers that LMDB called its file damaged while it was open. From then on nothing is done with it: what the library says of
 * such a file after that is the same each time, printed by itself, and may end the process. The next start saves what can be
 * read.
 *
 * Invariant: once there is damage, no action runs.
 */
import type { SluiceError } from '@sluice/base/error';
import { saysDamage } from './library-errors.ts';

/** Damage that was found while the file was in use. */
export interface FoundDamage {
  readonly error: SluiceError;
  /** When it was found, ms since 1970. */
  readonly sinceMs: number;
}

export class DamageLatch {
  readonly #corrupt: (reason: string, cause: unknown) => SluiceError;
  #damage: FoundDamage | undefined;

  /** @param corrupt makes the error for the file, from what LMDB says */
  constructor(corrupt: (reason: string, cause: unknown) => SluiceError) {
    this.#corrupt = corrupt;
  }

  /** Undefined while the file is in use. */
  get damage(): FoundDamage | undefined {
    return this.#damage;
  }

  /** @throws SluiceError `state_corrupt` once there was damage */
  check(): void {
    if (this.#damage !== undefined) throw this.#damage.error;
  }

  /** Runs what reads the file. Throws what it throws, and SluiceError `state_corrupt` for damage. */
  read<T>(action: () => T): T {
    this.check();
    try {
      return action();
    } catch (error) {
      throw this.note(error) ?? error;
    }
  }

  /** Takes note of what LMDB said. Returns the error of the file when it is damage. */
  note(error: unknown): SluiceError | undefined {
    if (!saysDamage(error)) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    this.#damage ??= { error: this.#corrupt(reason, error), sinceMs: Date.now() };
    return this.#damage.error;
  }
}
