/** The one way in which a query can be wrong: where, and what was expected there. */
import { SluiceError } from '@sluice/base/error';

export class QueryError extends SluiceError {
  /** Offset in the query in UTF-16 units, from 0 to its length. */
  readonly position: number;

  /** @param message what is wrong and what was expected instead */
  constructor(message: string, position: number) {
    super('query_invalid', message, { hint: 'The search language is described in docs/search.md.' });
    this.position = position;
  }
}
