/**
 * One row of a table: an installation takes a flood over some way, and it is watched when ERROR lines are found. Then
 * nothing holds anything back any more, and every line must be there once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorWatch, untilGranted } from './error-watch.ts';
import { countLines, everyLineOnce } from './every-line-once.ts';
import { Flood, type FloodPlan } from './flood.ts';
import { Installation, type InstallationPlan } from './installation.ts';
import { type Latency, latenciesOf } from './latency.ts';
import { serverHops } from './server-hops.ts';

/** How long a flood with a server that stands still goes on before and after that. */
export const AROUND_FREEZE_MS = 5000;

export interface Scene {
  readonly name: string;
  readonly installation: InstallationPlan;
  /** That the agent follows. */
  readonly file: string;
  readonly flood: FloodPlan;
  readonly seconds: number;
  /** How long it is watched after the flood when ERROR lines are still on their way. */
  readonly afterSeconds: number;
  /** The server whose API is asked. */
  readonly askedServer: string;
  /** A server that stands still but for the first and the last AROUND_FREEZE_MS of the flood. */
  readonly frozenServer?: string;
  /** Class of the ERROR lines: 'normal' where urgency is switched off. */
  readonly urgency?: string;
}

export interface SceneOutcome {
  readonly latencies: readonly Latency[];
  readonly linesWritten: number;
  /** When the flood ended. */
  readonly linesStored: number;
  readonly agentDiskBytes: number;
  readonly isThereOnce: boolean;
  /** What else is to be said, a line each. */
  readonly remarks: readonly string[];
}

/** Runs it; prints the backlog as it goes. */
export async function runScene(scene: Scene): Promise<SceneOutcome> {
  const flood = new Flood(scene.file, scene.flood);
  const installation = await Installation.start(scene.installation);
  try {
    const client = installation.client(scene.askedServer);
    await untilGranted(client);
    const watch = new ErrorWatch(scene.name, client, flood);
    try {
      await Promise.all([flood.run(scene.seconds), freeze(scene, installation)]);
      const linesStored = await countLines(client);
      const agentDiskBytes = installation.agentDiskBytes();
      await watch.finish(scene.afterSeconds * 1000);
      const latencies = latenciesOf(flood.errors, watch.foundMs, Date.now());
      const remarks = [
        `${(flood.bytesWritten / 1e6 / scene.seconds).toFixed(2)} MB/s of lines written, ${flood.linesWritten} lines`,
        ...(await carried(installation, scene.seconds)),
        watch.hops(),
        watch.blocks(),
        ...(await serverHops(installation.apiUrl(scene.askedServer), scene.urgency ?? 'urgent')),
      ];
      await installation.openWide();
      const every = await everyLineOnce(installation.store, client, flood.linesWritten);
      return {
        ...{ latencies, linesStored, agentDiskBytes, linesWritten: flood.linesWritten },
        isThereOnce: every.isThereOnce,
        remarks: [...remarks, every.text],
      };
    } finally {
      await watch.stop();
    }
  } finally {
    await installation.stop();
  }
}

async function freeze({ frozenServer, seconds }: Scene, installation: Installation): Promise<void> {
  if (frozenServer === undefined) return;
  await sleep(AROUND_FREEZE_MS);
  installation.freeze(frozenServer);
  await sleep(seconds * 1000 - 2 * AROUND_FREEZE_MS);
  installation.thaw(frozenServer);
}

/** What went over the links so far, flood and what was watched after it. */
async function carried(installation: Installation, seconds: number): Promise<string[]> {
  const reports = await Promise.all(installation.links.map((link) => link.report()));
  return reports.map(
    ({ up, down }) =>
      `over the link by then: ${(up.bytes / 1e6).toFixed(2)} MB up, ${(down.bytes / 1e6).toFixed(3)} MB down ` +
      `in the ${seconds} s of flood and what was watched after it; ` +
      `at most ${(up.mostQueuedBytes / 1024).toFixed(0)} KiB waited in the relay`,
  );
}
