/**
 * How fast many lines come over each link: from the moment at which a file is there until the last of its lines is
 * searchable, in turns with the programs of another checkout when there is one.
 *
 * Not measured: urgent lines meanwhile, several agents. The time ends up to {@link POLL_MS} late, of some 20 s.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { untilGranted } from './error-watch.ts';
import { countLines } from './every-line-once.ts';
import { measureShape, writeOrdinaryLines } from './flood.ts';
import { Installation } from './installation.ts';
import { formatColumns, median } from './latency.ts';
import { LINKS, planLoad } from './link-plan.ts';
import { loadedRecords } from './loaded-records.ts';
import { setKernelBuffers } from './own-network.ts';
import { FLOOD_FACTOR } from './storm-plan.ts';

/** How long the lines take over their link, as planned. */
const PLANNED_SECONDS = 20;
/** Without a link: some seconds. */
const DIRECT_LINES = 500_000;
const DIRECT = 'direct';
const POLL_MS = 100;
/** A hundred times what is planned: then something else is wrong. */
const TIMEOUT_MS = 600_000;

export const BULK_LINK_NAMES: readonly string[] = [...Object.keys(LINKS), DIRECT];

interface Bulk {
  readonly megabytesPerSecond: number;
  /** Bytes over the link for one of the file; NaN without a link. */
  readonly wirePart: number;
}

/** @param against the directory of another checkout, whose programs take turns with these */
export async function measureBulk(
  names: readonly string[],
  pairs: number,
  against: string | undefined,
): Promise<void> {
  const versions = against === undefined ? [undefined] : [path.resolve(against), undefined];
  const rows: string[][] = [];
  for (const name of names) {
    const measured = versions.map((): Bulk[] => []);
    for (let pair = 1; pair <= pairs; pair += 1) {
      for (const [index, checkout] of versions.entries()) {
        const bulk = await runBulk(name, checkout);
        measured[index]?.push(bulk);
        print(
          `${name}, ${pair} of ${pairs}, ${checkout ?? 'these programs'}: ${bulk.megabytesPerSecond.toFixed(3)} MB/s of lines, ` +
            `${(bulk.wirePart * 100).toFixed(1)} % of that on the link; load ${(loadavg()[0] ?? 0).toFixed(1)}`,
        );
      }
    }
    rows.push(rowOf(name, measured));
  }
  const head =
    against === undefined
      ? ['link', 'MB/s of lines', 'least to most', 'on the link']
      : [
          'link',
          'MB/s before',
          'now',
          'now to before',
          'least to most before',
          'now',
          'on the link before',
          'now',
        ];
  print(`\nmedians of ${pairs}\n${formatColumns(head, rows)}`);
}

function rowOf(name: string, measured: readonly (readonly Bulk[])[]): string[] {
  const rates = measured.map((bulks) => bulks.map(({ megabytesPerSecond }) => megabytesPerSecond));
  const medians = rates.map(median);
  const [before, now] = medians;
  return [
    name,
    ...medians.map((rate) => rate.toFixed(3)),
    ...(before === undefined || now === undefined ? [] : [`${((now / before) * 100).toFixed(1)} %`]),
    ...rates.map((all) => `${Math.min(...all).toFixed(3)} to ${Math.max(...all).toFixed(3)}`),
    ...measured.map((bulks) => `${(median(bulks.map(({ wirePart }) => wirePart)) * 100).toFixed(1)} %`),
  ];
}

async function runBulk(name: string, checkout: string | undefined): Promise<Bulk> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-bulk-'));
  try {
    return await runBulkIn(directory, name, checkout);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runBulkIn(directory: string, name: string, checkout: string | undefined): Promise<Bulk> {
  const link = LINKS[name];
  setKernelBuffers(link !== undefined);
  const { shape, paddingBytes } =
    link === undefined
      ? { shape: await measureShape(), paddingBytes: 0 }
      : // The same lines as in a flood, which some links need longer than others.
        await planLoad(link.bytesPerSecond, FLOOD_FACTOR);
  const lines =
    link === undefined
      ? DIRECT_LINES
      : Math.round((link.bytesPerSecond * PLANNED_SECONDS) / shape.payloadBytes);
  const [staged, logs] = [path.join(directory, 'staged'), path.join(directory, 'logs')];
  const bytes = writeOrdinaryLines(staged, lines, paddingBytes);
  mkdirSync(logs);
  const installation = await Installation.start({
    directory: path.join(directory, 'data'),
    servers: [{ id: 's1', priorities: '1,2' }],
    agentFlags: ['--watch', path.join(logs, '*.log')],
    ...(link === undefined ? {} : { link }),
    ...(checkout === undefined ? {} : { checkout }),
  });
  try {
    const client = installation.client('s1');
    await untilGranted(client);
    const startMs = performance.now();
    const carriedBefore = await carriedBytes(installation);
    renameSync(staged, path.join(logs, 'bulk.log'));
    let elapsedMs = 0;
    for (let count = 0; count < lines; ) {
      await sleep(POLL_MS);
      // What the metrics say costs less than a count, and is never more than is searchable.
      if ((await loadedRecords(installation.apiUrl('s1'))) >= lines) count = await countLines(client);
      elapsedMs = performance.now() - startMs;
      if (elapsedMs > TIMEOUT_MS)
        throw new Error(`${name}: ${count} of ${lines} lines after ${elapsedMs} ms`);
    }
    const carried = (await carriedBytes(installation)) - carriedBefore;
    return { megabytesPerSecond: bytes / 1e3 / elapsedMs, wirePart: carried / bytes };
  } finally {
    await installation.stop();
  }
}

/** To the server so far; NaN without a link. */
async function carriedBytes({ links: [link] }: Installation): Promise<number> {
  return link === undefined ? Number.NaN : (await link.report()).up.bytes;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
