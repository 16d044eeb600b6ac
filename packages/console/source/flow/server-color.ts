/** A server's colour: by its place in the list, the same in the picture, the lists and the cards. */

/** Number of colours in `style/tokens.css`. */
const SERVER_COLORS = 6;

/** The class that sets `--server` for everything inside. */
export function serverColorClass(index: number | undefined): string {
  return `server-color-${(index ?? 0) % SERVER_COLORS}`;
}
