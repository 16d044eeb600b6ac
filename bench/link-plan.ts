/** What is written for a link: so many times what it takes, in lines that two cores can write, read and seal beside it. */
import { type LineShape, measureShape } from './flood.ts';
import type { LinkShape } from './link-relay.ts';

/**
 * Lines compress to an eighth, so that a fast link takes more of them than two cores can make; beyond this rate they get
 * longer by random letters instead of more.
 */
const MAX_LINES_PER_SECOND = 30_000;
/** What random letters take once compressed: 52 of them are 5.7 bits each. */
const PADDING_PAYLOAD_PART = 0.72;

/** The links of the table, by the names of their rows. */
export const LINKS: Readonly<Record<string, LinkShape>> = {
  '60kB': { bytesPerSecond: 60_000, roundTripMs: 0 },
  '60kB-100ms': { bytesPerSecond: 60_000, roundTripMs: 100 },
  '250kB': { bytesPerSecond: 250_000, roundTripMs: 0 },
  '250kB-100ms': { bytesPerSecond: 250_000, roundTripMs: 100 },
  '2MB': { bytesPerSecond: 2_000_000, roundTripMs: 0 },
  '2MB-100ms': { bytesPerSecond: 2_000_000, roundTripMs: 100 },
};

export interface LinkLoad {
  readonly shape: LineShape;
  readonly paddingBytes: number;
  readonly linesPerSecond: number;
}

/**
 * @param bytesPerSecond of the link
 * @param floodFactor how many times as much is written, counted as it is sent in full blocks
 */
export async function planLoad(bytesPerSecond: number, floodFactor: number): Promise<LinkLoad> {
  const plain = await measureShape();
  const wantedPayloadBytes = (floodFactor * bytesPerSecond) / MAX_LINES_PER_SECOND;
  const missingBytes = Math.max(0, wantedPayloadBytes - plain.payloadBytes);
  const paddingBytes = Math.ceil(missingBytes / PADDING_PAYLOAD_PART);
  const shape = paddingBytes === 0 ? plain : await measureShape(paddingBytes);
  return { shape, paddingBytes, linesPerSecond: (floodFactor * bytesPerSecond) / shape.payloadBytes };
}

/** For people. */
export function describeLoad({ shape, linesPerSecond }: LinkLoad): string {
  return (
    `${Math.round(linesPerSecond)} lines/s of ${shape.lineBytes.toFixed(0)} bytes = ` +
    `${((linesPerSecond * shape.lineBytes) / 1e6).toFixed(2)} MB/s; in full blocks ` +
    `${shape.rawBytes.toFixed(0)} bytes each, sent ${shape.payloadBytes.toFixed(1)}`
  );
}
