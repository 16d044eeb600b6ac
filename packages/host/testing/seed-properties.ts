/**
 * Runs before each file of tests: gives the seed in `SLUICE_SEED` to fast-check, which draws one of its own for each property, and
 * prints it when the property fails.
 */
import { givenSeed } from './seed.ts';

const seed = givenSeed();
if (seed !== undefined) {
  // Not otherwise: most files have no properties, and loading the library takes its time in each of them.
  const { default: fc } = await import('fast-check');
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}
