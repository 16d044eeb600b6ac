/** @returns records that the server at `url` has loaded into the store, from its metrics */
export async function loadedRecords(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  let records = 0;
  for (const [, value] of text.matchAll(/^sluice_server_loaded_records_total\{[^}]*\} (\S+)$/gm)) {
    records += Number(value);
  }
  return records;
}
