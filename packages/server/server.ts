/**
 * The server: ingest -> journal -> loader -> store -> search, and the API before it. This module only joins the parts.
 */

import { availableParallelism } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defined } from '@sluice/base/defined';
import { checkBlock } from '@sluice/block/validator';
import { isoTime } from '@sluice/host/iso-time';
import { isLoopbackHost } from '@sluice/host/loopback';
import { makePrivateDirectory } from '@sluice/host/private-directory';
import { createSteadyClock } from '@sluice/host/steady-clock';
import type { ServerId } from '@sluice/protocol/model';
import { checkStoreExposure } from '@sluice/store/listen';
import { heavyShareOf } from '@sluice/store/search-share';
import { type SupervisedStore, superviseStore } from '@sluice/store/supervisor';
import { checkExposure } from './access/exposure.ts';
import { startApi } from './api/api.ts';
import { healthFacts, REFUSED_WINDOW_MS, searchFacts } from './health/gather-facts.ts';
import { HealthWatch, LOOK_INTERVAL_MS } from './health/health-watch.ts';
import { RecentIncrease } from './health/recent-increase.ts';
import { createAgentService } from './identity/agent-service.ts';
import { openIdentities } from './identity/identity-file.ts';
import { startIdentitySync } from './identity/identity-sync.ts';
import { startIngest } from './ingest/ingest.ts';
import type { ServerTls } from './ingest/listener.ts';
import { Journal } from './journal/journal.ts';
import { startLoadingWhenReady } from './loading.ts';
import { ServerMetrics } from './metrics.ts';
import { createHiddenCopies } from './search/hidden-copies.ts';
import { searchTurnsLimits } from './search/limits.ts';
import { createSearchService } from './search/search-service.ts';
import { createSearchStore } from './search/search-store.ts';
import { SearchTurns } from './search/search-turns.ts';
import { machineOptions, type ServerOptions, type StoreChoice } from './server-options.ts';
import { serverStatus } from './server-status.ts';
import { createAgentTables } from './store/agent-tables.ts';
import { createMovedCopies } from './store/moved-copies.ts';
import { createStoreClient } from './store/store-client.ts';
import { type StoreMonitor, startStoreMonitor } from './store/store-monitor.ts';
import { showUplink } from './uplink-metrics.ts';

/** What lies in a data directory that a server used before. */
const DATA_MARKS: readonly string[] = ['journal', 'store'];
/** How long a start waits for the first answer of its store. */
const FIRST_LOOK_MS = 5_000;
/** Of the embedded store, in the server's data directory. */
const STORE_DIRECTORY = 'store';

export interface Server {
  /** Of console and API. */
  readonly url: string;
  readonly uplinkPort: number;
  /** Shows this certificate from the next connection on, to agents and readers. Throws what OpenSSL says of a bad one. */
  renewTls(tls: ServerTls): void;
  /** Drains: revokes what is unused, takes what is in flight, closes everything. */
  stop(): Promise<void>;
}

/**
 * Starts a server. The store may be away: the journal takes logs until it comes.
 *
 * @throws SluiceError `already_running`, `address_in_use`, `config_invalid`, `state_newer`, `state_corrupt`
 */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: it joins the parts in their order, and decides nothing else
export async function startServer(options: ServerOptions): Promise<Server> {
  // Before anything starts that would have to be stopped again.
  checkExposure('uplink', options.uplink.host, options.tls !== undefined, options.token);
  checkExposure('API', options.api.host, options.tls !== undefined, options.token);
  if (options.store.kind === 'embedded' && options.store.listen !== undefined)
    checkStoreExposure(options.store.listen.host, false, options.store.password);
  await using parts = new AsyncDisposableStack();
  const { logger } = options;
  const directory = path.resolve(options.directory);
  makePrivateDirectory(directory, { marks: DATA_MARKS });
  const journalDirectory = path.join(directory, 'journal');
  const journal = await Journal.open({
    directory: journalDirectory,
    ...defined({ maxRawBytes: options.journalBytes }),
  });
  parts.defer(() => journal.close());
  for (const { atMs, message } of journal.statistics.losses)
    logger.error({ at: isoTime(atMs) }, `${message} (known? sluice set-aside acknowledge)`);
  const searches = new SearchTurns(searchTurnsLimits());
  const identities = await openIdentities(directory, options.serverId, logger);
  parts.defer(() => identities.close());
  const metrics = new ServerMetrics({ serverId: options.serverId, journal, searches });

  const embedded = await startEmbeddedStore(options, directory);
  if (embedded !== undefined) parts.defer(() => embedded.stop());
  const client = createStoreClient({
    place:
      options.store.kind === 'embedded'
        ? { kind: 'directory', directory: path.join(directory, STORE_DIRECTORY) }
        : options.store,
    ...defined({ user: options.store.user, password: options.store.password }),
  });
  parts.defer(() => client.close());
  const monitor = startStoreMonitor(client, logger);
  parts.defer(() => monitor.stop());
  const now = createSteadyClock();
  await refuseNewerStore(monitor);
  const loading = startLoadingWhenReady(monitor, { journal, client, options, metrics, now });
  parts.defer(() => loading.stop());

  const ingest = await startIngest({
    host: options.uplink.host,
    port: options.uplink.port,
    ...defined({ tls: options.tls, token: options.token }),
    serverId: options.serverId as ServerId,
    version: options.version,
    ...defined({ region: options.region }),
    journal,
    validate: checkBlock,
    machine: machineOptions(options),
    logger,
    metrics,
    identities: identities.book,
  });
  parts.defer(() => ingest.stop());
  const leaving = new AbortController();
  const sync = startIdentitySync({
    serverId: options.serverId,
    book: identities.book,
    tables: createAgentTables(client, leaving.signal),
    ready: monitor.ready,
    runs: () => ingest.runs(),
    onChanged: (twins) => ingest.identitiesChanged(twins),
    logger,
  });
  parts.defer(() => {
    leaving.abort();
    return sync.stop();
  });
  const agents = createAgentService({
    ...{ serverId: options.serverId, book: identities.book, ingest, logger },
    share: () => sync.look(),
  });

  const refused = new RecentIncrease(REFUSED_WINDOW_MS, LOOK_INTERVAL_MS);
  const health = new HealthWatch({
    facts: () =>
      healthFacts({
        serverId: options.serverId,
        journalDirectory,
        journal,
        loading,
        ingest,
        store: monitor.state,
        identities: () => agents.problems(),
        identityBook: identities,
        searches: searchFacts(searches.statistics, refused, now()),
      }),
    journalDirectory,
    now,
  });
  parts.defer(() => health.stop());
  metrics.showHealth(health);
  showUplink(metrics.registry, { health, ingest });

  const api = await startApi({
    host: options.api.host,
    port: options.api.port,
    ...defined({ hostNames: options.apiHostNames }),
    consoleDirectory: options.consoleDirectory,
    search: createSearchService({
      store: createSearchStore(client, heavyThreadsFor(options.store)),
      turns: searches,
      hidden: createHiddenCopies(createMovedCopies(client)),
    }),
    status: () =>
      serverStatus({
        serverId: options.serverId,
        ingest,
        journal,
        recordsLoaded: loading.recordsLoaded,
        searches: searches.statistics,
        store: monitor.state,
        health,
        identityProblems: agents.problems(),
      }),
    agents,
    journal,
    metrics: () => metrics.registry.metrics(),
    logger,
    ...defined({ tls: options.tls, token: options.token }),
    notReady: () => (monitor.state.available ? undefined : monitor.state.error),
  });
  parts.defer(() => api.stop());
  parts.defer(() => ingest.drain());

  const running = parts.move();
  return {
    url: api.url,
    uplinkPort: ingest.port,
    renewTls: (tls) => {
      ingest.renewTls(tls);
      api.renewTls(tls);
    },
    stop: () => running.disposeAsync(),
  };
}

/**
 * A store that a newer program made can never be used: better no server than one that takes logs that nobody finds. One
 * that does not answer at once may still come, so that this waits for a moment only.
 *
 * @throws SluiceError `state_newer`
 */
async function refuseNewerStore(monitor: StoreMonitor): Promise<void> {
  const moment = new AbortController();
  const looked = monitor.looked.then(() => moment.abort());
  await Promise.race([
    looked,
    sleep(FIRST_LOOK_MS, undefined, { signal: moment.signal }).catch(() => undefined),
  ]);
  moment.abort();
  if (monitor.state.errorCode === 'state_newer') await monitor.ready;
}

/** A store on this computer shares its cores with intake and gets few threads; another may use all that it has. */
function heavyThreadsFor(store: StoreChoice): number | undefined {
  const host = store.kind === 'url' ? URL.parse(store.url)?.hostname : undefined;
  const isHere = host === undefined || host === '' || isLoopbackHost(host);
  return isHere ? heavyShareOf(availableParallelism()).threads : undefined;
}

async function startEmbeddedStore(
  options: ServerOptions,
  directory: string,
): Promise<SupervisedStore | undefined> {
  const { store, logger } = options;
  if (store.kind !== 'embedded') return undefined;
  return await superviseStore({
    directory: path.join(directory, STORE_DIRECTORY),
    ...defined({ listen: store.listen, user: store.user, password: store.password }),
    logger,
  });
}
