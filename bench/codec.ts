/**
 * The block payload as ClickHouse Native against Arrow IPC: the same nineteen columns, the same zstd, the same table.
 *
 * Measured, per candidate, best of interleaved rounds: encode (from parsed records) with compression on one thread;
 * decompress and validate; insert of all blocks into a MergeTree table of the embedded engine; bytes raw and
 * compressed. Not measured: parsing, the protocol, text indexes, merges, Arrow writers of other languages.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BlockBuilder, compressBlockSync } from '@sluice/block/builder';
import { completeBlock, completedColumns } from '@sluice/block/completion';
import { withDigest } from '@sluice/block/digest';
import { LATEST_BLOCK_FORMAT } from '@sluice/block/formats';
import { type PreparedAttributes, prepareAttributes, RecordFields } from '@sluice/block/record';
import { openBlock } from '@sluice/block/validator';
import type { AgentId, ServerId } from '@sluice/protocol/model';
import { Session } from 'chdb';
import { corpusLines } from '../apptest/support/corpus.ts';
import { type BenchRecord, encodeArrow, validateArrow } from './codec-arrow.ts';

const DEFAULT_LINES = 200_000;
const ROUNDS = 5;
const RECORDS_PER_BLOCK = 10_000;
// Names as the configuration makes them.
const AGENT = 'bench' as AgentId;
const SERVER = 's1' as ServerId;

interface Figures {
  encodeMs: number;
  validateMs: number;
  insertMs: number;
  rawBytes: number;
  storedBytes: number;
}

interface Candidate {
  readonly name: string;
  readonly format: string;
  round(blocks: readonly (readonly BenchRecord[])[], directory: string): Omit<Figures, 'insertMs'>;
}

/** @param argumentsOfBench the file to take lines from; without one, generated lines. */
export async function run(argumentsOfBench: readonly string[]): Promise<void> {
  const [file] = argumentsOfBench;
  const lines =
    file === undefined
      ? [...corpusLines(DEFAULT_LINES, 7)].map((line) => Buffer.from(line))
      : readFileSync(file, 'latin1')
          .split('\n')
          .map((line) => Buffer.from(line, 'latin1'));
  const blocks = recordsOf(lines);
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-codec-'));
  const session = new Session(path.join(directory, 'store'));
  try {
    session.query('CREATE DATABASE bench');
    const best = new Map<string, Figures>();
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const candidate of [NATIVE, ARROW]) {
        const files = path.join(directory, `${candidate.name}-${round}`);
        mkdirSync(files);
        const figures = {
          ...candidate.round(blocks, files),
          insertMs: insert(session, candidate, files, lines.length),
        };
        rmSync(files, { recursive: true });
        best.set(candidate.name, lower(best.get(candidate.name), figures));
      }
    }
    for (const [name, figures] of best) report(name, figures, lines.length);
  } finally {
    session.cleanup();
    rmSync(directory, { recursive: true, force: true });
  }
}

function recordsOf(lines: readonly Buffer[]): BenchRecord[][] {
  const blocks: BenchRecord[][] = [];
  for (const [number, line] of lines.entries()) {
    if (number % RECORDS_PER_BLOCK === 0) blocks.push([]);
    blocks.at(-1)?.push({
      nanos: 1_700_000_000_000_000_000n + BigInt(number) * 1_000_000n,
      severityNumber: 9,
      severityText: ['INFO', 'WARN', ''][number % 3] ?? '',
      serviceName: `service-${number % 20}`,
      line,
      host: `host-${number % 10}`,
      path: '/var/log/bench.log',
    });
  }
  return blocks;
}

const NATIVE: Candidate = {
  name: 'native',
  format: 'Native',
  round(blocks, directory) {
    const builder = new BlockBuilder('normal');
    const fields = new RecordFields();
    const hosts = new Map<string, PreparedAttributes>();
    fields.constantAttributes = prepareAttributes({ 'log.file.path': '/var/log/bench.log' });
    const result = { encodeMs: 0, validateMs: 0, rawBytes: 0, storedBytes: 0 };
    for (const [sequence, records] of blocks.entries()) {
      const times = records.map(({ nanos }) => [
        Number(nanos / 1_000_000_000n),
        Number(nanos % 1_000_000_000n),
      ]);
      const started = performance.now();
      for (const [at, record] of records.entries()) {
        fields.timestampSeconds = times[at]?.[0] ?? 0;
        fields.timestampNanos = times[at]?.[1] ?? 0;
        fields.observedMs = 1_700_000_000_000;
        fields.severityNumber = record.severityNumber;
        fields.severityText = record.severityText;
        fields.serviceName = record.serviceName;
        fields.buffer = record.line;
        fields.bodyEnd = record.line.length;
        let resource = hosts.get(record.host);
        if (resource === undefined) {
          resource = prepareAttributes({ 'host.name': record.host });
          hosts.set(record.host, resource);
        }
        fields.resource = resource;
        builder.append(fields);
      }
      const sealed = builder.seal({ agentId: AGENT, epoch: 1, sequence });
      const payload = compressBlockSync(sealed);
      const encoded = performance.now();
      const header = withDigest(sealed.header, payload);
      const { id, urgency, rawBytes, recordCount } = header;
      openBlock(payload, { ...id, urgency, rawBytes, recordCount });
      const facts = { serverId: SERVER, priority: 1, tenant: 'default' };
      const completed = Buffer.concat(completeBlock(payload, header, facts));
      result.validateMs += performance.now() - encoded;
      result.encodeMs += encoded - started;
      result.rawBytes += rawBytes;
      result.storedBytes += completed.length;
      writeFileSync(path.join(directory, `${sequence}.zst`), completed);
    }
    return result;
  },
};

const ARROW: Candidate = {
  name: 'arrow',
  format: 'ArrowStream',
  round(blocks, directory) {
    const result = { encodeMs: 0, validateMs: 0, rawBytes: 0, storedBytes: 0 };
    for (const [sequence, records] of blocks.entries()) {
      const started = performance.now();
      const raw = encodeArrow(records, sequence);
      const payload = zstdCompressSync(raw, { pledgedSrcSize: raw.length, params: { 100: 1 } });
      const encoded = performance.now();
      validateArrow(zstdDecompressSync(payload, { chunkSize: raw.length, maxOutputLength: raw.length }));
      result.validateMs += performance.now() - encoded;
      result.encodeMs += encoded - started;
      result.rawBytes += raw.length;
      result.storedBytes += payload.length;
      writeFileSync(path.join(directory, `${sequence}.zst`), payload);
    }
    return result;
  },
};

/** Inserts all blocks by one statement into an empty table; milliseconds. */
function insert(session: Session, candidate: Candidate, directory: string, lines: number): number {
  const columns = completedColumns(LATEST_BLOCK_FORMAT)
    .map((column) => `${column.name} ${column.type}`)
    .join(', ');
  session.query('DROP TABLE IF EXISTS bench.t');
  session.query(`CREATE TABLE bench.t (${columns}) ENGINE = MergeTree ORDER BY Timestamp`);
  const started = performance.now();
  session.query(
    `INSERT INTO bench.t FROM INFILE '${directory}/*.zst' COMPRESSION 'zstd' FORMAT ${candidate.format}`,
  );
  const elapsed = performance.now() - started;
  const count = Number(session.query('SELECT count() FROM bench.t', 'TSV'));
  if (count !== lines) throw new Error(`${candidate.name}: ${count} of ${lines} records arrived`);
  return elapsed;
}

function lower(before: Figures | undefined, now: Figures): Figures {
  if (before === undefined) return now;
  return {
    ...now,
    encodeMs: Math.min(before.encodeMs, now.encodeMs),
    validateMs: Math.min(before.validateMs, now.validateMs),
    insertMs: Math.min(before.insertMs, now.insertMs),
  };
}

function report(name: string, figures: Figures, lines: number): void {
  const rate = (milliseconds: number): string => `${(lines / milliseconds / 1000).toFixed(2)} M/s`;
  const total = figures.encodeMs + figures.validateMs + figures.insertMs;
  process.stdout.write(
    `${name.padEnd(7)} ${lines} lines: encode+compress ${rate(figures.encodeMs)}, validate ${rate(figures.validateMs)}, ` +
      `insert ${rate(figures.insertMs)}, together ${rate(total)}; raw ${(figures.rawBytes / 1e6).toFixed(1)} MB, ` +
      `compressed ${(figures.storedBytes / 1e6).toFixed(2)} MB\n`,
  );
}
