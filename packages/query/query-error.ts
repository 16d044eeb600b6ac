/** The one way in which a query can be wrong: where, and what was expected there. */
import { SluiceError } from '@sluice/base/error';

/**
 * A SluiceError `query_invalid`.
 *
 * @param message what is wrong and what was expected instead
 * @param position where: an offset in the query in UTF-16 units, from 0 to its length
 */
export function queryError(message: string, position: number): SluiceError {
  return new SluiceError('query_invalid', message, {
    position,
    hint: 'The search language is described in docs/search.md.',
  });
}
