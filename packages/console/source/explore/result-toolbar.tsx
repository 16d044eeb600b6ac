/** How much was found and how quickly; live, wrap, refresh. Nothing here changes width while it loads. */
import { formatCount, formatDuration } from '../format/format.ts';
import { useWords } from '../i18n/language.ts';
import { Icon } from '../shell/icons.tsx';

interface ResultToolbarProperties {
  /** All that match, loaded or not; undefined while it is not known. */
  readonly total: number | undefined;
  readonly elapsedMs: bigint | undefined;
  readonly busy: boolean;
  readonly live: boolean;
  readonly livePaused: boolean;
  readonly wrap: boolean;
  readonly onLive: () => void;
  readonly onWrap: () => void;
  readonly onRefresh: () => void;
}

export function ResultToolbar(properties: ResultToolbarProperties): React.JSX.Element {
  const { total, elapsedMs, live, wrap } = properties;
  const words = useWords();
  return (
    <div className="toolbar" data-busy={properties.busy}>
      <p className="count" role="status">
        {total !== undefined && (
          <>
            <b>{formatCount(total)}</b> {words.recordsFound}
          </>
        )}{' '}
        {elapsedMs !== undefined && !live && (
          <span className="dim">{words.elapsed(formatDuration(elapsedMs))}</span>
        )}
        {live && properties.livePaused && <span className="dim">{words.livePaused}</span>}
      </p>
      <span className="spacer" />
      <button
        type="button"
        className="toggle live"
        aria-pressed={live}
        aria-keyshortcuts="l"
        title={words.liveOn}
        data-paused={properties.livePaused}
        onClick={properties.onLive}
      >
        <span className="dot" aria-hidden="true" />
        {words.live}
      </button>
      <button
        type="button"
        className="toggle"
        aria-pressed={wrap}
        aria-keyshortcuts="w"
        aria-label={words.wrap}
        title={words.wrap}
        onClick={properties.onWrap}
      >
        <Icon name="wrap" />
      </button>
      <button
        type="button"
        className="toggle"
        aria-label={words.refresh}
        aria-keyshortcuts="r"
        title={words.refresh}
        onClick={properties.onRefresh}
      >
        <Icon name="refresh" />
      </button>
    </div>
  );
}
