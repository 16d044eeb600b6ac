/**
 * Where everything stands in the flow picture: one agent on the left, its channels in the middle in the order of use,
 * servers on the right. Lines that cross are channels out of turn: a contiguous order has none. Pure.
 */
import type { FlowChannel, FlowServer } from './flow-model.ts';

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface ChannelBox extends Box {
  readonly channel: FlowChannel;
  /** Path from the agent to the channel, and from the channel to its server. */
  readonly pathIn: string;
  readonly pathOut: string;
}

export interface ServerBox extends Box {
  readonly server: FlowServer;
  /** Its place among the servers: chooses the colour. */
  readonly index: number;
}

export interface FlowLayout {
  readonly width: number;
  readonly height: number;
  readonly agent: Box;
  readonly channels: readonly ChannelBox[];
  readonly servers: readonly ServerBox[];
}

/** More channels than this make a wall, not a picture; the list under it has them all. */
export const MAX_SHOWN_CHANNELS = 12;

const CHANNEL_HEIGHT = 38;
const CHANNEL_GAP = 10;
const NODE_HEIGHT = 58;
const NODE_GAP = 14;
const MARGIN = 4;
const MIN_HEIGHT = 130;

export function layoutFlow(
  channels: readonly FlowChannel[],
  servers: readonly FlowServer[],
  width: number,
): FlowLayout {
  const shown = channels.slice(0, MAX_SHOWN_CHANNELS);
  const channelsHeight = stackHeight(shown.length, CHANNEL_HEIGHT, CHANNEL_GAP);
  const serversHeight = stackHeight(servers.length, NODE_HEIGHT, NODE_GAP);
  const height = Math.max(MIN_HEIGHT, channelsHeight, serversHeight) + 2 * MARGIN;
  const nodeWidth = Math.max(84, Math.min(190, width * 0.22));
  const channelWidth = Math.max(96, Math.min(300, width * 0.32));
  const agent: Box = { x: MARGIN, y: (height - NODE_HEIGHT) / 2, width: nodeWidth, height: NODE_HEIGHT };
  const serverBoxes = servers.map(
    (server, index): ServerBox => ({
      server,
      index,
      x: width - nodeWidth - MARGIN,
      y: (height - serversHeight) / 2 + index * (NODE_HEIGHT + NODE_GAP),
      width: nodeWidth,
      height: NODE_HEIGHT,
    }),
  );
  const channelX = (width - channelWidth) / 2;
  const channelBoxes = shown.map((channel, index): ChannelBox => {
    const y = (height - channelsHeight) / 2 + index * (CHANNEL_HEIGHT + CHANNEL_GAP);
    const middle = y + CHANNEL_HEIGHT / 2;
    const target = serverBoxes.find((box) => box.server.id === channel.serverId);
    const ofServer = shown.filter((other) => other.serverId === channel.serverId);
    return {
      channel,
      x: channelX,
      y,
      width: channelWidth,
      height: CHANNEL_HEIGHT,
      pathIn: curve(agent.x + agent.width, portY(agent, index, shown.length), channelX, middle),
      pathOut:
        target === undefined
          ? ''
          : curve(
              channelX + channelWidth,
              middle,
              target.x,
              portY(target, ofServer.indexOf(channel), ofServer.length),
            ),
    };
  });
  return { width, height, agent, channels: channelBoxes, servers: serverBoxes };
}

function stackHeight(count: number, height: number, gap: number): number {
  return count === 0 ? 0 : count * height + (count - 1) * gap;
}

/** Where the line number `index` of `count` leaves a box: spread over the middle of its side. */
function portY(box: Box, index: number, count: number): number {
  return box.y + (box.height * (index + 1)) / (count + 1);
}

function curve(fromX: number, fromY: number, toX: number, toY: number): string {
  const middle = round((fromX + toX) / 2);
  return `M${round(fromX)} ${round(fromY)}C${middle} ${round(fromY)} ${middle} ${round(toY)} ${round(toX)} ${round(toY)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
