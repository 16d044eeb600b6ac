/** Where the browser for the tests is, and how it is started. */
import { existsSync } from 'node:fs';

/** Paths of the distributions' packages; SLUICE_CHROMIUM names another. */
export const CHROMIUM_CANDIDATES: readonly string[] = [
  ...(process.env.SLUICE_CHROMIUM === undefined ? [] : [process.env.SLUICE_CHROMIUM]),
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** @returns the path of a Chromium on this machine, or undefined */
export function findChromium(): string | undefined {
  return CHROMIUM_CANDIDATES.find((file) => existsSync(file));
}

/** Headless, quiet on the network, and able to run as root in a container. */
export const CHROMIUM_ARGUMENTS: readonly string[] = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
