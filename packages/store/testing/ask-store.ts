/** For tests and benches: a store in a process of its own, and plain requests to it. */

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import path from 'node:path';
import { defined } from '@sluice/base/defined';
import { endpointText, readEndpoint, readSecret, StoreAgent } from '../endpoint.ts';
import { ACCESS_HEADER } from '../store-request.ts';

/** Main module of a store that runs any statement. */
export const OPEN_STORE_MODULE: string = path.join(import.meta.dirname, 'open-store-process.ts');

/** Tests ask one thing after the other. */
const MAX_CONNECTIONS = 16;

export interface StoreQuestion {
  readonly method?: string;
  /** URL parameters. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Claims the right to change something. */
  readonly write?: boolean;
  readonly signal?: AbortSignal;
}

export interface StoreAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

/** Asks as a server does: with the secret of the directory, wherever the store listens. */
export async function askStore(directory: string, question: StoreQuestion): Promise<StoreAnswer> {
  const basic = Buffer.from(`default:${readSecret(directory)}`).toString('base64');
  return await askAnyway(directory, {
    ...question,
    headers: {
      authorization: `Basic ${basic}`,
      ...(question.write === true ? { [ACCESS_HEADER]: 'write' } : {}),
      ...question.headers,
    },
  });
}

/** @returns the answer's text. @throws Error with it when the status is none of success */
export async function textOf(
  directory: string,
  query: string,
  question: StoreQuestion = {},
): Promise<string> {
  const answer = await askStore(directory, { body: query, ...question });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.text;
}

/** Asks with these headers alone. Rejects when the answer is broken off. */
export async function askAnyway(directory: string, question: StoreQuestion): Promise<StoreAnswer> {
  const endpoint = readEndpoint(directory);
  const url = new URL(endpoint.kind === 'socket' ? 'http://localhost/' : endpointText(endpoint));
  for (const [name, value] of Object.entries(question.parameters ?? {})) url.searchParams.set(name, value);
  const agent = new StoreAgent(directory, MAX_CONNECTIONS);
  try {
    return await new Promise((resolve, reject) => {
      const request = httpRequest(url, {
        agent,
        method: question.method ?? 'POST',
        headers: question.headers,
        ...defined({ signal: question.signal }),
      });
      request.on('error', reject);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const { statusCode = 0, headers } = response;
          resolve({
            status: statusCode,
            headers,
            bytes,
            get text() {
              return bytes.toString('utf8');
            },
          });
        });
      });
      request.end(question.body);
    });
  } finally {
    agent.destroy();
  }
}
