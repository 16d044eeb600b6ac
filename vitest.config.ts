import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['packages/**/*.test.ts', 'apptest/**/*.test.ts', 'bench/**/*.test.ts'],
    // Processes, not threads: the engine and LMDB are native and one per process.
    pool: 'forks',
    // The machines that this runs on have two cores, and several tests start whole programs.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The second that is the default is a bar for the machine, not for what is tested.
    expect: { poll: { timeout: 20_000 } },
  },
});

export default config;
