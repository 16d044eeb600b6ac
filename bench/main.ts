/** `npm run bench -- NAME [ARGUMENTS]`: runs one benchmark, or lists them. */
import { USAGE as AGENTS_USAGE, run as agents } from './agents.ts';
import { run as codec } from './codec.ts';
import { run as lanes } from './lanes.ts';
import { USAGE as LINKS_USAGE, run as links } from './links.ts';
import { run as pipeline } from './pipeline.ts';
import { run as record } from './record.ts';
import { USAGE as SEARCH_LOAD_USAGE, run as searchLoad } from './search-load.ts';
import { USAGE as STORM_USAGE, run as storm } from './storm.ts';
import { USAGE as UPLINK_USAGE, run as uplink } from './uplink.ts';

interface Bench {
  readonly run: (argumentsOfBench: readonly string[]) => Promise<void>;
  /** Its arguments, and what each does. */
  readonly usage: string;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  pipeline: {
    run: pipeline,
    usage: `pipeline [FILE] [--servers N]
  From a file to searchable, with the real programs.
  FILE          take these lines; without it, generated ones
  --servers N   so many servers beside one store (1)`,
  },
  record: {
    run: record,
    usage: `record [FILE]
  Scanning, parsing and building columns in one thread.`,
  },
  codec: {
    run: codec,
    usage: `codec [FILE]
  Encode, validate and store a block in Arrow IPC and ClickHouse Native.`,
  },
  lanes: {
    run: lanes,
    usage: `lanes [--servers N] [--seconds N]
  From receipt to searchable for each urgency class, in a flood of bulk.
  --servers N   so many servers beside one store (1)
  --seconds N   of flood (20)`,
  },
  storm: { run: storm, usage: STORM_USAGE },
  links: { run: links, usage: LINKS_USAGE },
  agents: { run: agents, usage: AGENTS_USAGE },
  'search-load': { run: searchLoad, usage: SEARCH_LOAD_USAGE },
  uplink: { run: uplink, usage: UPLINK_USAGE },
};

const [name, ...rest] = process.argv.slice(2);
const bench = name !== undefined && Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (bench === undefined) {
  const known = Object.keys(BENCHES).join(', ');
  const isAsking = name === undefined || name === '--help';
  process.stderr.write(
    `${isAsking ? '' : `No benchmark '${name}'. `}Benchmarks: ${known}; NAME --help says more, and bench/README.md what they leave out\n`,
  );
  process.exitCode = isAsking ? 0 : 2;
} else if (rest.includes('--help')) {
  process.stdout.write(`npm run bench -- ${bench.usage}\n`);
} else {
  await bench.run(rest);
}
