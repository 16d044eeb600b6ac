/**
 * What the long-running commands share: the log, the announcement that they are ready, and their end.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { endRequested, isSupervised, tellReady } from '@sluice/host/child-process';
import { logLibraryOutput } from '@sluice/host/library-output';
import { type Logger, pino } from 'pino';
import { printLine } from './output/terminal.ts';

/** Something that runs until it is stopped. */
export interface Running {
  stop(): Promise<void>;
}

/** @returns a logger to stderr (stdout is for results); SLUICE_LOG_LEVEL sets its level */
export function createLogger(name: string): Logger {
  const level = process.env.SLUICE_LOG_LEVEL ?? 'info';
  const logger = pino(
    { name, level: level in pino.levels.values || level === 'silent' ? level : 'info' },
    // Written at once: a destination that writes behind would, at the end of the process, try for ever to write to a pipe
    // that nobody reads any more, and the agent of a parent that was killed would stay.
    pino.destination({ dest: 2, sync: true }),
  );
  logLibraryOutput(logger);
  return logger;
}

/**
 * Announces the program, runs it until it is asked to end, and stops it.
 *
 * @param address what stands behind `ready` on stdout
 * @param details what a supervisor gets to know
 */
export async function runUntilEnd(
  running: Running,
  address: string,
  details: Readonly<Record<string, string | number>>,
  logger: Logger,
): Promise<void> {
  const ended = endRequested();
  if (isSupervised()) tellReady(details);
  else await printLine(`ready ${address}`);
  const reason = await ended;
  logger.info({ reason }, 'stopping');
  await running.stop();
}

/** @returns the version of the project, from its package.json */
export function projectVersion(): string {
  const file = path.join(import.meta.dirname, '..', '..', 'package.json');
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const isVersioned = typeof content === 'object' && content !== null && 'version' in content;
  return isVersioned ? String(content.version) : 'unknown';
}

/** @returns where a part keeps its state when nobody says otherwise: `.sluice/PART` beside the launcher */
export function defaultDataDirectory(part?: string): string {
  const base = path.resolve(import.meta.dirname, '..', '..', '.sluice');
  return part === undefined ? base : path.join(base, part);
}

/** @returns this computer's name, as it stands in records and default ids */
export function computerName(): string {
  return hostname();
}
