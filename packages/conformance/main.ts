/**
 * `npm run conformance -- agent|server ...`: whether a program is an agent, or a server, as proto/PROTOCOL.md and SPEC.md say.
 * Exit codes: 0 all hold, 1 something does not, 2 wrong usage.
 */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { pickPort } from '@sluice/host/pick-port';
import { AGENT_CHECKS } from './agent-checks/all.ts';
import type { Check } from './check.ts';
import { jsonReport, resultLine, summaryLine } from './report.ts';
import { FOREIGN_SERVERS, runOnCommand, runOnForeign } from './run-agent-checks.ts';
import type { CheckResult } from './run-checks.ts';
import { runOnAddress, runOnServerCommand } from './run-server-checks.ts';
import { SERVER_CHECKS } from './server-checks/all.ts';

/** Checks mostly wait; more at a time and a small machine is late with all of them. */
const DEFAULT_JOBS = 4;

const USAGE = `npm run conformance -- agent [OPTIONS] -- COMMAND...
  Starts COMMAND as an agent for each check, and plays the servers. In COMMAND
    {server}   becomes the address of a server; its argument is repeated for each server
    {servers}  all of them, with commas
    {log}      the file whose lines it shall send; without it they come on its standard input
    {data}     a directory for its state
  for instance: ./sluice agent --data {data} --watch {log} --server={server}

npm run conformance -- agent [OPTIONS] --connect
  Prints the addresses of five servers and the path of a log. An agent that is started elsewhere, with these, is checked.

npm run conformance -- server [OPTIONS] --address http://HOST:PORT
  Plays agents at this server. SLUICE_TOKEN: the token that it wants.

npm run conformance -- server [OPTIONS] -- COMMAND...
  Starts COMMAND as the server, with {port} and {data} filled in; it can be checked how it leaves, too.

Options
  --only TEXT    checks whose name or rules contain it; repeat for several
  --jobs N       checks at a time (default ${DEFAULT_JOBS})
  --list         says which checks there are, and runs none
  --json         one JSON document instead of lines
  --verbose      of each failure, what happened before
`;

const OPTIONS = {
  only: { type: 'string', multiple: true },
  jobs: { type: 'string' },
  list: { type: 'boolean' },
  json: { type: 'boolean' },
  verbose: { type: 'boolean' },
  connect: { type: 'boolean' },
  address: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  return parseArgs({ options: OPTIONS, allowPositionals: true });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

class UsageError extends Error {}

function chosen<World>(checks: readonly Check<World>[], only: readonly string[]): readonly Check<World>[] {
  if (only.length === 0) return checks;
  const found = checks.filter(({ name, rules }) =>
    only.some((text) => name.includes(text) || rules.includes(text)),
  );
  if (found.length === 0) throw new UsageError(`no check is called ${only.join(' or ')}; --list names all`);
  return found;
}

function list(checks: readonly Omit<Check<never>, 'run'>[]): void {
  for (const { name, rules, title } of checks)
    say(`${name.padEnd(28)} ${rules.join(' ').padEnd(14)} ${title}`);
}

type Values = ReturnType<typeof parse>['values'];
type Done = (result: CheckResult, story: string) => void;

async function checkAgent(
  values: Values,
  command: readonly string[],
  jobs: number,
  done: Done,
): Promise<CheckResult[]> {
  const run = { checks: chosen(AGENT_CHECKS, values.only ?? []), jobs, done };
  if (values.connect === true) {
    const { ports, log } = await foreignPlace(values.json === true);
    return await runOnForeign(ports, log, run);
  }
  if (command.length === 0) throw new UsageError('which agent? Give -- COMMAND or --connect');
  return await runOnCommand(command, run);
}

async function checkServer(
  values: Values,
  command: readonly string[],
  jobs: number,
  done: Done,
): Promise<CheckResult[]> {
  const token = process.env.SLUICE_TOKEN;
  const run = { checks: chosen(SERVER_CHECKS, values.only ?? []), jobs, token, done };
  if (values.address !== undefined) return await runOnAddress(values.address, run);
  if (command.length === 0) throw new UsageError('which server? Give --address URL or -- COMMAND');
  return await runOnServerCommand(command, run);
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  const [side, ...command] = positionals;
  if (values.help === true) {
    say(USAGE);
    return 0;
  }
  const jobs = Number(values.jobs ?? DEFAULT_JOBS);
  if (!Number.isInteger(jobs) || jobs < 1) throw new UsageError('--jobs is no number');
  if (side !== 'agent' && side !== 'server') throw new UsageError('agent or server?');
  if (values.list === true) {
    list(chosen<never>(side === 'agent' ? AGENT_CHECKS : SERVER_CHECKS, values.only ?? []));
    return 0;
  }
  const done: Done = (result, story) => {
    if (values.json === true) return;
    say(resultLine(result));
    if (values.verbose === true && story !== '') say(story.replaceAll(/^/gm, '      | '));
  };
  const check = side === 'agent' ? checkAgent : checkServer;
  const results = await check(values, command, jobs, done);
  say(values.json === true ? jsonReport(side, results) : summaryLine(results));
  return results.some(({ outcome }) => outcome === 'fail') ? 1 : 0;
}

/** Says where the agent that somebody starts has to connect, and what it has to follow. */
async function foreignPlace(isJson: boolean): Promise<{ ports: ReadonlyMap<string, number>; log: string }> {
  const ports = new Map<string, number>();
  for (const name of FOREIGN_SERVERS) ports.set(name, await pickPort('127.0.0.1', 0));
  const log = path.join(tmpdir(), `sluice-conformance-${process.pid}.log`);
  const addresses = [...ports.values()].map((port) => `http://127.0.0.1:${port}`);
  const text = `servers ${addresses.join(' ')}\nlog     ${log}\nNow start the agent.\n`;
  // With --json, stdout is the document alone.
  (isJson ? process.stderr : process.stdout).write(text);
  return { ports, log };
}

try {
  process.exitCode = await main();
} catch (error) {
  const isUsage = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(isUsage ? `${text}\n\n${USAGE}` : `${text}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
