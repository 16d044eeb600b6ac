/**
 * Finds the files that patterns name, again and again, with little work: only directories that a pattern can reach are
 * read, and only names that match are looked at.
 *
 * Invariants: a file found through several patterns is returned once per path (the caller tells links apart by inode);
 * a directory is entered once per walk, so links that form a circle end; a missing directory is no problem (it may
 * appear later), an unreadable one is.
 */
import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '@sluice/base/error';
import picomatch from 'picomatch';

/** Deeper trees are not logs. Ends a walk through something like a whole file system. */
const MAX_DEPTH = 32;
/** Directory entries in one walk: a tree of this size is not meant, and would cost seconds at every look. */
const MAX_WALKED_ENTRIES = 200_000;
/** Looks at files in flight: keeps the thread pool busy without filling its queue. */
const STAT_CONCURRENCY = 32;

export interface FoundFile {
  readonly path: string;
  readonly stats: Stats;
}

export interface WalkResult {
  readonly files: readonly FoundFile[];
  /** What could not be looked at, by path. */
  readonly problems: ReadonlyMap<string, string>;
  readonly directories: ReadonlySet<string>;
}

interface Pattern {
  readonly base: string;
  readonly literal: boolean;
  readonly depth: number;
  readonly matches: (file: string) => boolean;
  /** Names that directories must have, level by level below the base; deeper ones may have any. */
  readonly levels: readonly ((name: string) => boolean)[];
}

export class GlobWalker {
  readonly #patterns: readonly Pattern[];
  readonly #excluded: (file: string) => boolean;
  readonly #excludedDirectories: () => ReadonlySet<string>;

  /**
   * @param include patterns of files; relative ones are taken from the working directory.
   * @param exclude patterns of files and directories that are left out; one without a slash matches in any directory.
   * @param excludedDirectories `device:inode` of directories that are never entered.
   */
  constructor(
    include: readonly string[],
    exclude: readonly string[],
    excludedDirectories: () => ReadonlySet<string>,
  ) {
    this.#patterns = include.map(compile);
    const excluded = exclude.map((pattern) => picomatch(anchor(pattern), { dot: true }));
    this.#excluded = (file) => excluded.some((matches) => matches(file));
    this.#excludedDirectories = excludedDirectories;
  }

  /** Looks once. Never throws for what is on disk. */
  async walk(): Promise<WalkResult> {
    const problems = new Map<string, string>();
    const candidates = new Set<string>();
    const literals = new Set<string>();
    const directories = new Set<string>();
    const excludedDirectories = this.#excludedDirectories();
    let entries = 0;

    const enter = async (
      directory: string,
      level: number,
      pattern: Pattern,
      visited: Set<string>,
    ): Promise<void> => {
      const stats = await look(directory, problems);
      if (stats === undefined || !stats.isDirectory()) return;
      const identity = `${stats.dev}:${stats.ino}`;
      if (visited.has(identity) || excludedDirectories.has(identity)) return;
      visited.add(identity);
      let found: Dirent[];
      try {
        found = await readdir(directory, { withFileTypes: true });
      } catch (error) {
        note(problems, directory, error);
        return;
      }
      directories.add(directory);
      entries += found.length;
      if (entries > MAX_WALKED_ENTRIES) {
        problems.set(pattern.base, `more than ${MAX_WALKED_ENTRIES} entries; narrow the pattern`);
        return;
      }
      for (const entry of found) {
        const file = path.join(directory, entry.name);
        if (this.#excluded(file)) continue;
        const mayBeDirectory = entry.isDirectory() || entry.isSymbolicLink();
        if (!entry.isDirectory() && !entry.isSymbolicLink() && !entry.isFile()) continue;
        if (!entry.isDirectory() && pattern.matches(file)) candidates.add(file);
        else if (mayBeDirectory && level + 1 < pattern.depth && mayLead(pattern, level, entry.name))
          await enter(file, level + 1, pattern, visited);
      }
    };

    for (const pattern of this.#patterns) {
      if (pattern.literal) {
        if (this.#excluded(pattern.base)) continue;
        candidates.add(pattern.base);
        literals.add(pattern.base);
      } else await enter(pattern.base, 0, pattern, new Set());
    }

    const files: FoundFile[] = [];
    const waiting = [...candidates].sort();
    for (let at = 0; at < waiting.length; at += STAT_CONCURRENCY) {
      await Promise.all(
        waiting.slice(at, at + STAT_CONCURRENCY).map(async (file) => {
          const stats = await look(file, problems);
          if (stats?.isFile()) files.push({ path: file, stats });
          else if (stats?.isDirectory() && literals.has(file))
            problems.set(file, `is a directory; its files are named by ${path.join(file, '*')}`);
        }),
      );
    }
    return { files, problems, directories };
  }
}

/** An exclude pattern for whole paths: a bare name means that name in any directory. */
function anchor(pattern: string): string {
  if (pattern.startsWith('/') || pattern.startsWith('**')) return pattern;
  return pattern.includes('/') ? path.resolve(pattern) : `**/${pattern}`;
}

function compile(pattern: string): Pattern {
  const absolute = path.resolve(pattern);
  const { base, glob, isGlob } = picomatch.scan(absolute);
  if (!isGlob)
    return { base: absolute, literal: true, depth: 0, matches: (file) => file === absolute, levels: [] };
  // A group may hold a separator; then the depth is not the number of segments.
  const bounded = !glob.includes('**') && !/[{(]/.test(glob);
  return {
    base: base === '' ? '/' : base,
    literal: false,
    depth: bounded ? glob.split('/').length : MAX_DEPTH,
    matches: picomatch(absolute, { dot: true }),
    levels: levelsOf(glob),
  };
}

/**
 * What the directories on the way are called, as far as the pattern says it: one that no file can match under is not
 * entered, however large it is.
 */
function levelsOf(glob: string): ((name: string) => boolean)[] {
  // A group or an escape may hold a separator.
  if (/[{(\\]/.test(glob)) return [];
  const levels: ((name: string) => boolean)[] = [];
  for (const segment of glob.split('/').slice(0, -1)) {
    if (segment.includes('**')) break;
    levels.push(picomatch(segment, { dot: true }));
  }
  return levels;
}

/** Whether files under the directory of this name, at this depth below the base, may match. */
function mayLead(pattern: Pattern, level: number, name: string): boolean {
  return pattern.levels[level]?.(name) ?? true;
}

async function look(file: string, problems: Map<string, string>): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    note(problems, file, error);
    return undefined;
  }
}

function note(problems: Map<string, string>, file: string, error: unknown): void {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  // Missing (or a link to nothing): it may appear later.
  if (code === 'ENOENT' || code === 'ENOTDIR') return;
  problems.set(file, messageOf(error));
}
