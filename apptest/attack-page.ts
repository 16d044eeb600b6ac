/** What a page of a foreign site tries, as the text of a function that runs in that page. */

/**
 * `async (urls, sql)`: sends the statement to each URL by image, fetch, WebSocket and form, and asks the API there.
 * Returns all that the page could read of the answers.
 */
export const TRY_EVERYTHING = `async (urls, sql) => {
  const read = [];
  const ask = async (url, init) => {
    try {
      read.push(await (await fetch(url, init)).text());
    } catch {} // Refused by the browser or not answered: nothing to read.
  };
  for (const url of urls) {
    const query = url + '/?query=' + encodeURIComponent(sql);
    await new Promise((resolve) => {
      const image = new Image();
      image.onload = image.onerror = resolve;
      image.src = query;
    });
    for (const mode of ['no-cors', 'cors']) {
      await ask(query, { mode, credentials: 'include' });
      await ask(url, { mode, method: 'POST', body: sql, credentials: 'include' });
      await ask(query, { mode, method: 'POST', body: '', headers: { 'content-type': 'text/plain' } });
    }
    await ask(url, { method: 'POST', body: sql, headers: { 'x-sluice-access': 'write' } });
    const json = { 'content-type': 'application/json' };
    await ask(url + '/sluice.v1.QueryService/Count', { method: 'POST', headers: json, body: '{"query":"*"}' });
    await ask(url + '/metrics', {});
    await new Promise((resolve) => {
      const socket = new WebSocket(query.replace('http', 'ws'));
      socket.onopen = () => resolve(read.push('a WebSocket opened'));
      socket.onerror = resolve;
    });
    await new Promise((resolve) => {
      const frame = document.createElement('iframe');
      const form = document.createElement('form');
      frame.name = 'frame' + document.forms.length;
      Object.assign(form, { method: 'post', enctype: 'text/plain', action: query, target: frame.name });
      document.body.append(frame, form);
      form.submit();
      setTimeout(resolve, 1000);
    });
  }
  return read.join('\\n');
}`;
