/** iperf3's client in a laboratory: throughput of TCP streams, as a whole and over time. */
import type { Namespace } from '../../src/laboratory/index.js'

export interface IperfResult {
  /** As the receiver counted. */
  bitsPerSecond: number
  bytes: number
  retransmits: number
  /** Bits per second of each interval, in order. */
  intervals: number[]
}

export interface IperfOptions {
  port?: number
  seconds?: number
  /** Ends after so many bytes instead. */
  bytes?: number
  /** Seconds between two intervals. */
  intervalSeconds?: number
  /** The server sends. */
  reverse?: boolean
  streams?: number
}

interface Report {
  error?: string
  intervals: { sum: { bits_per_second: number } }[]
  end: {
    sum_sent: { retransmits?: number }
    sum_received: { bits_per_second: number; bytes: number }
  }
}

/** @throws {Error} with iperf3's own words where the test did not come to its end. */
export async function iperf(
  from: Namespace,
  address: string,
  options: IperfOptions = {},
): Promise<IperfResult> {
  const seconds = options.seconds ?? 2
  const args = ['-c', address, '-J', '-p', String(options.port ?? 5201)]
  args.push(...(options.bytes ? ['-n', String(options.bytes)] : ['-t', String(seconds)]))
  args.push('-i', String(options.intervalSeconds ?? 1), '-P', String(options.streams ?? 1))
  if (options.reverse) args.push('-R')
  const timeoutMs = (seconds + 30) * 1000
  const { stdout, signal } = await from.tryExec('iperf3', args, { timeoutMs })
  if (signal) throw new Error(`iperf3 to ${address}: not done after ${timeoutMs} ms`)
  const report = JSON.parse(stdout) as Report
  if (report.error) throw new Error(`iperf3 to ${address}: ${report.error}`)
  return {
    bitsPerSecond: report.end.sum_received.bits_per_second,
    bytes: report.end.sum_received.bytes,
    retransmits: report.end.sum_sent.retransmits ?? 0,
    intervals: report.intervals.map(({ sum }) => sum.bits_per_second),
  }
}
