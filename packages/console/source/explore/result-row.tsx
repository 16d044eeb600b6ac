/** One record in the list. Everything in it is text. */
import type { LogRecord } from '@sluice/wire/gen/query_pb';
import { memo } from 'react';
import { formatCount, formatTime } from '../format/format.ts';
import { ROW_BODY_CHARACTERS, visibleLine, WRAPPED_BODY_CHARACTERS } from '../format/visible-text.ts';
import { useWords } from '../i18n/language.ts';
import { SEVERITY_LABELS, severityOf } from '../severity/severity.ts';

/** Names longer than the column are cut by the style; this only bounds the work of the browser. */
const NAME_CHARACTERS = 120;

interface ResultRowProperties {
  readonly record: LogRecord;
  readonly withDate: boolean;
  readonly wrap: boolean;
}

export const ResultRow: React.MemoExoticComponent<(properties: ResultRowProperties) => React.JSX.Element> =
  memo(function ResultRow({ record, withDate, wrap }: ResultRowProperties): React.JSX.Element {
    const words = useWords();
    const severity = severityOf(record.severityNumber);
    const body = visibleLine(record.body, wrap ? WRAPPED_BODY_CHARACTERS : ROW_BODY_CHARACTERS);
    return (
      <>
        <time className="cell-time">{formatTime(record.timestampUnixNanos, { withDate })}</time>
        <span className={`badge severity-${severity}`}>{SEVERITY_LABELS[severity]}</span>
        <span className="cell-service">{visibleLine(record.serviceName, NAME_CHARACTERS).text}</span>
        <span className="cell-host">{visibleLine(record.hostName, NAME_CHARACTERS).text}</span>
        <span className="cell-body">
          {body.text}
          {body.hiddenCharacters > 0 && (
            <span className="cut">… {words.moreCharacters(formatCount(body.hiddenCharacters))}</span>
          )}
        </span>
      </>
    );
  });
