/** The kinds of sources that there are, made from the settings of the agent: the one place that knows them. */
import { defaultExcludeGlobs, defaultWatchGlobs } from '@sluice/source/file/default-globs';
import { FileSource } from '@sluice/source/file/file-source';
import type { CreateSource } from '@sluice/source/source';

export interface SourceSettings {
  /** Globs of files to follow; default: this machine's own logs. */
  readonly watch?: readonly string[];
  readonly exclude?: readonly string[];
  /** Whether files that are there at the first start are read from their beginning. */
  readonly fromStart: boolean;
}

/** @param ownDirectory the agent's own data, which is never followed */
export function createSources(settings: SourceSettings, ownDirectory: string): CreateSource[] {
  const { watch, exclude = [], fromStart } = settings;
  const files = {
    include: watch ?? defaultWatchGlobs(),
    exclude: [...(watch === undefined ? defaultExcludeGlobs() : []), ...exclude],
    fromStart,
    ownDirectories: [ownDirectory],
  };
  return [(host) => new FileSource(files, host)];
}
