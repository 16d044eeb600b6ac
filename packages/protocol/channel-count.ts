/** M4: how many logical channels a server allocated with its grant (U5). */
import type { Grant } from './model.ts';

/** What the number of channels means: a refusal, all on the one, or an order to be determined. */
export type ChannelCount = 'none' | 'one' | 'several';

export function countChannels({ channels }: Pick<Grant, 'channels'>): ChannelCount {
  if (channels.length === 0) return 'none';
  return channels.length === 1 ? 'one' : 'several';
}
