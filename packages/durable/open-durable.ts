/**
 * Opens a durable file so that whatever happened to it is told: looks at it before LMDB does, brings it to the present format,
 * saves what can be saved of a damaged one, and notices by the ledger beside it that one was emptied or deleted.
 *
 * Each start walks the structure of the file (lmdb/check.ts), and a table of its databases judges the entries. After starts that
 * failed, all of it is read too, in a process of its own (lmdb/probe.ts), because something that the walk does not know may be
 * what ends them. A damaged file is copied, as far as it can be read, into a new one, and kept under another name for people.
 *
 * Invariants: a sound file of the present format is not changed; a file under its name is whole, and says whose it is: one that is new
 * or mended gets its name when it is; what was lost is counted once, whenever a crash comes (file-replacement.ts).
 */
import { renameSync } from 'node:fs';
import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { SluiceError } from '@sluice/base/error';
import { checkUsableFile } from '@sluice/host/file-problem';
import { makeFilesPrivate } from '@sluice/host/private-directory';
import { corruptState, type StateName } from './corrupt-state.ts';
import {
  endInterruptedReplacement,
  newFileOf,
  passingNamesOf,
  placeNew,
  removeLmdbFile,
  replaceDamaged,
  salvageFileOf,
} from './file-replacement.ts';
import { Ledger, renameFormerLedger } from './ledger.ts';
import { lmdbDamage } from './lmdb/check.ts';
import { DurableEnvironment } from './lmdb/environment.ts';
import { type FormatUpgrade, upgradeFormat } from './lmdb/format-upgrade.ts';
import { diskFull, isDiskFull, openFailure, saysDamage } from './lmdb/library-errors.ts';
import { probeLmdb } from './lmdb/probe.ts';
import { type Salvage, type SalvagedDatabase, salvageLmdb } from './lmdb/salvage.ts';
import { type DatabaseRule, TableJudge } from './lmdb/table-judge.ts';
import { type Consequences, type Fault, type Loss, lossOf } from './loss.ts';

/** One may be a `kill -9` or a power cut; reading all of the file after each of these would keep it closed for long. */
const FAILED_STARTS_TO_PROBE = 2;
/** Databases of a later version, beside those in the table. */
const SPARE_DATABASES = 2;

/** What makes one durable file different from another. */
export interface DurableFileKind<State, Identity> {
  readonly fileName: string;
  readonly ledgerName: string;
  /** What versions up to 0.1 called the ledger. */
  readonly formerLedgerName: string;
  /** For the reader: "the queue". */
  readonly what: string;
  /** For the reader: who has it open. */
  readonly program: string;
  /** For the reader, of a block that is lost: "that no server had acknowledged". */
  readonly promised: string;
  /** `meta` first. */
  readonly databases: readonly DatabaseRule[];
  readonly format: number;
  readonly upgrades: readonly FormatUpgrade[];
  /** The state in the ledger as it was written, or undefined when this is none. */
  readonly parseState: (value: unknown) => State | undefined;
  /** Whether a version that wrote no ledger has left something in the directory. */
  readonly wasUsed: (directory: string) => boolean;
  /**
   * What the file says that it is; undefined when it says nothing, or is another than the ledger speaks of.
   *
   * @throws SluiceError `config_invalid` when it is another than the configuration names
   */
  readonly identify: (environment: DurableEnvironment, state: State | undefined) => Identity | undefined;
  /**
   * Makes a file that is new, or holds what was saved, one that can be gone on with: afterwards it says what it is.
   *
   * @param fault what befell it; undefined when it was never used
   */
  readonly settle: (
    environment: DurableEnvironment,
    fault: Fault | undefined,
    state: State | undefined,
  ) => Promise<Consequences>;
}

/** What the file was when it was opened. */
export type Origin =
  /** Never used before. */
  | 'fresh'
  | 'resumed'
  /** Used before, and what it held, or whose it was, is gone. */
  | 'lost';

export interface OpenedDurable<State, Identity> {
  readonly environment: DurableEnvironment;
  readonly ledger: Ledger<State>;
  readonly identity: Identity;
  readonly origin: Origin;
}

/**
 * The caller holds the directory's lock.
 *
 * @param mapBytes address space for the file; left out, the library takes more as it grows
 * @throws SluiceError `state_newer`, `config_invalid`, `disk_full`, `state_corrupt`
 */
export async function openDurable<State, Identity>(
  kind: DurableFileKind<State, Identity>,
  directory: string,
  mapBytes?: number,
): Promise<OpenedDurable<State, Identity>> {
  try {
    return await new Opening(kind, directory, mapBytes).open();
  } catch (error) {
    const { what, fileName } = kind;
    if (isDiskFull(error, directory)) throw diskFull(what, directory, error);
    throw openFailure(`${what} ${path.join(directory, fileName)}`, error);
  }
}

/** The ledger beside a file that may be in use. @throws SluiceError `config_invalid` */
export function openLedger<State>(
  kind: Pick<DurableFileKind<State, unknown>, 'ledgerName' | 'what' | 'parseState'>,
  directory: string,
): Ledger<State> {
  const { ledgerName, what, parseState } = kind;
  const file = path.join(directory, ledgerName);
  return new Ledger({ file, what: `the ledger of ${what.replace(/^the /, '')}`, parse: parseState });
}

class Opening<State, Identity> {
  readonly #kind: DurableFileKind<State, Identity>;
  readonly #directory: string;
  readonly #file: string;
  readonly #mapBytes: number | undefined;
  readonly #name: StateName;
  readonly #ledger: Ledger<State>;
  readonly #wasUsed: boolean;

  constructor(kind: DurableFileKind<State, Identity>, directory: string, mapBytes: number | undefined) {
    this.#kind = kind;
    this.#directory = directory;
    this.#mapBytes = mapBytes;
    const { fileName, ledgerName, formerLedgerName, what, program } = kind;
    this.#file = path.join(directory, fileName);
    this.#name = { what: `${what} ${this.#file}`, program };
    const ledgerFile = path.join(directory, ledgerName);
    checkUsableFile(`the ledger of ${what}`, ledgerFile);
    renameFormerLedger(path.join(directory, formerLedgerName), ledgerFile);
    for (const other of [`${this.#file}-lock`, ...passingNamesOf(this.#file)]) checkUsableFile(what, other);
    this.#ledger = openLedger(kind, directory);
    this.#wasUsed = this.#ledger.found.kind !== 'absent' || kind.wasUsed(directory);
  }

  async open(): Promise<OpenedDurable<State, Identity>> {
    endInterruptedReplacement(this.#file, this.#ledger);
    const size = checkUsableFile(this.#kind.what, this.#file);
    if (size === undefined || size === 0) {
      await this.#makeNew();
      return await this.#openSound(this.#wasUsed ? 'lost' : 'fresh');
    }
    const problem = await this.#look();
    if (problem !== undefined) return await this.#openSound(await this.#replace(problem));
    try {
      return await this.#openSound('resumed');
    } catch (error) {
      // What LMDB cannot open or read after all is damaged too.
      if (!isDamage(error)) throw error;
      return await this.#openSound(await this.#replace(SluiceError.from(error).message));
    }
  }

  /** Looks at the file, and upgrades it when it is an older one. Returns what is wrong with it. */
  async #look(): Promise<string | undefined> {
    const judge = this.#judge();
    const damage = lmdbDamage(this.#file, judge) ?? (await this.#probe(judge.names));
    if (damage !== undefined || judge.olderFormat === undefined) return damage;
    await this.#upgrade(this.#file, judge.olderFormat);
    // What the upgrade could not read is still there as it was.
    return lmdbDamage(this.#file, this.#judge());
  }

  async #probe(names: readonly string[]): Promise<string | undefined> {
    const isSuspected = this.#ledger.failedStarts >= FAILED_STARTS_TO_PROBE;
    return isSuspected ? await probeLmdb(this.#file, names) : undefined;
  }

  async #openSound(origin: Origin): Promise<OpenedDurable<State, Identity>> {
    const environment = this.#environment(this.#file);
    try {
      makeFilesPrivate(this.#directory);
      const identity = this.#kind.identify(environment, this.#ledger.state);
      if (identity === undefined) throw corruptState(this.#name, 'it does not say whose it is');
      return { environment, ledger: this.#ledger, identity, origin };
    } catch (error) {
      await environment.close();
      throw error;
    }
  }

  async #makeNew(): Promise<void> {
    const made = newFileOf(this.#file);
    const fault: Fault | undefined = this.#wasUsed ? { kind: 'lost' } : undefined;
    const { consequences } = await this.#settle(made, fault);
    placeNew(this.#file, this.#ledger, fault && this.#lossOf(fault, consequences));
  }

  /** Saves what can be saved of the file, which is damaged for `reason`. Nobody may have it open. */
  async #replace(reason: string): Promise<Origin> {
    const copy = salvageFileOf(this.#file);
    const salvage = await this.#salvage(copy);
    const fault: Fault = { kind: 'damaged', reason, salvage };
    const { consequences, wasNamed } = await this.#settle(copy, fault);
    replaceDamaged(this.#file, this.#ledger, (keptAs) => this.#lossOf(fault, consequences, keptAs));
    return wasNamed ? 'resumed' : 'lost';
  }

  async #salvage(copy: string): Promise<Salvage> {
    const judge = this.#judge();
    const salvage = await salvageLmdb(this.#file, copy, judge);
    if (judge.olderFormat === undefined) return salvage;
    const upgraded = newFileOf(this.#file);
    renameSync(copy, upgraded);
    await this.#upgrade(upgraded, judge.olderFormat);
    // What the upgrade could not read is still there as it was.
    const { entries } = await salvageLmdb(upgraded, copy, this.#judge());
    removeLmdbFile(upgraded);
    return { ...salvage, entries: withClaimsOf(salvage.entries, entries) };
  }

  async #upgrade(file: string, from: number): Promise<void> {
    const { upgrades, format } = this.#kind;
    const upgrade = upgrades.find((one) => one.from === from);
    if (upgrade === undefined) throw corruptState(this.#name, `nothing brings format ${from} to ${format}`);
    const environment = this.#environment(file);
    try {
      await upgradeFormat(environment, upgrade, format);
    } finally {
      await environment.close();
    }
  }

  async #settle(
    file: string,
    fault: Fault | undefined,
  ): Promise<{ readonly consequences: Consequences; readonly wasNamed: boolean }> {
    const environment = this.#environment(file);
    try {
      makeFilesPrivate(this.#directory);
      const { state } = this.#ledger;
      const wasNamed = this.#kind.identify(environment, state) !== undefined;
      return { consequences: await this.#kind.settle(environment, fault, state), wasNamed };
    } finally {
      await environment.close();
    }
  }

  #lossOf(fault: Fault, consequences: Consequences, keptAs?: string): Loss {
    const { found, state } = this.#ledger;
    const notedMs = found.kind === 'read' && state !== undefined ? found.notedMs : undefined;
    const { promised } = this.#kind;
    return lossOf(fault, consequences, { what: this.#name.what, promised, notedMs, keptAs });
  }

  #judge(): TableJudge {
    const { databases, format, upgrades } = this.#kind;
    return new TableJudge(databases, { present: format, older: upgrades }, this.#name);
  }

  #environment(file: string): DurableEnvironment {
    const { what, program, databases } = this.#kind;
    return new DurableEnvironment({
      ...{ file, what, program, maxDatabases: databases.length + SPARE_DATABASES },
      ...defined({ mapBytes: this.#mapBytes }),
    });
  }
}

/** What was copied last, and how much there was in the beginning. */
function withClaimsOf(
  first: ReadonlyMap<string, SalvagedDatabase>,
  last: ReadonlyMap<string, SalvagedDatabase>,
): ReadonlyMap<string, SalvagedDatabase> {
  return new Map(
    [...last].map(([name, { found }]) => [name, { found, expected: first.get(name)?.expected }]),
  );
}

/** Whether an error of opening says that the file's content is not what was written. */
function isDamage(error: unknown): boolean {
  return error instanceof SluiceError ? error.code === 'state_corrupt' : saysDamage(error);
}
