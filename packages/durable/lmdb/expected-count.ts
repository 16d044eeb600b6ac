/** How many entries there were, by several who say it, when one of them may be damaged or late. */

/**
 * @param claims of those who say the same when all is well; undefined of one who cannot say
 * @returns what two of them agree on, otherwise the highest: rather one too many told as lost than one too few; 0 when nobody
 *   can say
 */
export function expectedCount(claims: readonly (number | undefined)[]): number {
  const known = claims.filter((claim) => claim !== undefined);
  const agreed = known.find((claim, index) => known.indexOf(claim) !== index);
  return agreed ?? Math.max(0, ...known);
}
