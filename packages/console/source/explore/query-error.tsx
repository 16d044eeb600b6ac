/** A query that the server cannot read, with the offending character marked in it. */
import type { Failure } from '../api/failure.ts';
import { useWords } from '../i18n/language.ts';

interface QueryErrorProperties {
  readonly query: string;
  readonly failure: Extract<Failure, { readonly kind: 'query' }>;
}

export function QueryError({ query, failure }: QueryErrorProperties): React.JSX.Element {
  const words = useWords();
  const { position } = failure;
  const character =
    position === undefined ? '' : (String.fromCodePoint(query.codePointAt(position) ?? 0x20) ?? ' ');
  return (
    <div className="query-error" id="query-error" role="alert">
      <p>
        {words.failure.query}: {failure.message}
      </p>
      {position !== undefined && (
        <pre>
          {query.slice(0, position)}
          <mark>{position < query.length ? character : ' '}</mark>
          {query.slice(position + character.length)}
        </pre>
      )}
    </div>
  );
}
