/** Nothing matches: what to try next. */
import { useWords } from '../i18n/language.ts';
import type { TimeRange } from '../time/time-range.ts';

interface EmptyResultsProperties {
  readonly query: string;
  readonly range: TimeRange;
  readonly onWiden: () => void;
  readonly onClearQuery: () => void;
}

export function EmptyResults(properties: EmptyResultsProperties): React.JSX.Element {
  const { query, range } = properties;
  const words = useWords();
  const everything = range.kind === 'all';
  return (
    <div className="notice-box" role="status">
      <h2>{words.emptyTitle}</h2>
      <p>{!everything ? words.emptyInRange : query === '' ? words.emptyStart : words.emptyEver}</p>
      <div className="actions">
        {!everything && (
          <button type="button" className="primary" onClick={properties.onWiden}>
            {words.widen}
          </button>
        )}
        {query !== '' && (
          <button type="button" onClick={properties.onClearQuery}>
            {words.clearQueryAction}
          </button>
        )}
      </div>
    </div>
  );
}
