import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Tests that wait out real times, run thousands of worlds or start whole programs: they say so in their names. */
const SLOW = ['**/*.slow.test.ts', '**/*.crash.test.ts', '**/*.browser.test.ts'];

const common: NonNullable<ViteUserConfig['test']> = {
  // Processes, not threads: the engine and LMDB are native and one per process.
  pool: 'forks',
  setupFiles: ['packages/host/testing/seed-properties.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // The second that is the default is a bar for the machine, not for what is tested.
  expect: { poll: { timeout: 20_000 } },
};

const config: ViteUserConfig = defineConfig({
  test: {
    // The machines that this runs on have two cores, and several tests start whole programs.
    maxWorkers: 2,
    coverage: {
      include: ['packages/*/**/*.ts'],
      exclude: [
        '**/*.test.ts',
        '**/*-fixture.ts',
        '**/fake-*.ts',
        '**/testing/**',
        '**/fixtures/**',
        'packages/wire/gen/**',
      ],
      reporter: ['text-summary', 'html'],
    },
    projects: [
      {
        test: {
          ...common,
          name: 'quick',
          include: [
            'packages/**/*.test.ts',
            'bench/**/*.test.ts',
            'apptest/{conventions,layers,purity}.test.ts',
          ],
          exclude: [...SLOW, '**/node_modules/**'],
        },
      },
      {
        test: {
          ...common,
          name: 'slow',
          include: [...SLOW.map((pattern) => `packages/${pattern}`), 'apptest/**/*.test.ts'],
          exclude: [
            'apptest/{conventions,layers,purity}.test.ts',
            'apptest/conformance/**',
            '**/node_modules/**',
          ],
        },
      },
      {
        // Waits out the real times of the protocol against whole programs: by itself, on a machine with nothing else to do.
        test: { ...common, name: 'conformance', include: ['apptest/conformance/**/*.test.ts'] },
      },
    ],
  },
});

export default config;
