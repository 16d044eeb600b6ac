/** The logs view: search bar, histogram, list and detail, held together by one run of one search. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { useWords } from '../i18n/language.ts';
import { useKeys } from '../keys/use-keys.ts';
import { addFilter } from '../query/filter.ts';
import { FailureBox } from '../shell/failure-box.tsx';
import { readSetting, writeSetting } from '../shell/settings.ts';
import { DEFAULT_RANGE } from '../time/time-range.ts';
import type { Navigate } from '../url/use-view-state.ts';
import type { ViewState } from '../url/view-state.ts';
import { DetailPanel } from './detail-panel.tsx';
import { EmptyResults } from './empty-results.tsx';
import { Histogram } from './histogram.tsx';
import { QueryError } from './query-error.tsx';
import { ResultList } from './result-list.tsx';
import { ResultToolbar } from './result-toolbar.tsx';
import { SearchBar } from './search-bar.tsx';
import { TimePicker } from './time-picker.tsx';
import { useHistogram } from './use-histogram.ts';
import { useLive } from './use-live.ts';
import { useRecord } from './use-record.ts';
import { useRun } from './use-run.ts';
import { useSearch } from './use-search.ts';

interface ExploreViewProperties {
  readonly view: ViewState;
  readonly navigate: Navigate;
  readonly theme: 'light' | 'dark';
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: state of the page and its layout; the next who changes it splits it
export function ExploreView({ view, navigate, theme }: ExploreViewProperties): React.JSX.Element {
  const words = useWords();
  const [run, runAgain] = useRun(view.query, view.range);
  const search = useSearch(run);
  const histogram = useHistogram(run);
  const [wrap, setWrap] = useState(() => readSetting('wrap') === 'yes');
  const [atTop, setAtTop] = useState(true);
  const [selectedId, setSelectedId] = useState(view.record);
  // A page that was opened zoomed goes back to the usual range.
  const [rangeBeforeZoom, setRangeBeforeZoom] = useState(
    view.range.kind === 'absolute' ? DEFAULT_RANGE : view.range,
  );
  const searchInput = useRef<HTMLInputElement>(null);
  const timeMenu = useRef<HTMLDetailsElement>(null);
  const { records } = search;
  // Reading and moving list do not go together: live waits until the newest record is in sight again.
  const livePaused = view.live && (!atTop || view.record !== '');
  // A busy server said when it wants to be asked again.
  const isBusy = search.failure?.kind === 'busy';
  useLive(view.live && !livePaused && !search.outdated && !isBusy, runAgain);

  useEffect(() => {
    if (view.record !== '') setSelectedId(view.record);
  }, [view.record]);

  // Who opens the bare page wants to see logs: on a machine that was quiet for the last hour, those of all time.
  const bare = useRef(window.location.search === '');
  useEffect(() => {
    if (!bare.current || search.pending) return;
    bare.current = false;
    if (search.failure === undefined && records.length === 0) {
      navigate({ range: { kind: 'all' } }, { replace: true });
    }
  }, [navigate, records.length, search.failure, search.pending]);

  const toggleWrap = useCallback(() => {
    setWrap((on) => {
      writeSetting('wrap', on ? 'no' : 'yes');
      return !on;
    });
  }, []);
  const toggleLive = useCallback(
    () => navigate({ live: !view.live }, { replace: true }),
    [navigate, view.live],
  );
  const openRecord = useCallback(
    (id: string) => {
      setSelectedId(id);
      navigate({ record: id }, { replace: true });
    },
    [navigate],
  );
  const closeRecord = useCallback(() => navigate({ record: '' }, { replace: true }), [navigate]);
  const move = (step: number): void => {
    const at = records.findIndex((record) => record.id === selectedId);
    const next = records[at === -1 ? 0 : Math.max(0, Math.min(records.length - 1, at + step))];
    if (next === undefined) return;
    setSelectedId(next.id);
    if (view.record !== '') navigate({ record: next.id }, { replace: true });
  };
  const down = (event: KeyboardEvent): void => {
    event.preventDefault();
    move(1);
  };
  const up = (event: KeyboardEvent): void => {
    event.preventDefault();
    move(-1);
  };
  const openSelected = (event: KeyboardEvent): void => {
    // A focused button or link keeps its own Enter.
    if (event.target instanceof HTMLElement && event.target.closest('button, a, summary') !== null) return;
    if (selectedId !== '') openRecord(selectedId);
  };
  const resetZoom = (): void => navigate({ range: rangeBeforeZoom });
  const goBack = (): void => {
    if (view.record !== '') closeRecord();
    else if (view.range.kind === 'absolute') resetZoom();
  };
  useKeys({
    '/': (event) => {
      event.preventDefault();
      searchInput.current?.focus();
      searchInput.current?.select();
    },
    j: down,
    ArrowDown: down,
    k: up,
    ArrowUp: up,
    Enter: openSelected,
    Escape: goBack,
    t: (event) => {
      event.preventDefault();
      if (timeMenu.current === null) return;
      timeMenu.current.open = true;
      timeMenu.current.querySelector('summary')?.focus();
    },
    l: toggleLive,
    w: toggleWrap,
    r: runAgain,
  });

  const queryFailure = search.failure?.kind === 'query' ? search.failure : undefined;
  const loaded = view.record === '' ? undefined : records.find((record) => record.id === view.record);
  const named = useRecord(loaded === undefined && !search.pending ? view.record : '');
  const opened = loaded ?? named.record;
  const filter = (field: string, value: string, mode: 'include' | 'exclude'): void =>
    navigate({ query: addFilter(view.query, field, value, mode), record: '' });

  return (
    <div className="explore" data-detail={view.record !== '' ? 'open' : 'closed'}>
      <div className="controls">
        <SearchBar
          ref={searchInput}
          query={view.query}
          invalid={queryFailure !== undefined}
          onRun={(query) => (query === view.query ? runAgain() : navigate({ query, record: '' }))}
        />
        <TimePicker
          ref={timeMenu}
          range={view.range}
          nowMs={run.anchorMs}
          onRange={(range) => navigate({ range, record: '' })}
        />
        {queryFailure !== undefined && <QueryError query={run.query} failure={queryFailure} />}
      </div>
      <Histogram
        data={queryFailure === undefined ? histogram.data : undefined}
        failed={histogram.failure !== undefined}
        range={run.range}
        theme={theme}
        zoomed={view.range.kind === 'absolute'}
        onZoom={(startMs, endMs) => {
          if (view.range.kind !== 'absolute') setRangeBeforeZoom(view.range);
          navigate({ range: { kind: 'absolute', startMs, endMs }, record: '' });
        }}
        onReset={resetZoom}
      />
      <ResultToolbar
        total={search.failure === undefined ? histogram.data?.total : undefined}
        elapsedMs={search.pending || search.failure !== undefined ? undefined : search.elapsedMs}
        busy={search.pending || search.outdated}
        live={view.live}
        livePaused={livePaused}
        wrap={wrap}
        onLive={toggleLive}
        onWrap={toggleWrap}
        onRefresh={runAgain}
      />
      <div className="results">
        {search.failure !== undefined ? (
          queryFailure === undefined && <FailureBox failure={search.failure} onRetry={runAgain} />
        ) : !search.pending && records.length === 0 ? (
          <EmptyResults
            query={view.query}
            range={view.range}
            onWiden={() => navigate({ range: { kind: 'all' } })}
            onClearQuery={() => navigate({ query: '' })}
          />
        ) : (
          <ResultList
            search={search}
            total={histogram.data?.total}
            wrap={wrap}
            selectedId={selectedId}
            onOpen={openRecord}
            onAtTop={setAtTop}
          />
        )}
      </div>
      {view.record !== '' && (
        <DetailPanel record={opened} missing={named.missing} onClose={closeRecord} onFilter={filter} />
      )}
      <p className="visually-hidden" role="status">
        {search.pending ? words.loading : ''}
      </p>
    </div>
  );
}
