/** What a server's metrics say about the steps of blocks of one class: means over the whole run. */

/** @returns lines for people; a step without any block is left out */
export async function serverHops(apiUrl: string, urgency: string): Promise<string[]> {
  const text = await (await fetch(`${apiUrl}/metrics`)).text();
  const mean = (name: string): number | undefined => {
    const [sum, count] = ['sum', 'count'].map((part) =>
      sampleOf(text, `sluice_server_${name}_${part}`, urgency),
    );
    return sum === undefined || count === undefined || count === 0 ? undefined : (sum / count) * 1000;
  };
  const steps = [
    ['arrived -> durable', mean('block_durable_delay_seconds')],
    ['arrived -> loaded', mean('load_delay_seconds')],
    ['insert', mean('insert_duration_seconds')],
  ] as const;
  const known = steps.flatMap(([step, milliseconds]) =>
    milliseconds === undefined ? [] : [`${step} ${milliseconds.toFixed(0)} ms`],
  );
  return known.length === 0 ? [] : [`${urgency} blocks at the server, on average: ${known.join('; ')}`];
}

function sampleOf(text: string, name: string, urgency: string): number | undefined {
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}{`) || !line.includes(`urgency="${urgency}"`)) continue;
    return Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return undefined;
}
