/** Damage to files, from seeds, for the tests of what is durable. Not part of any program. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { Random } from '@sluice/base/random';

/** How many seeds are tried: a few with each run of the tests, as many as the environment says otherwise. */
export const DAMAGE_SEEDS: number = Number(process.env.SLUICE_DAMAGE_SEEDS ?? 12);
const PAGE_BYTES = 4096;
const MAX_DAMAGED_PAGES = 4;

/** The file, how many pages it has, and chance. */
interface Victim {
  readonly file: string;
  readonly bytes: Buffer;
  /** The file as it was earlier. */
  readonly earlier: Buffer;
  readonly random: Random;
}

type Damage = readonly [name: string, damage: (victim: Victim) => void];

const flips = (count: number): Damage => [
  `${count} bits flipped`,
  ({ bytes, random }) => {
    for (let flip = 0; flip < count; flip += 1) {
      const at = Math.floor(random.next() * bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random.next() * 8));
    }
  },
];

/** As a bad disk, a cut and a file system without a journal leave files. */
const DAMAGES: readonly Damage[] = [
  flips(1),
  flips(5),
  flips(20),
  flips(100),
  flips(500),
  ['cut', ({ file, bytes, random }) => truncateSync(file, Math.floor(random.next() * bytes.length))],
  ['emptied', ({ file }) => truncateSync(file, 0)],
  ['pages of zeros', (victim) => eachPage(victim, ({ bytes }, at) => bytes.fill(0, at, at + PAGE_BYTES))],
  [
    'pages in the place of others',
    (victim) =>
      eachPage(victim, ({ bytes, random }, at) => {
        const other = pageOf(bytes, random);
        const page = Buffer.from(bytes.subarray(at, at + PAGE_BYTES));
        bytes.copy(bytes, at, other, other + PAGE_BYTES);
        page.copy(bytes, other);
      }),
  ],
  [
    'pages as they were earlier',
    (victim) =>
      eachPage(victim, ({ bytes, earlier }, at) => bytes.set(earlier.subarray(at, at + PAGE_BYTES), at)),
  ],
  [
    'pages of garbage',
    (victim) =>
      eachPage(victim, ({ bytes, random }, at) => {
        for (let byte = at; byte < at + PAGE_BYTES; byte += 1) bytes[byte] = Math.floor(random.next() * 256);
      }),
  ],
  [
    'a header page of garbage',
    ({ bytes, random }) => {
      const at = random.next() < 0.5 ? 0 : PAGE_BYTES;
      for (let byte = at; byte < at + PAGE_BYTES; byte += 1) bytes[byte] = Math.floor(random.next() * 256);
    },
  ],
  [
    'bits flipped in the pages that lead to all others',
    ({ bytes, random }) => {
      for (let flip = 0; flip < 2; flip += 1) {
        const at = Math.floor(random.next() * 160) + (random.next() < 0.5 ? 0 : PAGE_BYTES);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random.next() * 8));
      }
    },
  ],
];

/**
 * Damages the file. Returns what was done, in words.
 *
 * @param earlier a copy of the file from an earlier moment; left out, no page goes back to what it was
 */
export function damageFile(file: string, seed: number, earlier?: string): string {
  const random = new Random(seed);
  const bytes = readFileSync(file);
  const [name, damage] = DAMAGES[seed % DAMAGES.length] ?? flips(1);
  damage({ file, bytes, random, earlier: earlier === undefined ? bytes : readFileSync(earlier) });
  // Otherwise the damage is to the length.
  if (!['cut', 'emptied'].includes(name)) writeFileSync(file, bytes);
  return `seed ${seed}: ${name}`;
}

function eachPage(victim: Victim, damage: (victim: Victim, at: number) => void): void {
  const pages = 1 + Math.floor(victim.random.next() * MAX_DAMAGED_PAGES);
  for (let page = 0; page < pages; page += 1) damage(victim, pageOf(victim.bytes, victim.random));
}

function pageOf(bytes: Buffer, random: Random): number {
  return Math.floor(random.next() * (bytes.length / PAGE_BYTES)) * PAGE_BYTES;
}
