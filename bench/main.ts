/** `npm run bench -- NAME [ARGUMENTS]`: runs one benchmark, or lists them. */
import { run as agents } from './agents.ts';
import { run as codec } from './codec.ts';
import { run as pipeline } from './pipeline.ts';
import { run as record } from './record.ts';
import { run as storm } from './storm.ts';

const BENCHES: Readonly<Record<string, (argumentsOfBench: readonly string[]) => Promise<void>>> = {
  pipeline,
  record,
  codec,
  storm,
  agents,
};

const [name, ...rest] = process.argv.slice(2);
const bench = name === undefined ? undefined : BENCHES[name];
if (bench === undefined) {
  const known = Object.keys(BENCHES).join(', ');
  process.stderr.write(
    `${name === undefined ? '' : `No benchmark '${name}'. `}Benchmarks: ${known}; see bench/README.md\n`,
  );
  process.exitCode = name === undefined ? 0 : 2;
} else {
  await bench(rest);
}
