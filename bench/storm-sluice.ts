/**
 * Sluice in the storm: store, server and agent as programs of their own, once with priorities and once without.
 */
import path from 'node:path';
import { runScene, type Scene } from './scene.ts';
import type { StormOutcome, StormPlan } from './storm-outcome.ts';

const SERVER = 's1';

/** `flat` switches the priorities off: one class of urgency, one channel. */
export type StormMode = 'sluice' | 'flat';

/** Runs the storm; prints the backlog as it goes. */
export async function stormSluice(mode: StormMode, plan: StormPlan): Promise<StormOutcome> {
  const outcome = await runScene(stormScene(mode, plan));
  const { latencies, linesWritten, linesStored, agentDiskBytes, isThereOnce } = outcome;
  const takenPart = (linesStored * plan.rawBytesPerLine) / (plan.rawBytesPerSecond * plan.seconds);
  const taken =
    `${Math.round(takenPart * 100)} % of what the cap allows came in during the flood; ` +
    `the agent's data took ${(agentDiskBytes / 2 ** 20).toFixed(0)} MiB on disk`;
  return {
    ...{ shipper: mode, latencies, isThereOnce },
    backlogLines: linesWritten - linesStored,
    remarks: [taken, ...outcome.remarks],
  };
}

function stormScene(mode: StormMode, plan: StormPlan): Scene {
  const directory = path.join(plan.directory, mode);
  const file = path.join(plan.directory, `${mode}.log`);
  const isFlat = mode === 'flat';
  return {
    ...{ name: mode, file, seconds: plan.seconds, afterSeconds: plan.afterSeconds, askedServer: SERVER },
    flood: { bytesPerSecond: plan.floodBytesPerSecond, errorsPerSecond: plan.errorsPerSecond },
    urgency: isFlat ? 'normal' : 'urgent',
    installation: {
      directory,
      servers: [
        {
          id: SERVER,
          priorities: isFlat ? '1' : '1,2',
          ingestLimit: `${plan.rawBytesPerSecond}/s`,
        },
      ],
      agentFlags: [
        ...['--watch', file],
        ...(isFlat ? ['--urgency', 'off'] : []),
        ...(plan.queueBytes === undefined ? [] : ['--queue-bytes', plan.queueBytes]),
      ],
    },
  };
}
