/**
 * Prints what the demo shows, part by part as it becomes known.
 */
import { bitRate, bytes, count, duration } from '../format.js'
import { balanceLines, isBalanced } from '../packet-balance.js'
import { type Column, table } from '../table.js'
import type { Terminal } from '../terminal.js'
import type { DemoResult, Download, Requests } from './result.js'

type Opening = Pick<DemoResult, 'ports' | 'policy' | 'servers'>
type Books = Pick<DemoResult, 'packets' | 'drops'>

export function printOpening(terminal: Terminal, { ports, policy, servers }: Opening): void {
  const kind = ports === 'tap' ? 'TAP' : 'AF_PACKET'
  const engine = terminal.style('bold', '[ Sluice ]')
  terminal.print()
  terminal.print(` clients ──── ${engine} ──── ${servers.join('  ')}`)
  const inside = `${kind} ports, policy ${policy.file}, revision ${policy.revision}`
  terminal.print(terminal.style('dim', ` Private network namespaces; ${inside}`))
  printSource(terminal, policy.source)
}

/** More than that is not for reading in passing. */
const longestSource = 8

function printSource(terminal: Terminal, source: string): void {
  const lines = source.split('\n')
  if (source === '' || lines.length > longestSource) return
  terminal.print()
  for (const line of lines) terminal.print(`   ${terminal.style('cyan', line)}`)
}

export function printRequests(terminal: Terminal, requests: Requests[], servers: string[]): void {
  heading(terminal, 'Requests', 'each a TCP connection of its own')
  const columns: Column[] = [
    { head: 'client' },
    { head: 'virtual server' },
    { head: 'decided by' },
    { head: 'requests', align: 'right' },
    ...servers.map((head): Column => ({ head, align: 'right' })),
  ]
  const rows = requests.map((one) => [
    one.role === 'tester' ? `${one.client} (tester)` : one.client,
    one.virtualServer,
    one.decidedBy,
    count(one.count),
    ...servers.map((server) => count(one.answered[server] ?? 0)),
  ])
  terminal.print(table(terminal, columns, rows, 1))
  const all = requests.reduce((sum, one) => sum + one.count, 0)
  const recognized = requests.reduce((sum, one) => sum + one.recognized, 0)
  const seen = verdict(terminal, recognized === all, `${count(recognized)} of ${count(all)}`)
  terminal.print(` Servers that saw the client's own address and port: ${seen}`)
}

export function printDownloads(terminal: Terminal, downloads: Download[]): void {
  heading(terminal, 'Bulk download', 'through a virtual server, hashed by the client as it comes')
  const rows = downloads.map(({ family, bytes: length, seconds, bitsPerSecond, equal }) => [
    `IPv${family}`,
    `${bytes(length)} in ${duration(seconds * 1000)}`,
    bitRate(bitsPerSecond),
    `sha256 ${verdict(terminal, equal, equal ? 'equal' : 'differs')}`,
  ])
  terminal.print(table(terminal, [], rows, 1))
}

export function printPackets(terminal: Terminal, { packets, drops }: Books): void {
  const balanced = isBalanced(packets)
  heading(terminal, 'Packets', balanced ? 'every one accounted for' : 'not all accounted for')
  for (const line of balanceLines(terminal, packets, drops)) terminal.print(` ${line}`)
}

export function heading(terminal: Terminal, title: string, remark: string): void {
  terminal.print()
  terminal.print(` ${terminal.style('bold', `${title},`)} ${terminal.style('dim', remark)}`)
}

export function verdict(terminal: Terminal, good: boolean, words: string): string {
  return terminal.style(good ? 'green' : 'red', words)
}
