/**
 * Brings the store's tables to the version of this program: forwards only, in order, each step recorded.
 *
 * Invariants: safe to run at any time, by any number of servers at once, and again after a crash at any point (steps are
 * idempotent, and are recorded after they are done); tables of a newer program are never touched.
 */
import { SluiceError } from '@sluice/base/error';
import {
  AGENT_PINS_TABLE,
  AGENT_RUNS_TABLE,
  type ClusterOptions,
  createMigrationTable,
  LOG_TABLE,
  MIGRATION_TABLE,
  MIGRATIONS,
  type Migration,
  MOVED_TABLE,
} from './schema.ts';
import type { StoreClient } from './store-client.ts';

/** What migrations need of a client. */
export type MigrationStore = Pick<StoreClient, 'command' | 'query'>;

export interface MigrateOptions {
  /** Name of the cluster on which the tables are replicated and distributed; absent for one engine. */
  readonly cluster?: string;
  /** Default: this program's own steps. */
  readonly migrations?: readonly Migration[];
  /** Tables are gone that were made before: all steps run again, and make what is missing. */
  readonly repair?: boolean;
}

export interface MigrateResult {
  /** Version before and after; 0 is an empty store. */
  readonly from: number;
  readonly to: number;
}

/** Answers nothing but that the tables are there; the engine reads none of them. @throws SluiceError when one is not */
export const TABLES_PROBE: string = `SELECT ${[
  LOG_TABLE,
  MOVED_TABLE,
  MIGRATION_TABLE,
  AGENT_PINS_TABLE,
  AGENT_RUNS_TABLE,
]
  .map((table) => `(SELECT count() FROM ${table} WHERE false)`)
  .join(' + ')} AS probed, version() AS version`;

/**
 * @throws SluiceError `state_newer` when a newer program has written the tables; store-client.ts's errors
 */
export async function migrate(store: MigrationStore, options: MigrateOptions = {}): Promise<MigrateResult> {
  const migrations = options.migrations ?? MIGRATIONS;
  const cluster: ClusterOptions | undefined =
    options.cluster === undefined ? undefined : { cluster: options.cluster };
  const newest = migrations.at(-1)?.version ?? 0;
  await store.command(createMigrationTable(cluster));
  const from = await appliedVersion(store);
  if (from > newest)
    throw new SluiceError(
      'state_newer',
      `the store's tables have version ${from}, this program knows up to ${newest}`,
      { hint: 'Run the newer version of Sluice, or give this one a store of its own.' },
    );
  for (const migration of migrations) {
    const isApplied = migration.version <= from;
    if (isApplied && options.repair !== true) continue;
    for (const statement of migration.statements(cluster)) await store.command(statement);
    if (isApplied) continue;
    await store.command(
      `INSERT INTO ${MIGRATION_TABLE} (Version, Name) SELECT {version:UInt32}, {name:String}`,
      {
        version: migration.version,
        name: migration.name,
      },
    );
  }
  return { from, to: newest };
}

async function appliedVersion(store: MigrationStore): Promise<number> {
  const [row] = await store.query(`SELECT max(Version) AS version FROM ${MIGRATION_TABLE}`);
  return Number(row?.version ?? 0);
}
