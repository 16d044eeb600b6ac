/**
 * A file that only takes room. Removing what a durable file holds needs a few pages too, and with a disk that is full to the
 * last byte it could never shrink again; the ballast is given back to the disk then.
 *
 * Invariant: a disk too full for the ballast is left alone, and stops nothing.
 */
import { closeSync, fsyncSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '@sluice/base/error';
import { openPrivateFile } from '@sluice/host/private-directory';
import type { DurableEnvironment, Transaction } from './lmdb/environment.ts';

/** Some hundred removals' worth of copied pages. */
const BALLAST_BYTES: number = 1024 * 1024;
export const BALLAST_FILE_NAME = 'ballast';

export class Ballast {
  readonly #environment: DurableEnvironment;
  readonly #file: string;
  #isDropped = false;

  /** Puts the ballast beside the environment's file, unless it is there. */
  constructor(environment: DurableEnvironment) {
    this.#environment = environment;
    this.#file = path.join(path.dirname(environment.file), BALLAST_FILE_NAME);
    this.#ensure();
  }

  /**
   * Commits what makes the file smaller or keeps its size: on a full disk it gets the ballast's room. The action may run
   * several times.
   *
   * @throws SluiceError as {@link DurableEnvironment.commit}
   */
  async commit(action: (write: Transaction) => void): Promise<void> {
    try {
      await this.#environment.commitAgain(action);
    } catch (error) {
      if (!SluiceError.is(error, 'disk_full')) throw error;
      this.#isDropped = true;
      rmSync(this.#file, { force: true });
      await this.#environment.commitAgain(action);
    }
  }

  /** New blocks find room again, so the disk can afford the ballast. */
  restore(): void {
    if (!this.#isDropped) return;
    this.#isDropped = false;
    this.#ensure();
  }

  #ensure(): void {
    if ((statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0) >= BALLAST_BYTES) return;
    try {
      const descriptor = openPrivateFile(this.#file);
      try {
        // Real bytes: a sparse file would hold no space.
        writeFileSync(descriptor, Buffer.alloc(BALLAST_BYTES, 0xa5));
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch {
      // A part of the ballast would only take the room of what is to be kept.
      rmSync(this.#file, { force: true });
    }
  }
}
