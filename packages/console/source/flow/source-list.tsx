/** The sources of an agent that a person should look at: which cannot be read, stand still or went away, and why. */
import { formatBytes, formatCount, formatDuration } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import type { FlowSource } from './flow-model.ts';

/** Sources that a card shows; `sluice status --json` has more. */
const SHOWN_SOURCES = 8;

interface SourceListProperties {
  readonly sources: readonly FlowSource[];
}

export function SourceList({ sources }: SourceListProperties): React.JSX.Element | null {
  const words = useWords();
  if (sources.length === 0) return null;
  const hidden = sources.length - SHOWN_SOURCES;
  return (
    <ul className="sources" aria-label={words.sources}>
      {sources.slice(0, SHOWN_SOURCES).map((source) => (
        <li key={source.name} data-condition={source.condition}>
          <code>{source.name}</code>
          {source.forMs > 0 && (
            <b>{words.sourceSince(words.sourceCondition[source.condition], formatDuration(source.forMs))}</b>
          )}
          {source.unreadBytes > 0n && <span>{words.sourceUnread(formatBytes(source.unreadBytes))}</span>}
          {source.failedRecords > 0n && <span>{words.failedRecords(formatCount(source.failedRecords))}</span>}
          {source.unparsedRecords > 0n && (
            <span>{words.unparsedRecords(formatCount(source.unparsedRecords))}</span>
          )}
          <span>{source.reason}</span>
        </li>
      ))}
      {hidden > 0 && <li>{words.moreSources(formatCount(hidden))}</li>}
    </ul>
  );
}
