/**
 * A program for pipeline.crash.test.ts: runs the pipeline on the directory in its argument until it is killed.
 */
import path from 'node:path';
import { FileSource } from '@sluice/source/file/file-source';
import { startPipeline } from './pipeline.ts';
import { LineRecorder } from './pipeline-fixture.ts';
import { DurableQueue } from './queue/queue.ts';

const root = process.argv[2] ?? '';
const queue = await DurableQueue.open({ directory: path.join(root, 'data') });
await startPipeline({
  sources: [
    (host) =>
      new FileSource(
        {
          include: [path.join(root, 'logs/*.log')],
          fromStart: true,
          lookIntervalMs: 20,
          rotationWaitMs: 500,
        },
        host,
      ),
  ],
  recorder: new LineRecorder(),
  queue,
  logger: { warn: () => undefined, info: () => undefined },
  onBlocks: (blocks) => process.stdout.write(`${blocks.length}\n`),
  urgentCutDelayMs: 1,
  maxCutDelayMs: 3,
});
