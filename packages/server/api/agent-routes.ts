/** AgentService over what the server knows of agents. Translates calls and errors, decides nothing. */
import type { ConnectRouter } from '@connectrpc/connect';
import { AgentService as AgentServiceDescription } from '@sluice/wire/gen/agents_pb';
import { principalOf } from '../access/context.ts';
import type { AgentService } from '../identity/agent-service.ts';
import { toConnectError } from './errors.ts';

export function agentRoutes(agents: AgentService): (router: ConnectRouter) => void {
  return (router) => {
    router.service(AgentServiceDescription, {
      listAgents: () => agents.list(),
      acceptAgent: async (request, context) => {
        try {
          return await agents.accept(request, principalOf(context));
        } catch (error) {
          throw toConnectError(error);
        }
      },
    });
  };
}
