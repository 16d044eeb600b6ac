/**
 * Shippers that know no priorities, in the same storm: each follows the same kind of file into a receiver that takes
 * as many lines per second as the server's cap lets through.
 *
 * Measured: from the write of an ERROR line to its arrival at the receiver (not until it is found in a store).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Flood } from './flood.ts';
import { latenciesOf } from './latency.ts';
import type { StormOutcome, StormPlan } from './storm-outcome.ts';
import { CappedReceiver } from './storm-receiver.ts';

/** How long a shipper may take to find its file before the flood starts. */
const START_MS = 2000;
const CHECK_MS = 200;
const OTHER_DIRECTORIES: readonly string[] = ['/usr/sbin', '/opt/fluent-bit/bin'];

/** How a shipper is configured and started. */
interface Shipper {
  readonly program: string;
  configure(place: { readonly directory: string; readonly file: string; readonly port: number }): {
    readonly configuration: string;
    readonly arguments: readonly string[];
  };
}

/** Where rsyslog's files are. */
type Place = Parameters<Shipper['configure']>[0];

/** As its documentation recommends for a receiver that may be away: a disk-assisted queue for the action. */
const rsyslogAction = ({ port }: Place, queue: string): string =>
  `action(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp" template="line" action.resumeRetryCount="-1"
       queue.type="LinkedList" queue.size="100000" queue.filename="${queue}" queue.maxFileSize="64m"
       queue.maxDiskSpace="4g" queue.saveOnShutdown="on" queue.dequeueBatchSize="1000")`;

const rsyslog = (actions: (place: Place) => string): Shipper => ({
  program: 'rsyslogd',
  configure: (place) => ({
    configuration: `global(workDirectory="${place.directory}" maxMessageSize="64k")
module(load="imfile")
template(name="line" type="string" string="%msg%\\n")
input(type="imfile" File="${place.file}" Tag="storm:" freshStartTail="off")
${actions(place)}
`,
    arguments: [
      ...['-n', '-f', path.join(place.directory, 'configuration')],
      ...['-i', path.join(place.directory, 'rsyslog.pid')],
    ],
  }),
});

/** As its documentation recommends: what is read and not sent waits in files. */
const fluentBitService = ({ directory }: Place): string => `[SERVICE]
    flush 1
    storage.path ${directory}
    storage.backlog.mem_limit 64M
`;

const fluentBitInput = ({ file }: Place, tag: string): string => `[INPUT]
    name tail
    tag ${tag}
    path ${file}
    read_from_head on
    storage.type filesystem
`;

const fluentBitOutput = ({ port }: Place, tag: string): string => `[OUTPUT]
    name tcp
    match ${tag}
    host 127.0.0.1
    port ${port}
    format json_lines
    retry_limit no_limits
`;

/** The file is read twice, and each input drops what the other one is for. */
const fluentBitFilter = (tag: string, rule: 'regex' | 'exclude'): string => `[FILTER]
    name grep
    match ${tag}
    ${rule} log \\sERROR\\s
`;

const fluentBit = (parts: (place: Place) => readonly string[]): Shipper => ({
  program: 'fluent-bit',
  configure: (place) => ({
    configuration: [fluentBitService(place), ...parts(place)].join(''),
    arguments: ['-c', path.join(place.directory, 'configuration'), '-q'],
  }),
});

const SHIPPERS: Readonly<Record<string, Shipper>> = {
  rsyslog: rsyslog((place) => rsyslogAction(place, 'storm')),
  'fluent-bit': fluentBit((place) => [fluentBitInput(place, 'storm'), fluentBitOutput(place, 'storm')]),
};

/** Told by hand what is urgent, with a way of its own for it. */
const SPLIT_SHIPPERS: Readonly<Record<string, Shipper>> = {
  'rsyslog-split': rsyslog(
    (place) => `if $msg contains " ERROR " then {
${rsyslogAction(place, 'errors')}
} else {
${rsyslogAction(place, 'storm')}
}`,
  ),
  'fluent-bit-split': fluentBit((place) => [
    fluentBitInput(place, 'errors'),
    fluentBitFilter('errors', 'regex'),
    fluentBitInput(place, 'storm'),
    fluentBitFilter('storm', 'exclude'),
    fluentBitOutput(place, 'errors'),
    fluentBitOutput(place, 'storm'),
  ]),
};

/** Names of the shippers that are compared with, as they come. */
export const SHIPPER_NAMES: readonly string[] = Object.keys(SHIPPERS);
/** The same, with ERROR lines split off by hand. */
export const SPLIT_SHIPPER_NAMES: readonly string[] = Object.keys(SPLIT_SHIPPERS);

/** @returns the outcome, or why there is none */
export async function stormShipper(name: string, plan: StormPlan): Promise<StormOutcome | string> {
  const shipper = { ...SHIPPERS, ...SPLIT_SHIPPERS }[name];
  if (shipper === undefined) return `${name}: not known`;
  const program = findProgram(shipper.program);
  if (program === undefined)
    return `${name}: ${shipper.program} is not installed here (not on the PATH), left out`;
  const directory = path.join(plan.directory, name);
  mkdirSync(directory, { recursive: true });
  const file = path.join(directory, 'storm.log');
  const { floodBytesPerSecond: bytesPerSecond, errorsPerSecond } = plan;
  const flood = new Flood(file, { bytesPerSecond, errorsPerSecond });
  const receiver = new CappedReceiver(plan.linesPerSecond);
  const port = await receiver.start();
  const { configuration, arguments: argumentsOfShipper } = shipper.configure({ directory, file, port });
  writeFileSync(path.join(directory, 'configuration'), configuration);
  const child = spawn(program, argumentsOfShipper, { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await sleep(START_MS);
    if (child.exitCode !== null) return `${name}: ended with ${child.exitCode}`;
    await flood.run(plan.seconds);
    const backlogLines = flood.linesWritten - receiver.linesReceived;
    const written = `${flood.linesWritten} lines written, ${receiver.linesReceived} received during the flood`;
    const deadlineMs = Date.now() + plan.afterSeconds * 1000;
    while (Date.now() < deadlineMs && receiver.arrivedMs.size < flood.errors.length) await sleep(CHECK_MS);
    const latencies = latenciesOf(flood.errors, receiver.arrivedMs, Date.now());
    return { shipper: name, latencies, backlogLines, remarks: [written] };
  } finally {
    await end(child);
    await receiver.stop();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // What it still holds does not matter any more, and writing it out would take long.
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** System daemons are often not on a user's PATH, and the packages of Fluent Bit put it into a place of its own. */
function findProgram(program: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(path.delimiter), ...OTHER_DIRECTORIES];
  return directories
    .map((directory) => path.join(directory, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
