/** The storm: how much is written for what the receiving side may take. */
import { measureShape } from './flood.ts';
import type { StormPlan } from './storm-outcome.ts';

/** How long a shipper is watched after the flood: what has not come by then has a lower bound large enough to tell. */
const AFTER_SECONDS = 20;
/** How much more is written than is taken. */
export const FLOOD_FACTOR = 10;
/** Ten times this is what two cores that also run the store, the server and the bench can write, read and seal. */
export const DEFAULT_INGEST_LIMIT = '1MB/s';

/**
 * @param rawBytesPerSecond what the receiving side may take, in uncompressed blocks
 * @param directory that the shippers have to themselves
 */
export async function planStorm(
  rawBytesPerSecond: number,
  seconds: number,
  errorsPerSecond: number,
  directory: string,
): Promise<StormPlan> {
  const shape = await measureShape();
  const linesPerSecond = rawBytesPerSecond / shape.rawBytes;
  const plan = {
    ...{ seconds, errorsPerSecond, directory, rawBytesPerSecond, linesPerSecond },
    rawBytesPerLine: shape.rawBytes,
    afterSeconds: AFTER_SECONDS,
    floodBytesPerSecond: FLOOD_FACTOR * linesPerSecond * shape.lineBytes,
  };
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB/s`;
  print(
    `cap: ${megabytes(rawBytesPerSecond)} in blocks = ${Math.round(linesPerSecond)} lines/s = ` +
      `${megabytes(linesPerSecond * shape.lineBytes)} of lines (${shape.lineBytes.toFixed(0)} bytes each, ` +
      `${(shape.rawBytes / shape.lineBytes).toFixed(2)} times as much in a block)`,
  );
  print(
    `flood: ${megabytes(FLOOD_FACTOR * rawBytesPerSecond)} in blocks = ` +
      `${Math.round(FLOOD_FACTOR * linesPerSecond)} lines/s = ${megabytes(plan.floodBytesPerSecond)} of lines`,
  );
  return plan;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
