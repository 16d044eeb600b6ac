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
import { type AgentService, createAgentService } from './identity/agent-service.ts';
import { openIdentities, type StoredIdentities } from './identity/identity-file.ts';
import { startIdentitySync } from './identity/identity-sync.ts';
import { type Ingest, startIngest } from './ingest/ingest.ts';
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
import { createStoreClient, type StoreClient } from './store/store-client.ts';
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

/** What each part of a server is started with. */
interface Building {
  readonly options: ServerOptions;
  readonly directory: string;
  /** What was started, to be stopped in reverse order. */
  readonly parts: AsyncDisposableStack;
}

/**
 * Starts a server. The store may be away: the journal takes logs until it comes.
 *
 * @throws SluiceError `already_running`, `address_in_use`, `config_invalid`, `state_newer`, `state_corrupt`
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  // Before anything starts that would have to be stopped again.
  checkExposures(options);
  await using parts = new AsyncDisposableStack();
  const { logger, serverId } = options;
  const directory = path.resolve(options.directory);
  makePrivateDirectory(directory, { marks: DATA_MARKS });
  const building: Building = { options, directory, parts };
  const journal = await openJournal(building);
  const searches = new SearchTurns(searchTurnsLimits());
  const identities = await openIdentities(directory, serverId, logger);
  parts.defer(() => identities.close());
  const metrics = new ServerMetrics({ serverId, journal, searches });
  const { client, monitor } = await startStore(building);
  const now = createSteadyClock();
  const loading = startLoadingWhenReady(monitor, { journal, client, options, metrics, now });
  parts.defer(() => loading.stop());
  const ingest = await startUplink(building, { journal, metrics, identities });
  const agents = startAgents(building, { identities, client, monitor, ingest });
  const refused = new RecentIncrease(REFUSED_WINDOW_MS, LOOK_INTERVAL_MS);
  const journalDirectory = journalDirectoryOf(directory);
  const health = new HealthWatch({
    facts: () =>
      healthFacts({
        ...{ serverId, journalDirectory, journal, loading, ingest },
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
    ...{ ...options.api, agents, journal, logger },
    ...defined({ hostNames: options.apiHostNames, tls: options.tls, token: options.token }),
    consoleDirectory: options.consoleDirectory,
    search: createSearchService({
      store: createSearchStore(client, heavyThreadsFor(options.store)),
      turns: searches,
      hidden: createHiddenCopies(createMovedCopies(client)),
    }),
    status: () =>
      serverStatus({
        ...{ serverId, ingest, journal, health },
        recordsLoaded: loading.recordsLoaded,
        searches: searches.statistics,
        store: monitor.state,
        identityProblems: agents.problems(),
      }),
    metrics: () => metrics.registry.metrics(),
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

/** @throws SluiceError `config_invalid` */
function checkExposures({ uplink, api, store, tls, token }: ServerOptions): void {
  checkExposure('uplink', uplink.host, tls !== undefined, token);
  checkExposure('API', api.host, tls !== undefined, token);
  if (store.kind === 'embedded' && store.listen !== undefined)
    checkStoreExposure(store.listen.host, false, store.password);
}

function journalDirectoryOf(directory: string): string {
  return path.join(directory, 'journal');
}

async function openJournal({ options, directory, parts }: Building): Promise<Journal> {
  const journal = await Journal.open({
    directory: journalDirectoryOf(directory),
    ...defined({ maxRawBytes: options.journalBytes }),
  });
  parts.defer(() => journal.close());
  for (const { atMs, message } of journal.statistics.losses)
    options.logger.error({ at: isoTime(atMs) }, `${message} (known? sluice set-aside acknowledge)`);
  return journal;
}

/** Starts the embedded store, if there is one, and the client of whichever there is. */
async function startStore(
  building: Building,
): Promise<{ readonly client: StoreClient; readonly monitor: StoreMonitor }> {
  const { options, directory, parts } = building;
  const { store, logger } = options;
  const embedded = await startEmbeddedStore(options, directory);
  if (embedded !== undefined) parts.defer(() => embedded.stop());
  const client = createStoreClient({
    place:
      store.kind === 'embedded'
        ? { kind: 'directory', directory: path.join(directory, STORE_DIRECTORY) }
        : store,
    ...defined({ user: store.user, password: store.password }),
  });
  parts.defer(() => client.close());
  const monitor = startStoreMonitor(client, logger);
  parts.defer(() => monitor.stop());
  await refuseNewerStore(monitor);
  return { client, monitor };
}

async function startUplink(
  { options, parts }: Building,
  joined: {
    readonly journal: Journal;
    readonly metrics: ServerMetrics;
    readonly identities: StoredIdentities;
  },
): Promise<Ingest> {
  const { journal, metrics, identities } = joined;
  const { uplink, version, logger } = options;
  const ingest = await startIngest({
    ...{ ...uplink, version, journal, logger, metrics },
    ...defined({ tls: options.tls, token: options.token, region: options.region }),
    serverId: options.serverId as ServerId,
    validate: checkBlock,
    machine: machineOptions(options),
    identities: identities.book,
  });
  parts.defer(() => ingest.stop());
  return ingest;
}

/** What is known of agents, shared with the other servers by way of the store. */
function startAgents(
  { options, parts }: Building,
  joined: {
    readonly identities: StoredIdentities;
    readonly client: StoreClient;
    readonly monitor: StoreMonitor;
    readonly ingest: Ingest;
  },
): AgentService {
  const { identities, client, monitor, ingest } = joined;
  const { serverId, logger } = options;
  const { book } = identities;
  const leaving = new AbortController();
  const sync = startIdentitySync({
    ...{ serverId, book, logger },
    tables: createAgentTables(client, leaving.signal),
    ready: monitor.ready,
    runs: () => ingest.runs(),
    onChanged: (twins) => ingest.identitiesChanged(twins),
  });
  parts.defer(() => {
    leaving.abort();
    return sync.stop();
  });
  return createAgentService({ serverId, book, ingest, logger, share: () => sync.look() });
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
