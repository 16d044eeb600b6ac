/** Names and values of a record, each value with buttons that include or exclude it. */
import { useState } from 'react';
import { formatCount } from '../format/format.ts';
import { revealControls } from '../format/visible-text.ts';
import { useWords } from '../i18n/language.ts';
import { Icon } from '../shell/icons.tsx';
import type { Field } from './record-fields.ts';

/** A record may carry tens of thousands of attributes; this many are shown at a time. */
const FIELDS_SHOWN = 200;
/** From this many on, a box to find one is worth its room. */
const FIND_FROM_FIELDS = 15;
/** A longer value is no useful filter, and no address could hold it. */
const FILTER_VALUE_CHARACTERS = 1000;
/** What a screen reader is told of a value. */
const LABEL_CHARACTERS = 80;

export type FilterByValue = (field: string, value: string, mode: 'include' | 'exclude') => void;

interface FieldListProperties {
  readonly title?: string;
  readonly fields: readonly Field[];
  readonly onFilter: FilterByValue;
}

export function FieldList({ title, fields, onFilter }: FieldListProperties): React.JSX.Element | null {
  const words = useWords();
  const [wanted, setWanted] = useState('');
  const [limit, setLimit] = useState(FIELDS_SHOWN);
  if (fields.length === 0) return null;
  const needle = wanted.toLowerCase();
  const matching =
    needle === ''
      ? fields
      : fields.filter((field) => `${field.name}\n${field.value}`.toLowerCase().includes(needle));
  return (
    <section>
      {title !== undefined && (
        <h3>
          {title} <span className="dim">{formatCount(fields.length)}</span>
        </h3>
      )}
      {fields.length >= FIND_FROM_FIELDS && (
        <input
          type="text"
          className="field-find"
          placeholder={words.filterAttributes}
          aria-label={words.filterAttributes}
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
        />
      )}
      <dl className="fields">
        {matching.slice(0, limit).map((field) => (
          <FieldRow key={field.name} field={field} onFilter={onFilter} />
        ))}
      </dl>
      {matching.length > limit && (
        <button type="button" className="link" onClick={() => setLimit(limit + FIELDS_SHOWN)}>
          {words.showMore(formatCount(Math.min(FIELDS_SHOWN, matching.length - limit)))}
        </button>
      )}
    </section>
  );
}

function FieldRow({
  field,
  onFilter,
}: {
  readonly field: Field;
  readonly onFilter: FilterByValue;
}): React.JSX.Element {
  const words = useWords();
  const { name, value, queryName, queryValue = value } = field;
  const short = value.length > LABEL_CHARACTERS ? `${value.slice(0, LABEL_CHARACTERS)}…` : value;
  const filterable = queryName !== undefined && value.length <= FILTER_VALUE_CHARACTERS;
  return (
    <div className="field">
      <dt>{revealControls(name)}</dt>
      <dd>
        {filterable ? (
          <>
            <button
              type="button"
              className="field-value"
              title={words.include(name, short)}
              onClick={() => onFilter(queryName, queryValue, 'include')}
            >
              {revealControls(value)}
            </button>
            <button
              type="button"
              className="ghost small"
              aria-label={words.include(name, short)}
              title={words.include(name, short)}
              onClick={() => onFilter(queryName, queryValue, 'include')}
            >
              <Icon name="plus" />
            </button>
            <button
              type="button"
              className="ghost small"
              aria-label={words.exclude(name, short)}
              title={words.exclude(name, short)}
              onClick={() => onFilter(queryName, queryValue, 'exclude')}
            >
              <Icon name="minus" />
            </button>
          </>
        ) : (
          <span className="field-value">{revealControls(value)}</span>
        )}
      </dd>
    </div>
  );
}
