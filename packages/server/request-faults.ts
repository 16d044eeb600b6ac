/**
 * Tells who sends what cannot be read that it is at fault: `invalid_argument`, HTTP 400 (413 when it is too large), with
 * what was wrong. The library calls bytes that are no message an internal error, HTTP 500, which would be ours.
 *
 * A unary call that failed before its implementation was reached failed by its request. What a stream's input throws is
 * its sender's fault too; there the protocol has the error at the end of an answer of HTTP 200.
 */
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextKey,
  createContextValues,
  type Interceptor,
} from '@connectrpc/connect';
import {
  createAsyncIterable,
  type UniversalHandler,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { z } from 'zod';

/** Set when the request was read and its implementation called. */
const REACHED = createContextKey(
  { reached: false },
  { description: 'whether the implementation was called' },
);

/** For the router's options, beside {@link tellRequestFaults}. */
export const requestFaultInterceptor: Interceptor = (next) => async (request) => {
  request.contextValues.get(REACHED).reached = true;
  if (!request.stream) return await next(request);
  return await next({ ...request, message: blaming(request.message) });
};

/** Makes the router's handlers answer as above. Called after the services were added. */
export function tellRequestFaults(router: ConnectRouter): void {
  for (const [index, handler] of router.handlers.entries()) {
    if (handler.method.methodKind === 'unary') router.handlers[index] = tellingFaults(handler);
  }
}

async function* blaming<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    if (!(error instanceof ConnectError) || error.code !== Code.Internal) throw error;
    throw new ConnectError(
      `the request cannot be read: ${error.rawMessage}`,
      Code.InvalidArgument,
      undefined,
      undefined,
      error,
    );
  }
}

function tellingFaults(handler: UniversalHandler): UniversalHandler {
  const telling = async (request: UniversalServerRequest): Promise<UniversalServerResponse> => {
    const call = { reached: false };
    const contextValues = (request.contextValues ?? createContextValues()).set(REACHED, call);
    const response = await handler({ ...request, contextValues });
    if (response.status === 415) return fault(415, 'invalid_argument', NO_CONTENT_TYPE);
    // 429 is the library's status for what is larger than it may be.
    if (call.reached || (response.status !== 500 && response.status !== 429)) return response;
    const message = `the request is no readable ${handler.method.input.typeName}: ${await detailOf(response)}`;
    return response.status === 429
      ? fault(413, 'resource_exhausted', message)
      : fault(400, 'invalid_argument', message);
  };
  return Object.assign(telling, handler);
}

const NO_CONTENT_TYPE =
  'the content type is not served; send application/json or application/proto (a GET: encoding=json or encoding=proto)';

/** An error as the Connect protocol has it. */
function fault(status: number, code: string, message: string): UniversalServerResponse {
  const body = new TextEncoder().encode(JSON.stringify({ code, message }));
  const header = new Headers({
    'content-type': 'application/json',
    'content-length': String(body.byteLength),
  });
  return { status, header, body: createAsyncIterable([body]) };
}

const ERROR_BODY = z.object({ message: z.string() });

/** What the library said of it. */
async function detailOf(response: UniversalServerResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) chunks.push(chunk);
  // Only an error that repeats a long piece of the request is compressed.
  if (response.header?.has('content-encoding') === true) return 'it cannot be parsed';
  const parsed = ERROR_BODY.safeParse(JSON.parse(Buffer.concat(chunks).toString()));
  return parsed.success ? parsed.data.message : 'it cannot be parsed';
}
