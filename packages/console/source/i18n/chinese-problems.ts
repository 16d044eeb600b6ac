/** 简体中文: what is wrong and what to do, by the codes of docs/problems.md. `{name}` is filled in by the server's values. */

export interface ProblemWords {
  readonly summary: string;
  readonly action: string;
}

/** A Map, since codes come from a server that may be newer than this page. */
export const chineseProblems: ReadonlyMap<string, ProblemWords> = new Map(
  Object.entries({
    store_schema_newer: {
      summary: '无法使用存储：{reason}',
      action: '请用更新版本的程序启动此服务器，或为它配置单独的存储。',
    },
    store_table_missing: {
      summary: '存储中的数据表被删除：{reason}',
      action:
        '请查明是谁删除了它。服务器会自行重新建表；表中原有的内容已丢失，日志缓存里的内容是安全的。此提示保留到服务器重启。',
    },
    store_away: {
      summary: '存储不可用：{reason}',
      action: '请启动存储，或改正其地址或密码。日志在服务器的日志缓存和代理处等待。',
    },
    store_disk_full: {
      summary: '存储所在磁盘已满：{reason}',
      action: '请在存储所在磁盘上腾出空间，之后会自动继续写入。',
    },
    journal_disk_full: {
      summary: '日志缓存所在磁盘已满（共 {size}，剩余 {free}）：任何代理都不能发送。',
      action: '请在 {directory} 所在磁盘上腾出空间。其间代理保留日志，之后自动继续。',
    },
    journal_damaged: {
      summary: '日志缓存无法使用：{reason}',
      action: '请检查磁盘并重启服务器。它会保存可读的内容，统计丢失的部分，并保留损坏的文件。',
    },
    journal_lost: {
      summary: '日志缓存丢失了 {blocks} 个已确认的数据块。{reason}',
      action: '请查明原因（磁盘、被还原的副本、被人删除）。然后确认已知晓：`sluice set-aside acknowledge`。',
    },
    agent_queue_damaged: {
      summary: '代理 {subject} 无法使用其队列：{reason}',
      action: '请检查该机器的磁盘并重启代理。它会保存可读的内容，统计丢失的部分，并保留损坏的文件。',
    },
    agent_queue_lost: {
      summary: '代理 {subject} 的队列丢失了 {blocks} 个尚无服务器确认的数据块。{reason}',
      action:
        '请查明原因（磁盘、被还原的副本、被人删除）。然后停止该代理，在其机器上确认已知晓（`sluice set-aside acknowledge --data DIR`），再重新启动。',
    },
    loading_stalled: {
      summary: '写入存储已停滞：日志缓存中有 {records} 条记录（{urgencies}）在等待，原因：{reason}',
      action: '请解决上述原因。没有丢失任何内容：日志缓存还能容纳 {room}，之后代理将等待。',
    },
    journal_full: {
      summary: '日志缓存已满（{held}）：任何代理都不能发送。',
      action: '请查看写入为何缓慢或停滞。如果存储只是需要时间，则无需处理。',
    },
    agent_queue_disk_full: {
      summary: '代理 {subject} 的队列所在磁盘已满（共 {size}，剩余 {free}）：它不再读取。',
      action: '请在该机器上腾出空间。文件原地等待；如果在此之前被删除，其中的行会丢失。',
    },
    agent_queue_unwritable: {
      summary: '代理 {subject} 无法写入队列：{reason}',
      action: '请修复其数据目录。文件原地等待；如果在此之前被删除，其中的行会丢失。',
    },
    set_aside_dropped: {
      summary: '日志缓存丢弃了 {blocks} 个被存储拒绝的数据块，其中的行已丢失。',
      action: '请用 `sluice set-aside list` 查看存储为何拒绝，并在丢弃更多之前解决。',
    },
    source_stuck: {
      summary: '代理 {agent} 的来源 {source} 停滞不前，尚有 {unread} 未读取：{reason}',
      action: '请查看该代理的日志。这些行在文件中等待；如果在此之前被删除，就会丢失。',
    },
    identity_twins: {
      summary: '有 {count} 个代理同时以 {subject} 的身份运行。它们的日志都被接收。',
      action: '请用 `sluice agents list` 找到它们。停止副本，并用它自己的空数据目录启动（`--data DIR`）。',
    },
    agent_set_aside_dropped: {
      summary:
        '代理 {subject} 丢弃了 {blocks} 个没有服务器接受的数据块：除非原文件还在，否则其中的行已丢失。',
      action: '请在其日志中查看被拒绝的原因，并在丢弃更多之前解决。',
    },
    blocks_set_aside: {
      summary: '日志缓存中搁置了 {blocks} 个被存储拒绝的数据块。',
      action: '请用 `sluice set-aside list` 查看，然后重试或删除。',
    },
    agent_blocks_set_aside: {
      summary: '代理 {subject} 处搁置了 {blocks} 个没有服务器接受的数据块。',
      action: '请在该机器上用 `sluice set-aside list` 查看，然后重试或删除。',
    },
    identity_book_lost: {
      summary: '服务器关于代理身份的记录已丢失：{reason}',
      action:
        '请查明原因（磁盘、被人改动的文件），并用 `sluice agents list` 核对每个代理是否是它应有的身份。此提示保留到服务器重启。',
    },
    identity_book_unwritable: {
      summary: '服务器无法写入关于代理身份的记录：{reason}',
      action: '请修复数据目录所在磁盘。其间记录保留在内存中，并会重试写入。',
    },
    identity_other_key: {
      summary: '有人以代理 {subject} 的名义用未知密钥连接（{count} 次）。那些日志被接收。',
      action:
        '请查看 `sluice agents list`。如果该机器是重新安装的：`sluice agents accept {subject}`；否则请查明是谁在使用它的名字。',
    },
    identity_no_key: {
      summary: '有人以代理 {subject} 的名义但没有其密钥连接（{count} 次）。那些日志被接收。',
      action: '请查看 `sluice agents list`：可能是同一机器上的旧程序，也可能是别人。',
    },
    agent_rolled_back: {
      summary: '代理 {subject} 的数据目录回到了较早的状态（{count} 次）：有些行可能重复。',
      action: '没有丢失任何内容。日志还在时，请不要把目录的副本放回去。',
    },
    agent_blocks_in_conflict: {
      summary:
        '代理 {subject} 以 {blocks} 个已被占用的块名发送了其他内容：{records} 条记录与先前的一并保留。',
      action: '请查看 `sluice agents list`。请给每台机器各自的数据目录；不要恢复正在运行的机器的快照。',
    },
    agent_blocks_repeated: {
      summary: '代理 {subject} 再次发送了存储中已有的 {blocks} 个块：{records} 条记录没有再次存入。',
      action: '没有丢失任何内容。日志还在时，请不要把数据目录的副本放回去。',
    },
    agent_gone: {
      summary: '代理 {subject} 已失联。最后一次看到时，那里有 {records} 条记录在等待。',
      action: '请查看该机器和代理是否在运行并能连到此服务器。其文件原地等待。',
    },
    server_unreachable: {
      summary: '{connected} 个代理中有 {missing} 个（{agents}）连不到服务器 {subject}：{reason}',
      action: '请启动该服务器或修复通往它的网络。其间日志会发往其他服务器。',
    },
    searches_refused: {
      summary: '最近一分钟有 {refused} 个搜索被要求稍后再来：{running} 个在运行，{waiting} 个在等待。',
      action: '请查看是谁搜索得这么多；缩短时间范围，或为存储增加资源。',
    },
    loading_slow: {
      summary: '写入存储滞后：日志缓存的 {records} 条记录中，最早的已等待 {age}。',
      action: '请为存储增加资源，或减少发送量。其间只能搜索到较早的日志。',
    },
    agent_lagging: {
      summary: '代理 {subject} 滞后：其队列的 {records} 条记录中，最早的已等待 {age}。',
      action: '请查看服务器是否授予它信道：日志缓存已满、网络缓慢或缺少服务器都会拖住它。',
    },
    agent_queue_full: {
      summary: '代理 {subject} 的队列已满（{used}）：读取暂停。',
      action: '请查看服务器为何接收过少。文件原地等待；如果在此之前被删除，其中的行会丢失。',
    },
    source_unreadable: {
      summary: '代理 {agent} 无法读取来源 {source}（{unread} 在等待）：{reason}',
      action: '请给代理读取它的权限，或将它从代理的监视范围中排除。',
    },
    source_vanished: {
      summary: '代理 {agent} 的来源 {source} 已消失，其中 {unread} 从未读取。',
      action: '除非还有该文件的副本，否则这些行已丢失。请让轮转文件的程序把文件保留更久。',
    },
    lines_failed: {
      summary: '在代理 {subject} 处，由于程序错误，有 {lines} 行没有成为记录。',
      action: '请查看该代理的日志并报告此错误。这些行仍在其文件中。',
    },
    journal_disk_low: {
      summary: '日志缓存所在磁盘快满了：共 {size}，剩余 {free}。',
      action: '请在 {directory} 所在磁盘写满之前腾出空间。',
    },
    agent_queue_disk_low: {
      summary: '代理 {subject} 的队列所在磁盘快满了：共 {size}，剩余 {free}。',
      action: '请在该机器的磁盘写满之前腾出空间。',
    },
    agent_clock_off: {
      summary: '代理 {subject} 的时钟是 {agentTime}：与此服务器的时钟相差 {offset}。',
      action: '请同步该机器的时钟：没有自带时间的记录，其时间是错的。',
    },
    agent_problem: {
      summary: '代理 {subject}：{reason}',
      action: '请查看该代理的日志。',
    },
  }),
);

/**
 * @param problem what the server tells: a code, values, and both sentences in English
 * @returns the sentences in Chinese; in English for a code that this page does not know
 */
export function inChinese(
  problem: ProblemWords & { readonly code: string; readonly values: Readonly<Record<string, string>> },
): ProblemWords {
  const known = chineseProblems.get(problem.code);
  if (known === undefined) return { summary: problem.summary, action: problem.action };
  const fill = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (placeholder, name: string) =>
      Object.hasOwn(problem.values, name) ? (problem.values[name] ?? placeholder) : placeholder,
    );
  return { summary: fill(known.summary), action: fill(known.action) };
}
