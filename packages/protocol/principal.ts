/**
 * Who asks. Each door (API, uplink, store) finds out once for each request, and hands a principal on to all that work for
 * it.
 *
 * Invariant: a principal holds no secret: its name may be shown and logged.
 */
import type { Branded } from '@sluice/base/brand';
import type { AgentId } from './model.ts';

/** Names those whose records are kept apart from the records of others. */
export type Tenant = Branded<string, 'Tenant'>;

/** The one that there is. Records from before there were any have an empty one, which is the same. */
export const DEFAULT_TENANT: Tenant = 'default' as Tenant; // A brand has no other way on.

/** What an agent has proven of who it is; a key and a certificate may both be. */
export interface ShownIdentity {
  /** `ed25519 SHA256:...` */
  readonly key: string | undefined;
  /** `certificate SUBJECT, issued by ISSUER, SHA256:...` */
  readonly certificate: string | undefined;
}

interface Named {
  /** The same each time that the same one asks; no two kinds share one. */
  readonly name: string;
  readonly tenant: Tenant;
}

/** Said nothing of who it is. Doors that want no token, which are on loopback, let it in. */
export interface AnonymousPrincipal extends Named {
  readonly kind: 'anonymous';
}

/** Showed the token. */
export interface TokenPrincipal extends Named {
  readonly kind: 'token';
}

/** The agent of an id, as far as it has proven to be it; what is believed of it is its standing. */
export interface AgentPrincipal extends Named {
  readonly kind: 'agent';
  readonly agentId: AgentId;
  readonly shown: ShownIdentity;
}

/** A program at the store: a server, as a rule. */
export interface StoreClientPrincipal extends Named {
  readonly kind: 'store_client';
  /** `socket`: the file system let it in; `password`: it showed the store's secret, or the password that was set. */
  readonly by: 'socket' | 'password';
}

export type Principal = AnonymousPrincipal | TokenPrincipal | AgentPrincipal | StoreClientPrincipal;

export const ANONYMOUS: AnonymousPrincipal = {
  kind: 'anonymous',
  name: 'anonymous',
  tenant: DEFAULT_TENANT,
};

export const TOKEN_HOLDER: TokenPrincipal = { kind: 'token', name: 'token', tenant: DEFAULT_TENANT };

export function agentPrincipal(agentId: AgentId, shown: ShownIdentity): AgentPrincipal {
  return { kind: 'agent', name: `agent ${agentId}`, tenant: DEFAULT_TENANT, agentId, shown };
}

export function storeClientPrincipal(by: StoreClientPrincipal['by']): StoreClientPrincipal {
  return { kind: 'store_client', name: `store client by ${by}`, tenant: DEFAULT_TENANT, by };
}
