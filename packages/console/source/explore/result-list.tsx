/**
 * The records in a virtual list: only what is in sight is in the page, and the next page is fetched before the end
 * comes into sight.
 */
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { formatCount } from '../format/format.ts';
import { type Dictionary, useWords } from '../i18n/language.ts';
import { nanosToMs } from '../time/time-range.ts';
import { ResultRow } from './result-row.tsx';
import type { SearchResult } from './use-search.ts';

/** Height of a row without wrapping; `results.css` says the same. */
const ROW_PIXELS = 26;
/** On a narrow screen a row has a second line. */
const NARROW_ROW_PIXELS = 50;
const narrowScreen = window.matchMedia('(max-width: 700px)');
/** Rows drawn beyond the edges, so that scrolling shows no gaps. */
const OVERSCAN_ROWS = 12;
/** The next page is asked for when this few rows are left below. */
const LOAD_AHEAD_ROWS = 60;
const SKELETON_ROWS = 14;
const DAY_MS = 86_400_000;

interface ResultListProperties {
  readonly search: SearchResult;
  readonly total: number | undefined;
  readonly wrap: boolean;
  readonly selectedId: string;
  readonly onOpen: (id: string) => void;
  /** Whether the newest record is in sight. */
  readonly onAtTop: (atTop: boolean) => void;
}

export function ResultList(properties: ResultListProperties): React.JSX.Element {
  const { search, total, wrap, selectedId, onOpen, onAtTop } = properties;
  const { records, hasMore, loadMore, pageFailure } = search;
  const words = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useSyncExternalStore(subscribeToWidth, () => narrowScreen.matches);
  // One row more than records: the line that says what comes next.
  const virtualizer = useVirtualizer({
    count: records.length + 1,
    getScrollElement: () => scroller.current,
    estimateSize: () => (narrow ? NARROW_ROW_PIXELS : ROW_PIXELS),
    overscan: OVERSCAN_ROWS,
    getItemKey: (index) => records[index]?.id ?? 'end',
  });
  const items = virtualizer.getVirtualItems();
  const lastIndex = items.at(-1)?.index ?? 0;

  useEffect(() => {
    if (hasMore && pageFailure === undefined && lastIndex >= records.length - LOAD_AHEAD_ROWS) loadMore();
  }, [hasMore, pageFailure, lastIndex, records.length, loadMore]);

  const selectedIndex = records.findIndex((record) => record.id === selectedId);
  useEffect(() => {
    if (selectedIndex >= 0) virtualizer.scrollToIndex(selectedIndex, { align: 'auto' });
  }, [selectedIndex, virtualizer]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: heights known for another way of wrapping or another width are forgotten
  useEffect(() => virtualizer.measure(), [wrap, narrow, virtualizer]);

  const withDate = spansDays(search);
  if (search.pending) return <ListSkeleton />;
  return (
    <div
      ref={scroller}
      className="result-list"
      data-wrap={wrap}
      data-dates={withDate}
      data-outdated={search.outdated}
      role="listbox"
      tabIndex={0}
      aria-label={words.results}
      aria-activedescendant={selectedIndex >= 0 ? `record-${selectedIndex}` : undefined}
      aria-busy={search.outdated}
      onScroll={(event) => onAtTop(event.currentTarget.scrollTop < ROW_PIXELS)}
    >
      <div className="result-rows" style={{ height: virtualizer.getTotalSize() }}>
        {items.map((item) => {
          const record = records[item.index];
          const place = { transform: `translateY(${item.start}px)` };
          if (record === undefined) {
            return (
              <div key="end" className="list-end" style={place}>
                <ListEnd search={search} total={total} />
              </div>
            );
          }
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the list handles Enter for its active row
            <div
              key={item.key}
              id={`record-${item.index}`}
              // Only wrapped rows differ in height; measuring the others would slow scrolling for nothing.
              ref={wrap ? virtualizer.measureElement : undefined}
              data-index={item.index}
              className="row"
              style={place}
              role="option"
              tabIndex={-1}
              aria-selected={record.id === selectedId}
              aria-setsize={hasMore ? (total ?? -1) : records.length}
              aria-posinset={item.index + 1}
              onClick={() => onOpen(record.id)}
            >
              <ResultRow record={record} withDate={withDate} wrap={wrap} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

function subscribeToWidth(listener: () => void): () => void {
  narrowScreen.addEventListener('change', listener);
  return () => narrowScreen.removeEventListener('change', listener);
}

function ListEnd({
  search,
  total,
}: {
  readonly search: SearchResult;
  readonly total: number | undefined;
}): React.JSX.Element {
  const words = useWords();
  if (search.pageFailure !== undefined) {
    return (
      <>
        {words.failure[search.pageFailure.kind]}: {search.pageFailure.message}{' '}
        <button type="button" className="link" onClick={search.loadMore}>
          {words.retry}
        </button>
      </>
    );
  }
  return <>{endText(search, total, words)}</>;
}

function endText(search: SearchResult, total: number | undefined, words: Dictionary): string {
  const loaded = formatCount(search.records.length);
  if (search.loadingMore) return words.loadingMore;
  if (search.capped) return words.showingCapped(loaded);
  if (search.hasMore) return words.showing(loaded, total === undefined ? '…' : formatCount(total));
  return words.showingAll(loaded);
}

/** True when times of day alone would be ambiguous. */
function spansDays(search: SearchResult): boolean {
  const newest = search.records[0];
  const oldest = search.records.at(-1);
  if (newest === undefined || oldest === undefined) return false;
  const oldestMs = nanosToMs(oldest.timestampUnixNanos);
  return Date.now() - oldestMs > DAY_MS || new Date(oldestMs).getDate() !== new Date().getDate();
}

function ListSkeleton(): React.JSX.Element {
  return (
    <div className="result-list" aria-hidden="true">
      {Array.from({ length: SKELETON_ROWS }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: these rows have no identity
        <div key={index} className="row skeleton-row">
          <span className="skeleton" style={{ width: `${94 - ((index * 17) % 45)}%` }} />
        </div>
      ))}
    </div>
  );
}
