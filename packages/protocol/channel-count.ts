/** M4: how many logical channels there are (U5): those of a grant, and those in hand. */

/** What the number means: a refusal, or nothing to send on; all goes on the one; an order is to be determined. */
export type ChannelCount = 'none' | 'one' | 'several';

export function countChannels(channels: { readonly length: number }): ChannelCount {
  if (channels.length === 0) return 'none';
  return channels.length === 1 ? 'one' : 'several';
}
