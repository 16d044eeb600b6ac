/** `sluice search`: records that match a query, newest first, or their count. */

import { SluiceError } from '@sluice/base/error';
import type { Command } from 'commander';
import { addClientOptions, type ClientOptions, clientError, clientOf } from '../client.ts';
import { parseMomentNanos } from '../config/units.ts';
import { jsonRecord, recordLine } from '../output/record.ts';
import { jsonLine, printLine } from '../output/terminal.ts';
import { patiently } from '../patience.ts';

/** Records of one page: large enough to be quick, small enough to show the first ones at once. */
const PAGE_RECORDS = 1000;
/** What is shown when neither `--since` nor `--all-time` says otherwise. */
const DEFAULT_SINCE = '1h';
const DEFAULT_LIMIT = 100;

interface SearchOptions extends ClientOptions {
  since?: string;
  until?: string;
  allTime?: boolean;
  limit: string;
  json?: boolean;
  count?: boolean;
}

export function addSearchCommand(program: Command): void {
  const command = program
    .command('search')
    .summary('find records')
    .description('Finds records, newest first. The query language is described in docs/search.md.')
    .argument(
      '<query>',
      "what to look for, e.g. 'severity:error service:api \"timed out\"'; '*' is everything",
    );
  addClientOptions(command)
    .option('--since <time>', `event time from: a duration before now or a time (default: ${DEFAULT_SINCE})`)
    .option('--until <time>', 'event time before: a duration before now or a time')
    .option('--all-time', 'all event times, the future included')
    .option('--limit <n>', 'most records to print', String(DEFAULT_LIMIT))
    .option('--json', 'one JSON object a line')
    .option('--count', 'print how many match, and nothing else')
    .action((query: string, options: SearchOptions) => search(query, options, Date.now()));
}

async function search(query: string, options: SearchOptions, nowMs: number): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) {
    throw new SluiceError('usage', `--limit: '${options.limit}' is not a positive whole number`);
  }
  if (options.allTime === true && (options.since !== undefined || options.until !== undefined)) {
    throw new SluiceError('usage', '--all-time cannot be combined with --since or --until');
  }
  const range = timeRange(options, nowMs);
  const client = clientOf(options);
  try {
    if (options.count === true) {
      const answer = await patiently(() => client.count({ query, range }));
      await printLine(answer.count.toString());
      return;
    }
    let cursor = '';
    let left = limit;
    do {
      const page = await patiently(() =>
        client.search({ query, range, limit: Math.min(PAGE_RECORDS, left), cursor }),
      );
      for (const record of page.records) {
        await printLine(options.json === true ? jsonLine(jsonRecord(record)) : recordLine(record));
      }
      left -= page.records.length;
      cursor = page.nextCursor;
    } while (cursor !== '' && left > 0);
    if (cursor !== '' && options.json !== true && process.stderr.isTTY) {
      process.stderr.write(`There are more records; the newest ${limit} are shown (--limit).\n`);
    }
  } catch (error) {
    throw clientError(error, options.server, query);
  }
}

function timeRange(
  options: SearchOptions,
  nowMs: number,
): { startUnixNanos?: bigint; endUnixNanos?: bigint } {
  if (options.allTime === true) return {};
  const since = options.since ?? (options.until === undefined ? DEFAULT_SINCE : undefined);
  const range: { startUnixNanos?: bigint; endUnixNanos?: bigint } = {};
  if (since !== undefined) range.startUnixNanos = parseMomentNanos(since, nowMs);
  if (options.until !== undefined) range.endUnixNanos = parseMomentNanos(options.until, nowMs);
  return range;
}
