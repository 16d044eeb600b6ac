/** Where the query is typed. What is typed becomes the query on Enter only; leaving with Esc drops it. */
import { type RefObject, useState } from 'react';
import { useWords } from '../i18n/language.ts';
import { Icon } from '../shell/icons.tsx';

interface SearchBarProperties {
  readonly ref: RefObject<HTMLInputElement | null>;
  readonly query: string;
  readonly invalid: boolean;
  readonly onRun: (query: string) => void;
}

export function SearchBar({ ref, query, invalid, onRun }: SearchBarProperties): React.JSX.Element {
  const words = useWords();
  const [draft, setDraft] = useState({ of: query, text: query });
  // The query changed elsewhere (a filter, back): what was typed belongs to the old one.
  if (draft.of !== query) setDraft({ of: query, text: query });
  return (
    <search className="search-bar">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onRun(draft.text.trim());
        }}
      >
        <Icon name="search" />
        <input
          ref={ref}
          type="text"
          value={draft.text}
          placeholder={words.searchPlaceholder}
          aria-label={words.searchLabel}
          aria-invalid={invalid}
          aria-describedby={invalid ? 'query-error' : undefined}
          aria-keyshortcuts="/"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          onChange={(event) => setDraft({ of: query, text: event.target.value })}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return;
            event.preventDefault();
            event.currentTarget.blur();
          }}
        />
        {draft.text !== '' && (
          <button
            type="button"
            className="ghost small"
            aria-label={words.clearSearch}
            title={words.clearSearch}
            onClick={() => {
              setDraft({ of: query, text: '' });
              onRun('');
            }}
          >
            <Icon name="close" />
          </button>
        )}
        <span className="key" aria-hidden="true">
          /
        </span>
        <button type="submit" className="primary">
          {words.search}
        </button>
      </form>
    </search>
  );
}
