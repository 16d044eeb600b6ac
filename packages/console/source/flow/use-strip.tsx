/** The order of use as a strip: S1/1 -> S2/2 (notice to S2) -> S1/3 … The newest use is kept in sight. */
import { Fragment, useEffect, useRef } from 'react';
import { formatBytes, formatCount } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import type { UseRun } from './flow-history.ts';
import { serverColorClass } from './server-color.ts';

interface UseStripProperties {
  readonly runs: readonly UseRun[];
  readonly colors: ReadonlyMap<string, number>;
}

export function UseStrip({ runs, colors }: UseStripProperties): React.JSX.Element {
  const words = useWords();
  const strip = useRef<HTMLOListElement>(null);
  const newest = runs.at(-1)?.key;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a new use moves the strip
  useEffect(() => {
    strip.current?.scrollTo({ left: strip.current.scrollWidth });
  }, [newest]);
  if (runs.length === 0) return <p className="dim">{words.usesEmpty}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
    <ol className="use-strip" ref={strip} tabIndex={0} aria-label={words.uses}>
      {runs.map((run, index) => (
        <Fragment key={run.key}>
          {index > 0 && (
            <li aria-hidden="true" className="arrow">
              →
            </li>
          )}
          <li
            className={`use ${serverColorClass(colors.get(run.serverId))}`}
            data-violating={run.violating}
            title={`${words.records(formatCount(run.recordCount))}, ${formatBytes(run.rawBytes)}`}
          >
            <span>
              <b>
                {run.serverId}/{run.priority}
              </b>
              {run.blocks > 1 && <span className="dim"> ×{run.blocks}</span>}
            </span>
            {run.notified && <span className="use-notice">{words.noticeTo(run.serverId)}</span>}
          </li>
        </Fragment>
      ))}
    </ol>
  );
}
