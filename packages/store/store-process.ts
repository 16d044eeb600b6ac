/**
 * Main module of the store's own process, started by superviseStore().
 */
import { runStoreProcess } from './run-store-process.ts';

await runStoreProcess();
