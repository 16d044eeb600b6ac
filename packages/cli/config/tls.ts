/** The PEM files that settings name, read and checked before anything uses them. */

import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { defined } from '@sluice/base/defined';
import { messageOf, SluiceError } from '@sluice/base/error';
import { flagName } from './settings.ts';

/** PEM texts. */
interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * What a server shows, and who must have signed the certificates of its agents, if anyone; undefined when it speaks
 * without TLS.
 *
 * @throws SluiceError `config_unreadable`, `config_invalid`
 */
export function readServerTls(settings: {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
}): (Certificate & { readonly ca?: string }) | undefined {
  const certificate = readCertificate(settings);
  const ca = readAuthorities('tlsClientCa', settings.tlsClientCa);
  if (certificate === undefined) {
    if (ca === undefined) return undefined;
    throw incomplete('tlsClientCa', 'tlsCert');
  }
  return { ...certificate, ...defined({ ca }) };
}

/**
 * Whom a client believes, and what it shows when it is asked; undefined when the system's authorities are enough.
 *
 * @throws SluiceError `config_unreadable`, `config_invalid`
 */
export function readClientTls(settings: {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}): (Partial<Certificate> & { readonly ca?: string }) | undefined {
  const certificate = readCertificate(settings);
  const ca = readAuthorities('tlsCa', settings.tlsCa);
  if (certificate === undefined && ca === undefined) return undefined;
  return { ...certificate, ...defined({ ca }) };
}

/** What a program shows; undefined when it speaks without TLS. @throws SluiceError `config_unreadable`, `config_invalid` */
export function readCertificate(settings: {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}): Certificate | undefined {
  const { tlsCert, tlsKey } = settings;
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined) throw incomplete('tlsKey', 'tlsCert');
  if (tlsKey === undefined) throw incomplete('tlsCert', 'tlsKey');
  const certificate = { cert: readPem('tlsCert', tlsCert), key: readPem('tlsKey', tlsKey) };
  try {
    createSecureContext(certificate);
  } catch (error) {
    throw new SluiceError('config_invalid', `${tlsCert} and ${tlsKey}: ${messageOf(error)}`, {
      cause: error,
      hint: 'Give a PEM certificate, its chain behind it, and the PEM private key that belongs to it.',
    });
  }
  return certificate;
}

/** @returns the PEM text of the file that the setting names. @throws SluiceError `config_unreadable`, `config_invalid` */
export function readAuthorities(setting: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const ca = readPem(setting, file);
  try {
    createSecureContext({ ca });
  } catch (error) {
    throw new SluiceError('config_invalid', `${file}: ${messageOf(error)}`, {
      cause: error,
      hint: 'Give the certificates of the authorities in PEM.',
    });
  }
  return ca;
}

/** A file without any PEM in it would be taken for "no authority at all" by some versions of the library. */
function readPem(setting: string, file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new SluiceError('config_unreadable', `${flagName(setting)}: ${messageOf(error)}`, {
      cause: error,
      hint: 'Check the path and the permissions of the file.',
    });
  }
  if (!text.includes('-----BEGIN ')) {
    throw new SluiceError('config_invalid', `${flagName(setting)}: ${file} is not PEM`, {
      hint: "A PEM file begins with a line such as '-----BEGIN CERTIFICATE-----'.",
    });
  }
  return text;
}

function incomplete(given: string, missing: string): SluiceError {
  return new SluiceError('config_invalid', `${given} is given without ${missing}`, {
    hint: `Give ${missing} too (${flagName(missing)} FILE).`,
  });
}
