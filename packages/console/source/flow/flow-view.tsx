import type { StatusResult } from './use-status.ts';
export function FlowView(_: {
  status: StatusResult;
  agentId: string;
  onAgent: (id: string) => void;
}): React.JSX.Element {
  return <p />;
}
