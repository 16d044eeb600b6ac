/**
 * Why things happen in the uplink, in Chinese: the words of the state machines (packages/protocol). What is not known here
 * stays in the words of the program that says it.
 */

const PATTERNS: readonly (readonly [pattern: RegExp, inChinese: (...parts: readonly string[]) => string])[] =
  [
    [/^connected$/, () => '已连接'],
    [/^quota was asked back$/, () => '配额被收回'],
    [/^something more urgent waits$/, () => '有更紧急的内容在等待'],
    [/^no answer$/, () => '没有应答'],
    [/^no answer for (\d+) ms$/, (ms) => `${ms} 毫秒没有应答`],
    [/^a grant that answers no open request$/, () => '授权未答复任何进行中的请求'],
    [/^the next block fits no quota$/, () => '下一个块超出现有配额'],
    [/^more waits than quota is left$/, () => '等待的内容多于剩余配额'],
    [/^refresh$/, () => '定期更新'],
    [/^quota is half used, or ends$/, () => '配额已用过半，或即将到期'],
    [/^answers request (\d+)$/, (request) => `答复请求 ${request}`],
    [/^overloaded, again in (\d+) ms$/, (ms) => `过载，${ms} 毫秒后重试`],
    [/^draining, again in (\d+) ms$/, (ms) => `正在退出，${ms} 毫秒后重试`],
    [/^all grants$/, () => '全部授权'],
    [/^grant (\S+)$/, (grant) => `授权 ${grant}`],
    [/^outranked by (.+)$/s, (servers) => `排在前面的有 ${servers}`],
    [/^(\S+) did not answer in time$/, (server) => `${server} 未及时应答`],
  ];

/** @param reason as a state machine says it; it may come from a peer, and be anything */
export function inChineseReason(reason: string): string {
  for (const [pattern, inChinese] of PATTERNS) {
    const match = pattern.exec(reason);
    if (match !== null) return inChinese(...match.slice(1));
  }
  return reason;
}
