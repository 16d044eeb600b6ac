/**
 * `npm run sim -- --seeds N`: runs many seeds on all cores. Progress on stderr, results on stdout.
 */
import { runCommand } from './command.ts';

process.exitCode = await runCommand(process.argv.slice(2));
