/**
 * The agent: sources -> records -> blocks -> durable queue -> uplink. This module only joins the parts.
 */

import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { LOCK_FILE_NAME } from '@sluice/durable/directory-lock';
import { DiskWatch } from '@sluice/durable/disk-watch';
import { isoTime } from '@sluice/host/iso-time';
import { makePrivateDirectory } from '@sluice/host/private-directory';
import { Recorder } from '@sluice/record/recorder';
import type { UrgencyRule } from '@sluice/record/urgency';
import type { Logger } from 'pino';
import { loadAgentKey } from './agent-key.ts';
import { createSources, type SourceSettings } from './create-sources.ts';
import { type Pipeline, startPipeline } from './pipeline.ts';
import { DurableQueue } from './queue/queue.ts';
import type { ClientTls } from './uplink/http2-link.ts';
import type { QueueFacts } from './uplink/report.ts';
import { startUplink, type Uplink } from './uplink/uplink.ts';

/** How long an agent that stops waits for acknowledgements of what is in flight; the rest is sent at the next start. */
const STOP_TIMEOUT_MS = 3_000;

export interface AgentOptions extends SourceSettings {
  /** Data directory: queue, read positions, identity. */
  readonly directory: string;
  /** URLs of the servers. */
  readonly servers: readonly string[];
  /** Name of this agent; default: drawn once from the host name. */
  readonly agentId?: string;
  readonly hostName: string;
  /** Servers of the same region rank themselves higher. Default: anywhere. */
  readonly region?: string;
  /** Classes of urgency that do not follow from severity; a rule without conditions fits everything. */
  readonly urgencyRules?: readonly UrgencyRule[];
  /** How long a block waits for a silent server that may have it; default: the machine's. */
  readonly inDoubtTimeoutMs?: number;
  readonly queueBytes?: number;
  /** Whom it believes, and what it shows when a server asks; asked for each connection. May throw. */
  readonly tls?: () => ClientTls | undefined;
  /** Bearer token for the servers. */
  readonly token?: string;
  readonly version: string;
  readonly logger: Logger;
}

export interface Agent {
  readonly agentId: string;
  /** Seals what was read, waits a little for acknowledgements, closes everything. */
  stop(): Promise<void>;
}

/**
 * Starts an agent.
 *
 * @throws SluiceError `already_running`, `state_newer`, `state_corrupt`, `config_invalid`, `disk_full`
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { logger } = options;
  const directory = path.resolve(options.directory);
  makePrivateDirectory(directory, { marks: [LOCK_FILE_NAME] });
  const queue = await DurableQueue.open({
    directory,
    ...defined({ maxBytes: options.queueBytes, agentId: options.agentId }),
  });
  for (const { atMs, message } of queue.statistics.losses)
    logger.error({ at: isoTime(atMs) }, `${message} (known? sluice set-aside acknowledge)`);
  let pipeline: Pipeline | undefined;
  let uplink: Uplink | undefined;
  const disk = new DiskWatch(directory);
  try {
    const key = loadAgentKey(directory);
    if (key.problem !== undefined) logger.error(key.problem);
    const connected = startUplink({
      servers: options.servers.map((address) => ({
        address,
        ...defined({ tls: options.tls, token: options.token }),
      })),
      queue,
      key,
      machine: {
        seed: queue.epoch,
        ...defined({ inDoubtTimeoutMs: options.inDoubtTimeoutMs }),
      },
      hostName: options.hostName,
      ...defined({ region: options.region }),
      version: options.version,
      logger,
      report: () => ({
        unreadBytes: pipeline?.unreadBytes ?? 0,
        problems: pipeline?.problems() ?? [],
        queue: queueFacts(queue, disk, pipeline),
        ...defined({ sources: pipeline?.sources() }),
      }),
    });
    uplink = connected;
    pipeline = await startPipeline({
      sources: createSources(options, directory),
      recorder: new Recorder({
        hostName: options.hostName,
        ...defined({ urgencyRules: options.urgencyRules }),
      }),
      queue,
      logger,
      onBlocks: (blocks) => connected.blocksSealed(blocks),
      blockBytesWanted: () => connected.blockBytesWanted,
    });
    const started = pipeline;
    return {
      agentId: queue.agentId,
      stop: async () => {
        await started.stop();
        await connected.stop(STOP_TIMEOUT_MS);
        await queue.close();
      },
    };
  } catch (error) {
    // Before the queue, of which it asks.
    await uplink?.stop(0);
    await queue.close();
    throw error;
  }
}

/** A damaged file is known before the next write of it is tried. */
function queueDamage({ damage }: DurableQueue): QueueFacts['writeFailure'] {
  if (damage === undefined) return undefined;
  const { code, message } = damage.error;
  return { code, message, forMs: Math.max(0, Date.now() - damage.sinceMs) };
}

function queueFacts(queue: DurableQueue, disk: DiskWatch, pipeline: Pipeline | undefined): QueueFacts {
  // For the next report; one system call now and then.
  void disk.look();
  const { setAsideBlocks, droppedSetAsideTotal, lossTotals, losses } = queue.statistics;
  return {
    usedBytes: queue.usedBytes,
    maxBytes: queue.maxBytes,
    pausedMs: pipeline?.pausedMs ?? 0,
    disk: disk.latest,
    writeFailure: queueDamage(queue) ?? pipeline?.writeFailure,
    setAsideBlocks,
    setAsideDroppedTotal: droppedSetAsideTotal,
    lossTotals,
    latestLoss: losses.at(-1)?.message ?? '',
  };
}
