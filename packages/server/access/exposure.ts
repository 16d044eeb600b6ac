/** Where a server may listen: on this computer, or beyond it over TLS with a token. */
import { SluiceError } from '@sluice/base/error';
import { isLoopbackHost } from '@sluice/host/loopback';

/**
 * Refuses to listen where strangers could send or read.
 *
 * @param part what would listen, for the message
 * @throws SluiceError('config_invalid') for an address beyond loopback without TLS and token, and for an empty token
 */
export function checkExposure(
  part: 'uplink' | 'API',
  host: string,
  hasTls: boolean,
  token: string | undefined,
): void {
  if (token === '') {
    throw new SluiceError('config_invalid', 'the token is empty', { hint: 'Set a token or leave it out.' });
  }
  if (isLoopbackHost(host) || (hasTls && token !== undefined)) return;
  const missing = [hasTls ? '' : 'TLS', token === undefined ? 'a token' : ''].filter((word) => word !== '');
  throw new SluiceError(
    'config_invalid',
    `the ${part} may not listen on ${host} without ${missing.join(' and ')}`,
    {
      hint: 'Give --tls-cert and --tls-key, and a token (SLUICE_TOKEN), or listen on 127.0.0.1.',
    },
  );
}
