/** One record whole: its text, all attributes sorted, where it came through; every value can become a filter. */
import { timestampOriginOf } from '@sluice/protocol/timestamp-origin';
import type { LogRecord } from '@sluice/wire/gen/query_pb';
import { useEffect, useRef } from 'react';
import { formatInstant, formatTime } from '../format/format.ts';
import { type Dictionary, useWords } from '../i18n/language.ts';
import { SEVERITY_LABELS, severityOf } from '../severity/severity.ts';
import { Icon } from '../shell/icons.tsx';
import { CopyButton } from './copy-button.tsx';
import { FieldList, type FilterByValue } from './field-list.tsx';
import { type Field, recordJson, sortedFields, urgencyName } from './record-fields.ts';

interface DetailPanelProperties {
  readonly record: LogRecord | undefined;
  readonly missing: boolean;
  readonly onClose: () => void;
  readonly onFilter: FilterByValue;
}

export function DetailPanel({
  record,
  missing,
  onClose,
  onFilter,
}: DetailPanelProperties): React.JSX.Element {
  const words = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const id = record?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another record is read from its beginning
  useEffect(() => {
    scroller.current?.scrollTo({ top: 0 });
  }, [id]);
  return (
    <aside className="detail" aria-label={words.details}>
      <div className="panel-head">
        {record !== undefined && (
          <>
            <span className={`badge severity-${severityOf(record.severityNumber)}`}>
              {SEVERITY_LABELS[severityOf(record.severityNumber)]}
            </span>
            <time>{formatTime(record.timestampUnixNanos, { withDate: true })}</time>
          </>
        )}
        <span className="spacer" />
        {record !== undefined && <CopyButton text={() => recordJson(record)} label={words.copyJson} />}
        <button
          type="button"
          className="ghost"
          aria-label={words.close}
          title={`${words.close} (Esc)`}
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </div>
      <div className="detail-body" ref={scroller}>
        {record === undefined && missing && <p className="dim">{words.gone}</p>}
        {record === undefined && !missing && <div className="skeleton detail-skeleton" />}
        {record !== undefined && (
          <>
            <h3>{words.message}</h3>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard */}
            <pre className="detail-message" tabIndex={0}>
              {record.body}
            </pre>
            <FieldList fields={mainFields(record)} onFilter={onFilter} />
            <FieldList
              title={words.attributes}
              fields={sortedFields(record.attributes, 'attributes')}
              onFilter={onFilter}
            />
            <FieldList
              title={words.resource}
              fields={sortedFields(record.resource, 'resource')}
              onFilter={onFilter}
            />
            <FieldList title={words.delivery} fields={deliveryFields(record, words)} onFilter={onFilter} />
          </>
        )}
      </div>
    </aside>
  );
}

function mainFields(record: LogRecord): Field[] {
  const fields: Field[] = [
    { name: 'severity', value: record.severityText, queryName: 'severity' },
    { name: 'service', value: record.serviceName, queryName: 'service' },
    { name: 'host', value: record.hostName, queryName: 'host' },
    { name: 'trace_id', value: record.traceId, queryName: 'trace_id' },
    { name: 'span_id', value: record.spanId, queryName: 'span_id' },
  ];
  return fields.filter((field) => field.value !== '');
}

function deliveryFields(record: LogRecord, words: Dictionary): Field[] {
  const fields: Field[] = [
    { name: words.fieldTime, value: formatInstant(record.timestampUnixNanos), queryName: undefined },
    {
      name: words.fieldTimestampOrigin,
      value: words.timestampOrigin[timestampOriginOf(record.timestampOrigin)],
      queryName: 'timestamp.origin',
      queryValue: timestampOriginOf(record.timestampOrigin),
    },
    { name: words.fieldOffset, value: String(record.offsetBytes ?? ''), queryName: 'record.offset' },
    { name: words.fieldObserved, value: formatInstant(record.observedUnixNanos), queryName: undefined },
    {
      name: words.fieldUrgency,
      value: words.urgency[urgencyName(record.urgency)],
      queryName: 'urgency',
      queryValue: urgencyName(record.urgency),
    },
    { name: words.fieldServer, value: record.serverId, queryName: 'server' },
    { name: words.fieldPriority, value: String(record.channelPriority || ''), queryName: 'priority' },
    { name: words.fieldId, value: record.id, queryName: 'id' },
  ];
  return fields.filter((field) => field.value !== '');
}
