/** `sluice up`: store, servers and an agent on this machine, until Ctrl-C. */
import path from 'node:path';
import { messageOf, SluiceError } from '@sluice/base/error';
import { endRequested } from '@sluice/host/child-process';
import { type SupervisedChild, superviseChild } from '@sluice/host/child-supervisor';
import { isPortFree, pickPort } from '@sluice/host/pick-port';
import { makePrivateDirectory } from '@sluice/host/private-directory';
import type { Command } from 'commander';
import { clientOf, type QueryClient } from '../client.ts';
import { childLogLines } from '../output/child-log.ts';
import { printLine } from '../output/terminal.ts';
import { defaultDataDirectory } from '../program.ts';

/** More servers than this on one machine serve nobody; each is a process. */
const MAX_SERVERS = 16;
/** How long the parts may take to find each other before `up` gives up with the reason. */
const READY_TIMEOUT_MS = 60_000;
/**
 * As in the launcher, for the same reasons: what lives shortly here is small, and the default of 16 MiB for each of three
 * spaces for it is most of what an idle agent would take.
 */
const NODE_ARGUMENTS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4'];
/** Ports that others may take from under us before we give up. */
const MAX_PORT_ATTEMPTS = 5;
/** How often it is asked whether the agent holds a grant; a person waits for the answer. */
const READY_POLL_MS = 100;

/** What lies in a directory that `up` used before. */
const DATA_MARKS: readonly string[] = ['store', 's1', 'agent'];

const HOST = '127.0.0.1';
const CONSOLE_PORT = 8080;
const UPLINK_PORT = 4620;

interface UpOptions {
  data?: string;
  port: string;
  servers: string;
  watch?: string[];
  exclude?: string[];
  fromStart?: boolean;
  priorities?: string[];
  quotaBytes?: string;
  onNotice?: string;
  yieldMemory?: string;
  ingestLimit?: string;
}

export function addUpCommand(program: Command): void {
  const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];
  program
    .command('up')
    .summary('run everything on this machine')
    .description(
      "Starts a store, servers and an agent on this machine, until Ctrl-C.\nWithout --watch the agent reads and follows this machine's own logs.",
    )
    .option(
      '--data <dir>',
      'directory for durable state (default: .sluice beside the launcher) [SLUICE_DATA]',
    )
    .option('--port <port>', 'port of console and API', String(CONSOLE_PORT))
    .option('--servers <n>', 'how many servers', '1')
    .option('--watch <glob>', 'files to follow; repeat for several', collect)
    .option('--exclude <glob>', 'files not to follow; repeat for several', collect)
    .option('--from-start', 'read files that are there at the first start from their beginning')
    .option(
      '--priorities <n,n>',
      'channel priorities of the first server; repeat for the second and so on',
      collect,
    )
    .option('--quota-bytes <size>', 'most uncompressed bytes in one channel of one grant')
    .option('--on-notice <policy>', 'what a priority violation notice does: yield or ignore')
    .option('--yield-memory <time>', 'how long a notice is remembered')
    .option('--ingest-limit <size/s>', 'most uncompressed bytes per second that each server grants')
    .action(up);
}

async function up(options: UpOptions): Promise<void> {
  const serverCount = wholeNumber('--servers', options.servers, 1, MAX_SERVERS);
  const consolePort = wholeNumber('--port', options.port, 0, 65_535);
  if ((options.priorities?.length ?? 0) > serverCount) {
    throw new SluiceError(
      'usage',
      `--priorities is given more often than there are servers (${serverCount})`,
    );
  }
  const data = path.resolve(options.data ?? process.env.SLUICE_DATA ?? defaultDataDirectory());
  const apiPort = consolePort === 0 ? await pickPort(HOST, 0) : consolePort;
  if (!(await isPortFree(HOST, apiPort))) {
    throw new SluiceError('address_in_use', `port ${apiPort} on ${HOST} is in use by another program`, {
      hint: 'Choose another port for the console with --port.',
    });
  }
  makePrivateDirectory(data, { marks: DATA_MARKS });
  const ended = endRequested();
  const running: SupervisedChild[] = [];
  try {
    const start = startEverything(options, { data, apiPort, serverCount }, running);
    const outcome = await Promise.race([start, ended.then(() => undefined)]);
    if (outcome === undefined) {
      start.catch(() => undefined);
      return;
    }
    await printLine(`ready ${outcome}`);
    await ended;
  } finally {
    await stopInReverse(running);
  }
}

async function startEverything(
  options: UpOptions,
  place: { data: string; apiPort: number; serverCount: number },
  running: SupervisedChild[],
): Promise<string> {
  const storeData = path.join(place.data, 'store');
  await launch('store', ['store', '--data', storeData], running);
  const uplinkUrls: string[] = [];
  for (let index = 0; index < place.serverCount; index += 1) {
    const id = `s${index + 1}`;
    const priorities = options.priorities?.[index] ?? `${2 * index + 1},${2 * index + 2}`;
    const flags = [
      '--id',
      id,
      '--data',
      path.join(place.data, id),
      '--priorities',
      priorities,
      '--store-data',
      storeData,
    ];
    if (options.quotaBytes !== undefined) flags.push('--quota-bytes', options.quotaBytes);
    if (options.onNotice !== undefined) flags.push('--on-notice', options.onNotice);
    if (options.yieldMemory !== undefined) flags.push('--yield-memory', options.yieldMemory);
    if (options.ingestLimit !== undefined) flags.push('--ingest-limit', options.ingestLimit);
    const uplinkUrl = await onFreePort(UPLINK_PORT + index, async (port) => {
      const apiPort = index === 0 ? place.apiPort : await pickPort(HOST, place.apiPort + index);
      const addresses = ['--listen', `${HOST}:${port}`, '--api-listen', `${HOST}:${apiPort}`];
      await launch(`server ${id}`, ['server', ...flags, ...addresses], running);
    });
    uplinkUrls.push(uplinkUrl);
  }
  const agentFlags = [
    ...uplinkUrls.flatMap((url) => ['--server', url]),
    ...(options.watch ?? []).flatMap((glob) => ['--watch', path.resolve(glob)]),
    ...(options.exclude ?? []).flatMap((glob) => ['--exclude', path.resolve(glob)]),
    // What the parts write themselves must never be followed: it would feed itself.
    '--exclude',
    path.join(place.data, '**'),
    ...(options.fromStart === true || options.watch === undefined ? ['--from-start'] : []),
  ];
  await launch('agent', ['agent', '--data', path.join(place.data, 'agent'), ...agentFlags], running);
  const url = `http://${HOST}:${place.apiPort}`;
  await untilGranted(clientOf({ server: url }), place.serverCount);
  return url;
}

/**
 * Starts a part on the preferred port, or on another when that is taken: also when somebody takes it between the look
 * and the start.
 *
 * @returns the URL of the port
 */
async function onFreePort(preferred: number, start: (port: number) => Promise<void>): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await pickPort(HOST, attempt === 1 ? preferred : 0);
    try {
      await start(port);
      return `http://${HOST}:${port}`;
    } catch (error) {
      const taken = SluiceError.is(error, 'address_in_use');
      if (!taken || attempt === MAX_PORT_ATTEMPTS) throw error;
    }
  }
}

async function launch(name: string, argumentsOfChild: string[], running: SupervisedChild[]): Promise<void> {
  const child = await superviseChild({
    name,
    module: path.join(import.meta.dirname, '..', 'main.ts'),
    arguments: argumentsOfChild,
    nodeArguments: NODE_ARGUMENTS,
    environment: { SLUICE_LOG_LEVEL: process.env.SLUICE_LOG_LEVEL ?? 'warn' },
    onOutput: childLogLines(name, (line) => process.stderr.write(`${line}\n`)),
    onDeath: (reason, restartInMs) => {
      process.stderr.write(`${name} died (${reason}); it starts again in ${restartInMs} ms\n`);
    },
  });
  running.push(child);
}

/** Resolves when the agent is connected to all servers and holds a live channel. */
async function untilGranted(client: QueryClient, serverCount: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  let last = 'the agent has not reported';
  while (performance.now() < deadline) {
    const status = await client.getStatus({}).catch((error: unknown) => {
      last = messageOf(error);
      return undefined;
    });
    const report = status?.agents.find((agent) => agent.connected)?.report;
    if (report !== undefined) {
      const connected = report.servers.filter((server) => server.connected);
      if (connected.length === serverCount && connected.some((server) => server.channels.length > 0)) return;
      last = `the agent is connected to ${connected.length} of ${serverCount} servers`;
    }
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  throw new SluiceError('not_reachable', `not ready after ${READY_TIMEOUT_MS / 1000} s: ${last}`, {
    hint: 'Look at the lines above; SLUICE_LOG_LEVEL=info shows more.',
  });
}

/** The agent first (it seals what it has read), the store last (servers may still load). */
async function stopInReverse(running: SupervisedChild[]): Promise<void> {
  for (const child of running.reverse()) await child.stop();
}

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new SluiceError('usage', `${flag}: '${text}' is not a whole number from ${least} to ${most}`);
  }
  return value;
}
