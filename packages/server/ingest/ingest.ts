/**
 * The server's uplink, put together: the listener, and behind it the runtime around the uplink state machine.
 */
import { defined } from '@sluice/base/defined';
import type { AgentId } from '@sluice/protocol/model';
import type { ServerMachineView } from '@sluice/protocol/server-view';
import type { UplinkHappeningKind } from '@sluice/protocol/uplink-history';
import { UplinkService } from '@sluice/wire/gen/uplink_pb';
import { Doorkeeper } from '../access/doorkeeper.ts';
import { checkExposure } from '../access/exposure.ts';
import type { LiveRun } from '../identity/identity-sync.ts';
import type { SeenRun } from '../identity/twins.ts';
import { control, send } from './handlers.ts';
import type { TwinsByAgent } from './identity-desk.ts';
import type { IngestOptions } from './ingest-options.ts';
import { IngestRuntime } from './ingest-runtime.ts';
import {
  DRAIN_TIMEOUT_MS,
  MAX_AGENTS,
  MAX_BLOCK_MESSAGE_BYTES,
  MAX_CONTROL_MESSAGE_BYTES,
} from './limits.ts';
import type { ServerTls } from './listener.ts';
import { startListener } from './listener.ts';
import type { KeptNotice } from './notice-log.ts';
import type { KnownAgent } from './report-book.ts';

export interface Ingest {
  readonly port: number;
  /** Grants, channels and shares as the machine sees them now. */
  view(): ServerMachineView;
  /** The latest report of each agent seen, bounded. */
  reports(): KnownAgent[];
  /** The latest notices, oldest first, bounded. */
  notices(): readonly KeptNotice[];
  readonly noticesTotal: number;
  /** What agents tell that happened in their uplink since this server started, over all of them. */
  readonly agentEventTotals: ReadonlyMap<UplinkHappeningKind, number>;
  readonly connectionCount: number;
  /** The connected agents, for other servers to know. */
  runs(): LiveRun[];
  /** Agents of which several run at once, here or at other servers. */
  twins(): TwinsByAgent;
  /** Pins changed: judges the connected agents anew, and tells them. */
  identitiesChanged(elsewhere?: ReadonlyMap<AgentId, readonly SeenRun[]>): void;
  /** Shows agents this certificate from their next connection on. Throws what OpenSSL says of one that cannot be used. */
  renewTls(tls: ServerTls): void;
  /** Revokes, takes what is in flight, says goodbye. Resolves when every agent is answered, or after timeoutMs. */
  drain(timeoutMs?: number): Promise<void>;
  /** Ends all connections at once and stops listening. */
  stop(): Promise<void>;
}

/**
 * Starts to listen.
 * @throws SluiceError config_invalid (address beyond loopback without TLS and token, bad key), address_in_use.
 */
export async function startIngest(options: IngestOptions): Promise<Ingest> {
  checkExposure('uplink', options.host, options.tls !== undefined, options.token);
  const runtime = new IngestRuntime(options);
  const listener = await startListener({
    host: options.host,
    port: options.port,
    ...defined({ tls: options.tls }),
    maxConnections: options.maxAgents ?? MAX_AGENTS,
    ...defined({ handshakeTimeoutMs: options.handshakeTimeoutMs, pingIntervalMs: options.pingIntervalMs }),
    logger: options.logger,
    doorkeeper: new Doorkeeper(options.token),
    routes: (router) => {
      router.rpc(UplinkService.method.control, (requests, context) => control(runtime, requests, context), {
        readMaxBytes: MAX_CONTROL_MESSAGE_BYTES,
      });
      router.rpc(UplinkService.method.send, (requests, context) => send(runtime, requests, context), {
        readMaxBytes: MAX_BLOCK_MESSAGE_BYTES,
      });
    },
  });
  return {
    port: listener.port,
    view: () => runtime.view(),
    reports: () => runtime.reports.list(),
    notices: () => runtime.notices.latest,
    get noticesTotal() {
      return runtime.notices.total;
    },
    get agentEventTotals() {
      return runtime.reports.eventTotals.all;
    },
    get connectionCount() {
      return listener.connectionCount;
    },
    runs: () => runtime.desk.runs(),
    twins: () => runtime.desk.twins(),
    identitiesChanged: (elsewhere) => runtime.desk.changed(elsewhere),
    renewTls: (tls) => listener.renewTls(tls),
    drain: (timeoutMs = DRAIN_TIMEOUT_MS) => runtime.drain(timeoutMs, () => listener.leave()),
    stop: async () => {
      runtime.stop();
      await listener.close();
      await runtime.appendsEnded();
    },
  };
}
